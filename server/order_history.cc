#include "server/order_history.h"

#include <algorithm>

#include "server/query_times.h"

namespace recharge {
namespace {

std::string text_of(std::string_view view) { return std::string(view); }

std::string_view name_of(PayMethod method) noexcept {
  switch (method) {
    case PayMethod::qr:
      return "a code to scan";
    case PayMethod::h5:
      return "the gateway's page";
    case PayMethod::intent:
      break;
  }
  return "the shop's own page";
}

Evidence evidence_of(const Order& order) {
  return {order.gateway.view(), order.evidence_key.view(), to_text(order.evidence_scheme), &order.evidence};
}

Evidence evidence_of(const PaymentException& kept) {
  return {kept.gateway.view(), kept.evidence_key.view(), to_text(kept.evidence_scheme), &kept.evidence};
}

// What made the order end, where a verified callback did not.
std::string ending(const Order& order) {
  switch (order.ended_as) {
    case OrderStatus::closed:
      return "order closed";
    case OrderStatus::expired:
      return "order expired without a payment";
    default:
      return "payment failed";
  }
}

// By whom it came to be known.
std::string source_of(const Order& order) {
  return order.evidence_key.view() == kQueryKey ? "verified answer of the gateway, when it was asked: "
                                                : "verified callback: ";
}

void add_start(const GatewayWork& work, std::vector<Happening>& all) {
  Happening started{work.started_at, "payment started at " + text_of(work.gateway.view()) + ", by " +
                                         text_of(name_of(work.key.method))};
  all.push_back(std::move(started));
}

void add_payment(const Order& order, std::vector<Happening>& all) {
  const bool supplied = order.fulfilment != Fulfilment::wallet;
  const bool credited = is_credited(order.status) || supplied;
  const bool verified = !order.evidence_key.empty();
  if (order.paid_at.reached() && !credited) {
    all.push_back({order.paid_at, "payment simulated: marked paid, not credited", {order.gateway.view()}});
  }
  if (supplied) {
    all.push_back({order.evidence_at,
                   "verified callback: " + amount_text(order.amount, order.currency) +
                       " paid, for a supplier to recharge, transaction " +
                       text_of(order.transaction_id.view()),
                   evidence_of(order)});
  }
  if (order.paid_at.reached() && credited &&
      order.paid_at != (supplied ? order.evidence_at : order.recharged_at)) {
    all.push_back({order.paid_at, "paid, as the gateway says", evidence_of(order)});
  }
  // The evidence of an order that is not credited is that of its verified failure.
  if (verified && !credited) {
    all.push_back({order.evidence_at, source_of(order) + "the payment failed", evidence_of(order)});
  }
  const bool told = order.ended_as == OrderStatus::failed && verified && order.evidence_at == order.ended_at;
  if (order.ended_at.reached() && !(told && !credited)) all.push_back({order.ended_at, ending(order)});
  if (order.recharged_at.reached() && !supplied) {
    all.push_back({order.recharged_at,
                   source_of(order) + amount_text(order.amount, order.currency) + " credited, transaction " +
                       text_of(order.transaction_id.view()),
                   evidence_of(order)});
  }
}

std::string in_brackets(std::string_view text) { return text.empty() ? "" : " (" + text_of(text) + ")"; }

void add_attempt(const RechargeAttempt& attempt, std::vector<Happening>& all) {
  const std::string name = "attempt " + std::to_string(attempt.number) + ", request " +
                           text_of(request_id_of(attempt.order_id, attempt.number).view()) + ": supplier " +
                           text_of(attempt.supplier.view());
  all.push_back({attempt.begun_at, name + " asked"});
  if (attempt.noted_at.reached()) {
    all.push_back({attempt.noted_at, name + " left it open " + std::to_string(attempt.calls) + " times" +
                                         (attempt.is_open() ? in_brackets(attempt.reason.view()) : "")});
  }
  if (!attempt.ended_at.reached()) return;
  std::string end;
  switch (attempt.state) {
    case AttemptState::succeeded:
      end = " recharged, reference " + text_of(attempt.reference.empty() ? "none" : attempt.reference.view());
      break;
    case AttemptState::failed:
      end = " did not recharge" + in_brackets(attempt.reason.view());
      break;
    case AttemptState::rejected:
      end = " did not recharge, nor could another" + in_brackets(attempt.reason.view());
      break;
    case AttemptState::not_sent:
      end = " was not reached" + in_brackets(attempt.reason.view());
      break;
    case AttemptState::begun:
      break;
  }
  all.push_back({attempt.ended_at, name + end});
}

void add_refund(const Order& order, const Refund& refund, std::vector<Happening>& all) {
  const std::string what =
      "refund " + text_of(refund.refund_id.view()) + " of " + amount_text(refund.amount, order.currency);
  const bool supplied = order.fulfilment != Fulfilment::wallet;
  all.push_back({refund.created_at, what + (supplied ? " requested: nobody could recharge"
                                                     : " requested, taken from the balance")});
  if (!refund.settled_at.reached()) return;
  const bool failed = refund.status == RefundStatus::failed;
  all.push_back({refund.settled_at, what + (!failed    ? " settled"
                                            : supplied ? " failed, the payment is held again"
                                                       : " failed, back on the balance")});
}

std::string age_text(const PaymentException& kept) {
  const std::int64_t age_s = (kept.created_at().ms - kept.sent_at.ms) / 1000;
  return std::to_string(age_s < 0 ? -age_s : age_s) + " s " + (age_s < 0 ? "after" : "before");
}

// Fills what would have been credited, and what came. `order`: null where there is none.
void compare(const PaymentException& kept, const Order* order, Happening& step) {
  const std::string arrival = to_rfc3339(kept.created_at());
  const std::string amount = amount_text(kept.amount, kept.currency);
  if (kept.kind == ExceptionKind::stale_callback) {
    step.expected = "a callback signed within callback.tolerance_s of its arrival at " + arrival;
    step.came = "one signed at " + to_rfc3339(kept.sent_at) + ", " + age_text(kept) + " it arrived";
    return;
  }
  if (order == nullptr) {
    step.expected = "the id of an order";
    step.came = text_of(kept.reference.view()) + ", which no order has";
    return;
  }
  switch (kept.kind) {
    case ExceptionKind::late_payment:
      step.expected = order->ended_as == OrderStatus::closed
                          ? "a callback before the order was closed at " + to_rfc3339(order->ended_at)
                          : "a payment by " + to_rfc3339(order->expires_at) + ", when the order expired";
      step.came = "one that arrived at " + arrival +
                  (kept.paid_at.reached() ? ", paid at " + to_rfc3339(kept.paid_at) + " as the gateway says"
                                          : ", without a payment time");
      break;
    case ExceptionKind::duplicate_payment:
      step.expected = "one payment, transaction " + text_of(order->transaction_id.view());
      step.came = "another, transaction " + text_of(kept.transaction_id.view());
      break;
    case ExceptionKind::amount_mismatch:
      step.expected = amount_text(order->amount, order->currency);
      step.came = amount;
      break;
    case ExceptionKind::gateway_mismatch:
      step.expected = "a callback of the gateway " + text_of(order->gateway.view());
      step.came = "one of the gateway " + text_of(kept.gateway.view());
      break;
    case ExceptionKind::balance_limit:
      step.expected =
          "a balance of at most " + amount_text(kMaxBalance, order->currency) + " after the credit";
      step.came = amount + ", which would exceed it";
      break;
    case ExceptionKind::unknown_order:
    case ExceptionKind::stale_callback:
      break;
  }
}

std::string resolution(const PaymentException& kept) {
  switch (kept.action) {
    case ExceptionAction::credit:
      return "credited to the account's balance";
    case ExceptionAction::refund:
      return "sent back to the payer";
    case ExceptionAction::dismiss:
      return "dismissed, nobody was credited";
    case ExceptionAction::superseded:
      return "superseded, the payment came again and is told below";
    case ExceptionAction::none:
      break;
  }
  return {};
}

void add_exception(const PaymentException& kept, const Order* order, std::vector<Happening>& all) {
  const std::string kind(to_text(kept.kind));
  Happening opened{kept.created_at(),
                   "exception " + kind + " opened: " + amount_text(kept.amount, kept.currency) +
                       " kept, not credited, transaction " + text_of(kept.transaction_id.view()),
                   evidence_of(kept)};
  opened.exception_id = kept.id;
  compare(kept, order, opened);
  all.push_back(std::move(opened));
  if (kept.is_open()) return;
  Happening closed{kept.resolved_at, "exception " + kind + " resolved: " + resolution(kept)};
  if (!kept.note.empty()) closed.event += " (" + text_of(kept.note.view()) + ")";
  closed.exception_id = kept.id;
  all.push_back(std::move(closed));
}

}  // namespace

std::string amount_text(Money amount, Currency currency) {
  return to_text(amount) + " " + text_of(currency_code(currency));
}

std::vector<Happening> order_history(const Explanation& explanation) {
  std::vector<Happening> all;
  const Order* order = explanation.order ? &*explanation.order : nullptr;
  if (order != nullptr) {
    all.push_back({order->created_at(), "order placed for " + amount_text(order->amount, order->currency) +
                                            ", to be paid by " + to_rfc3339(order->expires_at)});
  }
  // Before the order's own payment: one that came again is told after what was kept of it.
  for (const PaymentException& kept : explanation.exceptions) add_exception(kept, order, all);
  if (order != nullptr) {
    for (const GatewayWork& work : explanation.payments) add_start(work, all);
    add_payment(*order, all);
    for (const RechargeAttempt& attempt : explanation.attempts) add_attempt(attempt, all);
    for (const Refund& refund : explanation.refunds) add_refund(*order, refund, all);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return all;
}

}  // namespace recharge
