#include "server/order_explanation.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/digest.h"
#include "server/order_history.h"
#include "server/query_times.h"

namespace recharge {
namespace {

struct Outlook {
  std::string missing = {};  // empty: nothing
  std::string next_action = {};
};

constexpr std::string_view kSendAgain =
    "have the gateway send its callback again; one with an invalid signature leaves no trace here, only in "
    "the log and in recharge_callbacks_total";

// What an operator weighs, before the command that does it.
std::string_view advice(const PaymentException& kept) {
  switch (kept.kind) {
    case ExceptionKind::late_payment:
      return "credit it, or refund the payer";
    case ExceptionKind::duplicate_payment:
      return "refund the payer, or credit the second payment as well";
    case ExceptionKind::amount_mismatch:
      return "have the gateway send the right amount, which is then credited by itself; or credit what came, "
             "or refund the payer";
    case ExceptionKind::gateway_mismatch:
      return "ask the gateway that reported it; then credit it, or refund the payer";
    case ExceptionKind::unknown_order:
      return "find out what was paid for; no account can be credited, so refund the payer, or dismiss it";
    case ExceptionKind::stale_callback:
      return "have the gateway sign and send it again, which is then decided afresh by itself; or decide";
    case ExceptionKind::balance_limit:
      return "refund the payer, or credit it when the balance has room";
  }
  return {};
}

Outlook outlook_on(const PaymentException& kept, std::size_t open) {
  const std::string id = kept.id.to_text();
  const std::string_view actions = kept.order_id.is_nil() ? "refund|dismiss" : "credit|refund|dismiss";
  Outlook ahead{"a decision on the payment kept as " + std::string(to_text(kept.kind)), {}};
  ahead.next_action.append(advice(kept)).append(": recharge exceptions resolve ").append(id);
  ahead.next_action.append(" --action ").append(actions);
  ahead.next_action.append(", or POST /api/exceptions/").append(id).append("/resolve");
  if (open > 1) ahead.next_action += "; " + std::to_string(open - 1) + " more: recharge exceptions list";
  return ahead;
}

// A payment that was started there is asked for until it is over.
Outlook outlook_on(const Order& order, const GatewayWork& started, const ExplanationContext& context) {
  const std::string gateway(started.gateway.view());
  Outlook ahead{"the payment at " + gateway, {}};
  if (context.calls && !context.calls(started.gateway)) {
    ahead.next_action = "give the keys of " + gateway +
                        ", which is not called from here, so that it can be asked; if it is paid, " +
                        std::string(kSendAgain);
    return ahead;
  }
  const Time asked = next_query(started.started_at, order.expires_at, context.now);
  ahead.next_action =
      awaits_payment(order.status)
          ? "pay by " + to_rfc3339(order.expires_at) + "; " + gateway +
                " is asked for it by itself, the next time by " + to_rfc3339(asked)
          : "wait: " + gateway + " is asked whether it was paid before it ended, and closes it";
  return ahead;
}

// While one is pending.
std::string advice_on_refund(const Order& order, const ExplanationContext& context) {
  if (!refunds_by_call(order.evidence_scheme)) return "wait, or ask the gateway about the refund";
  if (!context.calls || context.calls(order.gateway))
    return "wait: the gateway is asked until the refund is done or refused";
  return "give the keys of " + std::string(order.gateway.view()) +
         ", which is not called from here: it may have been sent before it was so";
}

Outlook outlook_on(const Order& order) {
  const std::string id = order.id.to_text();
  switch (order.status) {
    case OrderStatus::pending:
      return {"a payment and its verified callback", "pay by " + to_rfc3339(order.expires_at) +
                                                         ": recharge pay " + id + "; if it is paid, " +
                                                         std::string(kSendAgain)};
    case OrderStatus::paid:
    case OrderStatus::recharging:
      return {"the gateway's verified callback", std::string(kSendAgain)};
    case OrderStatus::failed:
      return {"a payment that succeeds",
              "pay again by " + to_rfc3339(order.expires_at) + ": recharge pay " + id};
    case OrderStatus::closed:
      return {{},
              "place a new order, if the money is still wanted; if it is paid, " + std::string(kSendAgain) +
                  ": the payment is then kept for review"};
    case OrderStatus::expired:
      return {{},
              "place a new order, if the money is still wanted; if it is paid, " + std::string(kSendAgain) +
                  ": it is credited if it was paid in time, and kept for review if not"};
    case OrderStatus::recharged:
    case OrderStatus::refunded:
    case OrderStatus::partially_refunded:
      break;
  }
  return {};
}

// Of an order that a supplier is to recharge, and that no refund is under way for.
Outlook outlook_on_recharge(const Explanation& explanation) {
  const std::string stuck = "recharge orders stuck";
  if (!explanation.refunds.empty()) {
    return {"a refund that its gateway takes: nobody could recharge, and the last refund was refused",
            "ask the gateway why, then: recharge order refund " + explanation.order_id.to_text()};
  }
  if (explanation.attempts.empty()) return {"a supplier that can be asked", "wait, and see " + stuck};
  const RechargeAttempt& last = explanation.attempts.back();
  const std::string supplier(last.supplier.view());
  if (!last.is_open()) return {"the next supplier", "wait, and see " + stuck};
  const std::string request(request_id_of(last.order_id, last.number).view());
  return {"the answer of the supplier " + supplier + ", which may have done it",
          "wait: it is asked again; or ask " + supplier + " about request " + request};
}

Outlook outlook(const Explanation& explanation, const ExplanationContext& context) {
  const auto& kept = explanation.exceptions;
  const auto is_open = [](const PaymentException& exception) { return exception.is_open(); };
  if (const auto first = std::find_if(kept.begin(), kept.end(), is_open); first != kept.end()) {
    return outlook_on(*first, static_cast<std::size_t>(std::count_if(first, kept.end(), is_open)));
  }
  if (!explanation.order) return {};
  for (const Refund& refund : explanation.refunds) {
    if (refund.status != RefundStatus::pending) continue;
    return {"the gateway's answer to the refund " + std::string(refund.refund_id.view()),
            advice_on_refund(*explanation.order, context)};
  }
  if (explanation.order->is_held()) return outlook_on_recharge(explanation);
  const auto credited = [](const PaymentException& exception) {
    return exception.action == ExceptionAction::credit;
  };
  const Order& order = *explanation.order;
  if (std::any_of(kept.begin(), kept.end(), credited) && !is_credited(order.status)) {
    // The decision moved the money; the order itself stays as it was.
    if (!awaits_payment(order.status)) return {};
    return {{},
            "none is needed, the payment was credited by decision; to end the order: recharge order close " +
                order.id.to_text()};
  }
  if (!explanation.payments.empty() && !is_credited(order.status))
    return outlook_on(order, explanation.payments.front(), context);
  return outlook_on(order);
}

void write_happening(JsonText& json, const Happening& happening) {
  json.begin_object().name("at").time(happening.at).name("event").text(happening.event).name("evidence");
  const Evidence& evidence = happening.evidence;
  if (evidence.gateway.empty() && evidence.digest == nullptr) {
    json.null();
  } else {
    json.begin_object().name("gateway").text_or_null(evidence.gateway);
    json.name("key_id").text_or_null(evidence.key_id);
    json.name("scheme").text_or_null(evidence.scheme);
    json.name("digest").text_or_null(evidence.digest == nullptr ? std::string()
                                                                : digest_hex(*evidence.digest));
    json.end_object();
  }
  if (!happening.expected.empty()) {
    json.name("expected").text(happening.expected).name("came").text(happening.came);
  }
  if (!happening.exception_id.is_nil()) json.name("exception_id").text(happening.exception_id.to_text());
  json.end_object();
}

}  // namespace

void write_explanation(JsonText& json, const Explanation& explanation, const ExplanationContext& context) {
  json.begin_object().name("code").integer(200).name("order_id").text(explanation.order_id.to_text());
  json.name("status").text_or_null(explanation.order ? to_text(explanation.order->status)
                                                     : std::string_view());
  json.name("steps").begin_array();
  for (const Happening& happening : order_history(explanation)) write_happening(json, happening);
  const Outlook ahead = outlook(explanation, context);
  json.end_array().name("missing").text_or_null(ahead.missing);
  json.name("next_action").text_or_null(ahead.next_action).end_object();
}

}  // namespace recharge
