#include "tests/simulation/event_log.h"

namespace recharge::simulation {
namespace {

std::string text_of(const Event& event) {
  std::string text(to_text(event.type));
  text.append(" ").append(std::to_string(event.time.ms)).append(" ").append(event.account.view());
  if (event.order) {
    text.append(" ").append(event.order->id.to_text()).append(" ").append(to_text(event.order->status));
    text.append(" ").append(event.order->transaction_id.view());
    text.append(" ").append(std::to_string(event.order->refunded.minor_units()));
  }
  if (const auto* refund = std::get_if<Refund>(&event.detail))
    text.append(" ").append(refund->refund_id.view());
  if (const auto* address = std::get_if<NotifyAddress>(&event.detail))
    text.append(" ").append(address->url.view());
  if (const auto* entry = std::get_if<Transfer>(&event.detail))
    text.append(" ").append(std::to_string(entry->amount.minor_units()));
  if (const auto* kept = std::get_if<PaymentException>(&event.detail))
    text.append(" ").append(kept->id.to_text()).append(" ").append(to_text(kept->kind));
  if (const auto* attempt = std::get_if<RechargeAttempt>(&event.detail))
    text.append(" ").append(request_id_of(attempt->order_id, attempt->number).view());
  return text;
}

}  // namespace

std::string EventLog::take(const Event& event) {
  auto text = text_of(event);
  const auto [seen, fresh] = seen_.try_emplace(event.id, std::move(text));
  if (!fresh) {
    ++repeats_;
    if (seen->second == text_of(event)) return {};
    return event.id.to_text() + " is told as " + text_of(event) + ", and was " + seen->second;
  }
  auto& newest = newest_[ordering_key(event)];
  if (event.id < newest) return event.id.to_text() + " is told after " + newest.to_text();
  newest = event.id;
  ++counts_[static_cast<std::size_t>(event.type)];
  if (event.order) orders_[event.order->id] = *event.order;
  return {};
}

void EventLog::require(std::size_t told, std::size_t happened, const char* what) {
  if (told == happened || !difference_.empty()) return;
  difference_ = std::to_string(told) + " " + what + " were told, of " + std::to_string(happened);
}

void EventLog::count(const testing::OrderModel& model, Time now) {
  happened_.orders += model.orders.size();
  happened_.debits += model.debits.size();
  for (const auto& [key, payment] : model.payments) happened_.open_exceptions += payment.open ? 1 : 0;
  for (const auto& [id, expected] : model.orders) {
    happened_.refunds += expected.refunds.size();
    happened_.given_up += expected.given_up ? 1 : 0;
    for (const auto& attempt : expected.attempts)
      happened_.requested += expected.by_workers ? 1 + attempt.calls : 0;
    for (const auto& [refund_id, refund] : expected.refunds)
      happened_.refunds_succeeded += refund.second == RefundStatus::succeeded ? 1 : 0;
    const auto found = orders_.find(id);
    if (found == orders_.end()) {
      if (difference_.empty()) difference_ = "order " + id.to_text() + " was never told of";
      continue;
    }
    const Order& told = found->second;
    const auto status = told.is_overdue(now) ? OrderStatus::expired : told.status;
    const bool same = status == expected.status_at(now.ms) &&
                      told.transaction_id.view() == expected.transaction &&
                      told.refunded.minor_units() == expected.refunded;
    if (!same && difference_.empty()) {
      difference_ = "order " + id.to_text() + " was told as " + std::string(to_text(status)) + ", and is " +
                    std::string(to_text(expected.status_at(now.ms)));
    }
  }
}

std::string EventLog::difference() const {
  EventLog judged = *this;
  judged.require(of(EventType::order_placed), happened_.orders, "orders");
  judged.require(of(EventType::account_debited), happened_.debits, "debits");
  judged.require(of(EventType::refund_requested), happened_.refunds, "refunds");
  judged.require(of(EventType::refund_succeeded), happened_.refunds_succeeded, "refunds that succeeded");
  judged.require(of(EventType::exception_opened) - of(EventType::exception_resolved),
                 happened_.open_exceptions, "open exceptions");
  judged.require(of(EventType::order_recharge_failed), happened_.given_up, "recharges given up");
  judged.require(of(EventType::recharge_requested), happened_.requested, "requests of recharges");
  return judged.difference_;
}

}  // namespace recharge::simulation
