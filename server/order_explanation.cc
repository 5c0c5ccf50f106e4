#include "server/order_explanation.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/digest.h"

namespace recharge {
namespace {

struct Evidence {
  std::string_view gateway;
  std::string_view key_id;
  const Digest* digest = nullptr;
};

struct Happening {
  Time at;
  std::string event;
  Evidence evidence;
};

struct Outlook {
  std::string_view missing;  // empty: nothing
  std::string_view next_action;
};

bool was_verified(const Order& order) { return !order.evidence_key.empty(); }

Evidence evidence_of(const Order& order) {
  if (!was_verified(order)) return {order.gateway.view(), {}, nullptr};
  return {order.gateway.view(), order.evidence_key.view(), &order.evidence};
}

std::vector<Happening> happenings(const Explanation& explanation) {
  const Order& order = explanation.order;
  std::vector<Happening> all;
  all.push_back({order.created_at(), "order placed", {}});
  if (order.paid_at.reached() && !is_credited(order.status)) {
    all.push_back({order.paid_at, "payment simulated", {order.gateway.view(), {}, nullptr}});
  } else if (order.paid_at.reached() && order.paid_at != order.recharged_at) {
    all.push_back({order.paid_at, "paid, as the gateway says", evidence_of(order)});
  }
  if (order.ended_at.reached()) {
    const bool failed = order.status == OrderStatus::failed;
    const std::string_view event = order.status == OrderStatus::closed    ? "order closed"
                                   : order.status == OrderStatus::expired ? "order expired"
                                   : failed                               ? "payment failed"
                                                                          : "payment attempt ended";
    all.push_back({order.ended_at, std::string(event), failed ? evidence_of(order) : Evidence{}});
  }
  if (order.recharged_at.reached())
    all.push_back({order.recharged_at, "balance recharged", evidence_of(order)});
  for (const Refund& refund : explanation.refunds) {
    const std::string what =
        "refund " + std::string(refund.refund_id.view()) + " of " + to_text(refund.amount);
    all.push_back({refund.created_at, what + " requested", {}});
    if (!refund.settled_at.reached()) continue;
    const std::string_view end = refund.status == RefundStatus::failed ? " failed" : " settled";
    all.push_back({refund.settled_at, what + std::string(end), {}});
  }
  for (const PaymentException& kept : explanation.exceptions) {
    const std::string kind(to_text(kept.kind));
    all.push_back({kept.created_at(),
                   "exception " + kind + " opened",
                   {kept.gateway.view(), kept.evidence_key.view(), &kept.evidence}});
    if (kept.resolved_at.reached()) {
      all.push_back(
          {kept.resolved_at, "exception " + kind + " resolved: " + std::string(to_text(kept.action)), {}});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return all;
}

Outlook outlook(const Explanation& explanation) {
  const bool open = std::any_of(explanation.exceptions.begin(), explanation.exceptions.end(),
                                [](const PaymentException& kept) { return kept.is_open(); });
  if (open) {
    return {"a decision on a payment kept for review",
            "resolve the open exception: POST /api/exceptions/{exception_id}/resolve"};
  }
  const bool pending =
      std::any_of(explanation.refunds.begin(), explanation.refunds.end(),
                  [](const Refund& refund) { return refund.status == RefundStatus::pending; });
  if (pending) return {"the gateway's answer to a refund", "wait, or ask the gateway about the refund"};
  switch (explanation.order.status) {
    case OrderStatus::pending:
      return {"a payment and its verified callback", "pay the order before it expires"};
    case OrderStatus::paid:
      return {"the gateway's verified callback",
              "have the gateway send its callback again, if it does not come"};
    case OrderStatus::failed:
      return {"a payment that succeeds", "pay again before the order expires"};
    case OrderStatus::closed:
    case OrderStatus::expired:
      return {{}, "place a new order, if the money is still wanted"};
    case OrderStatus::recharged:
    case OrderStatus::refunded:
    case OrderStatus::partially_refunded:
      break;
  }
  return {};
}

void write_happening(JsonText& json, const Happening& happening) {
  json.begin_object().name("at").time(happening.at).name("event").text(happening.event).name("evidence");
  const Evidence& evidence = happening.evidence;
  if (evidence.gateway.empty() && evidence.digest == nullptr) {
    json.null();
  } else {
    json.begin_object().name("gateway").text_or_null(evidence.gateway);
    json.name("key_id").text_or_null(evidence.key_id);
    json.name("digest").text_or_null(evidence.digest == nullptr ? std::string()
                                                                : digest_hex(*evidence.digest));
    json.end_object();
  }
  json.end_object();
}

}  // namespace

void write_explanation(JsonText& json, const Explanation& explanation) {
  json.begin_object().name("code").integer(200).name("order_id").text(explanation.order.id.to_text());
  json.name("status").text(to_text(explanation.order.status)).name("steps").begin_array();
  for (const Happening& happening : happenings(explanation)) write_happening(json, happening);
  const Outlook ahead = outlook(explanation);
  json.end_array().name("missing").text_or_null(ahead.missing);
  json.name("next_action").text_or_null(ahead.next_action).end_object();
}

}  // namespace recharge
