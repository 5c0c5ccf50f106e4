#include "core/event.h"

#include <array>

#include "core/check.h"
#include "core/lower_hex.h"

namespace recharge {
namespace {

constexpr std::array<std::string_view, kEventTypes> kNames = {
    "order.placed",       "order.paid",    "order.recharging", "order.recharged",  "order.recharge_failed",
    "recharge.requested", "order.failed",  "order.closed",     "order.expired",    "refund.requested",
    "refund.succeeded",   "refund.failed", "account.debited",  "exception.opened", "exception.resolved"};
constexpr std::string_view kPrefix = "evt_";
constexpr std::size_t kIdDigits = 22;

// None: told as the exception that was kept.
std::optional<EventType> type_of(OrderEvent event) noexcept {
  switch (event) {
    case OrderEvent::payment_simulated:
    case OrderEvent::payment_held:
      return EventType::order_paid;
    case OrderEvent::recharge_begun:
      return EventType::order_recharging;
    case OrderEvent::recharge_failed:
      return EventType::order_recharge_failed;
    case OrderEvent::payment_failed:
      return EventType::order_failed;
    case OrderEvent::recharged:
      return EventType::order_recharged;
    case OrderEvent::closed:
      return EventType::order_closed;
    case OrderEvent::expired:
      return EventType::order_expired;
    case OrderEvent::refund_reserved:
      return EventType::refund_requested;
    case OrderEvent::refund_settled:
      return EventType::refund_succeeded;
    case OrderEvent::refund_released:
      return EventType::refund_failed;
    case OrderEvent::exception_kept:
    case OrderEvent::payment_started:  // nothing of it is paid yet
      break;
  }
  return std::nullopt;
}

Order order_of(const OrderChanged& fact) noexcept {
  Order order;
  order.id = fact.order_id;
  order.account = fact.account;
  order.amount = fact.amount;
  order.refunded = fact.refunded;
  order.refund_reserved = fact.refund_reserved;
  order.expires_at = fact.expires_at;
  order.paid_at = fact.paid_at;
  order.recharged_at = fact.recharged_at;
  order.ended_at = fact.ended_at;
  order.transaction_id = fact.transaction_id;
  order.gateway = fact.gateway;
  order.subject = fact.subject;
  order.exceptions = fact.exceptions;
  order.status = fact.status;
  order.fulfilment = fact.fulfilment;
  order.currency = fact.currency;
  order.merchant = fact.merchant;
  return order;
}

// Looks around in the record of a fact.
class Teller {
 public:
  Teller(const JournalRecord& record, EventId place, Events& events)
      : facts_(record.facts), time_(record.circumstances.now), place_(place), events_(events) {}

  void tell(std::size_t at) {
    at_ = at;
    std::visit([this](const auto& fact) { tell(fact); }, facts_[at]);
  }

 private:
  Event& add(EventType type, const Account& account) {
    Event& event = events_.emplace_back();
    event.id = place_;
    event.id.fact = static_cast<std::uint8_t>(at_ + 1);
    event.type = type;
    event.time = time_;
    event.account = account;
    return event;
  }

  void tell(const OrderPlaced& fact) {
    Event& event = add(EventType::order_placed, fact.order.account);
    event.order = fact.order;
    for (std::size_t i = at_ + 1; i < facts_.size(); ++i) {
      if (const auto* kept = std::get_if<NotifyAddressKept>(&facts_[i])) event.detail = kept->address;
    }
  }

  void tell(const OrderChanged& fact) {
    const auto type = type_of(fact.event);
    if (!type || !fact.whole) return;
    if (fact.event == OrderEvent::recharge_begun && fact.from == fact.status) return;  // asked again
    Event& event = add(*type, fact.account);
    event.order = order_of(fact);
    const bool of_refund = *type == EventType::refund_requested || *type == EventType::refund_succeeded ||
                           *type == EventType::refund_failed;
    for (std::size_t i = 0; of_refund && i < at_; ++i) {
      if (const auto* recorded = std::get_if<RefundRecorded>(&facts_[i])) event.detail = recorded->refund;
    }
  }

  void tell(const ExceptionOpened& fact) {
    Event& event = add(EventType::exception_opened, fact.exception.account);
    event.detail = fact.exception;
    event.order = order_after(fact.exception.order_id);
  }

