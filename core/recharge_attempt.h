// Purpose: one attempt to have a supplier perform the recharge of an order. All calls of an attempt carry one
// request id, however often they are repeated, so that a supplier performs it at most once; another attempt,
// with another request id, begins only when it is known that the one before did nothing. Kept for ever.
// Lifetime: trivially copyable records, owned by the shard of their order. Units: Time in ms.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/names.h"
#include "core/order.h"
#include "core/time.h"

namespace recharge {

// Stored as a byte: the values never change.
enum class AttemptState : std::uint8_t {
  begun = 0,      // the supplier may have done it
  succeeded = 1,  // it did
  failed = 2,     // it did not, and says so; another supplier may
  rejected = 3,   // nor should another: the account cannot be recharged
  not_sent = 4,   // it was never reached
};
constexpr AttemptState kLastAttemptState = AttemptState::not_sent;
std::string_view to_text(AttemptState state) noexcept;

using AttemptReason = FixedText<120, struct AttemptReasonTag>;  // printable

struct RechargeAttempt {
  OrderId order_id;
  std::uint16_t number = 0;  // of its order, from 1
  SupplierName supplier;
  AttemptState state = AttemptState::begun;
  Time begun_at;
  Time noted_at;            // of the last call without an answer that settles it; not reached: none
  std::uint32_t calls = 0;  // such calls
  Time ended_at;
  TransactionId reference;  // the supplier's own; empty: it gave none
  AttemptReason reason;     // of the last such call, or of the end

  bool is_open() const noexcept { return state == AttemptState::begun; }
};

// The same on each repeat: made of the order and the attempt's number alone.
SupplierRequestId request_id_of(const OrderId& order_id, std::uint16_t number) noexcept;

struct RequestName {
  OrderId order_id;
  std::uint16_t number = 0;
};
Result<RequestName> parse_request_id(std::string_view text) noexcept;

}  // namespace recharge
