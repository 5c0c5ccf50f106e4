// Purpose: what the world outside is told: one event for each thing that happened to an order, an exception
// or a balance, made from a journal record alone. A changed order stands whole in its fact, so that an event
// shows it as it was at that moment, however late it is made. Records of version 1 lack that: their changes
// make none. Lifetime: values. Units: an EventId counts segments and records as the journal does, and
// 512-byte sectors.
#pragma once

#include <boost/container/static_vector.hpp>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/journal_record.h"

namespace recharge {

// Names are stable; the order of the enumerators is not stored.
enum class EventType : std::uint8_t {
  order_placed,
  order_paid,
  order_recharging,
  order_recharged,
  order_recharge_failed,
  recharge_requested,  // of workers behind a broker, and again where none answers
  order_failed,
  order_closed,
  order_expired,
  refund_requested,
  refund_succeeded,
  refund_failed,
  account_debited,
  exception_opened,
  exception_resolved,
};
constexpr std::size_t kEventTypes = 15;
std::string_view to_text(EventType type) noexcept;  // "order.placed"
Result<EventType> parse_event_type(std::string_view text) noexcept;

// Where in the journal the event's fact lies: the same for ever, and rising in the order of the journal. The
// default value is before every event.
struct EventId {
  std::uint32_t segment = 0;
  std::uint32_t sector = 0;  // of the group, in its segment
  std::uint16_t record = 0;  // in the group
  std::uint8_t fact = 0;     // in the record, from 1; 0 is before them all

  bool is_nil() const noexcept { return segment == 0; }
  std::string to_text() const;                                   // "evt_" and 22 hex digits
  static Result<EventId> parse(std::string_view text) noexcept;  // lower case; else Errc::invalid_text
  friend auto operator<=>(const EventId&, const EventId&) noexcept = default;
};

struct Event {
  EventId id;
  EventType type = EventType::order_placed;
  Time time;
  Account account;             // empty: of a payment for an unknown order
  std::optional<Order> order;  // as it was then, without its evidence
  std::variant<std::monostate, Refund, Transfer, PaymentException, RechargeAttempt, NotifyAddress>
      detail;  // by the type; of an order that is placed: where its own address is, if it has one
};
using Events = boost::container::static_vector<Event, kMaxFacts>;

// Appends the events of a record that lies at `place` (whose fact is not looked at), in the order of its
// facts.
void events_of(const JournalRecord& record, EventId place, Events& events);

// Whose event it is; nil: of no order, or of one that nobody knows.
OrderId order_of(const Event& event) noexcept;

// What keeps its order: the order's id, or else the exception's or the account. Events of the same key are
// told one after the other.
std::string ordering_key(const Event& event);

}  // namespace recharge