  void tell(const ExceptionResolved& fact) {
    if (fact.exception.gateway.empty()) return;  // of version 1
    const auto type = fact.exception.is_open() ? EventType::exception_opened : EventType::exception_resolved;
    Event& event = add(type, fact.exception.account);
    event.detail = fact.exception;
    event.order = order_after(fact.exception.order_id);
  }

  void tell(const DebitRecorded& fact) {
    Event& event = add(EventType::account_debited, fact.debit.account);
    for (const auto& other : facts_) {
      const auto* posted = std::get_if<TransferPosted>(&other);
      if (posted != nullptr && posted->transfer.id == fact.debit.entry_id) event.detail = posted->transfer;
    }
  }

  void tell(const AttemptRecorded& fact) {
    auto order = fact.attempt.is_open() ? order_after(fact.attempt.order_id) : std::nullopt;
    if (!order || order->fulfilment != Fulfilment::amqp) return;
    Event& event = add(EventType::recharge_requested, order->account);
    event.order = order;
    event.detail = fact.attempt;
  }

  template <class Other>
  void tell(const Other&) {}

  // As a later fact of the record leaves it; none where the record does not change it.
  std::optional<Order> order_after(const OrderId& id) const {
    for (std::size_t i = at_ + 1; !id.is_nil() && i < facts_.size(); ++i) {
      const auto* changed = std::get_if<OrderChanged>(&facts_[i]);
      if (changed != nullptr && changed->whole && changed->order_id == id) return order_of(*changed);
    }
    return std::nullopt;
  }

  const Facts& facts_;
  const Time time_;
  const EventId place_;
  Events& events_;
  std::size_t at_ = 0;
};

template <class T>
void write_hex(std::string& text, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 4; shift >= 0; shift -= 4) {
    text.push_back(kLowerHexDigits[(value >> shift) & 15]);
  }
}

template <class T>
bool read_hex(std::string_view& text, T& value) noexcept {
  std::uint64_t read = 0;
  for (std::size_t i = 0; i < sizeof(T) * 2; ++i) {
    const auto digit = lower_hex_value(text[i]);
    if (digit == kNoHexDigit) return false;
    read = read << 4 | digit;
  }
  value = static_cast<T>(read);
  text.remove_prefix(sizeof(T) * 2);
  return true;
}

}  // namespace

std::string_view to_text(EventType type) noexcept { return kNames[static_cast<std::size_t>(type)]; }

Result<EventType> parse_event_type(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<EventType>(i);
  }
  return Errc::invalid_text;
}

std::string EventId::to_text() const {
  std::string text(kPrefix);
  write_hex(text, segment);
  write_hex(text, sector);
  write_hex(text, record);
  write_hex(text, fact);
  return text;
}

Result<EventId> EventId::parse(std::string_view text) noexcept {
  if (text.size() != kPrefix.size() + kIdDigits || text.substr(0, kPrefix.size()) != kPrefix) {
    return Errc::invalid_text;
  }
  text.remove_prefix(kPrefix.size());
  EventId id;
  if (!read_hex(text, id.segment) || !read_hex(text, id.sector) || !read_hex(text, id.record) ||
      !read_hex(text, id.fact) || id.is_nil()) {
    return Errc::invalid_text;
  }
  return id;
}

void events_of(const JournalRecord& record, EventId place, Events& events) {
  RECHARGE_CHECK(events.size() + record.facts.size() <= events.capacity());
  Teller teller(record, place, events);
  for (std::size_t i = 0; i < record.facts.size(); ++i) teller.tell(i);
}

OrderId order_of(const Event& event) noexcept {
  if (event.order) return event.order->id;
  const auto* exception = std::get_if<PaymentException>(&event.detail);
  return exception == nullptr ? OrderId() : exception->order_id;
}

std::string ordering_key(const Event& event) {
  if (event.order) return event.order->id.to_text();
  if (const auto* exception = std::get_if<PaymentException>(&event.detail)) {
    return exception->order_id.is_nil() ? exception->id.to_text() : exception->order_id.to_text();
  }
  return std::string(event.account.view());
}

}  // namespace recharge
