// Purpose: a top-up order, from its placing to its credit and beyond, and what belongs to it: its refunds.
// Lifetime: trivially copyable records; owned by the shard of their id. Units: Money in minor units, Time in
// ms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/currency.h"
#include "core/digest.h"
#include "core/money.h"
#include "core/names.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge {

// Stored as a byte: the values never change.
enum class OrderStatus : std::uint8_t {
  pending = 0,
  paid = 1,  // by a verified payment whose recharge a supplier is to perform; or simulated: see is_held()
  recharged = 2,
  failed = 3,
  closed = 4,
  expired = 5,
  refunded = 6,
  partially_refunded = 7,
  recharging = 8,  // paid, and asked of a supplier
};
constexpr std::size_t kOrderStatuses = 9;
constexpr OrderStatus kLastOrderStatus = OrderStatus::recharging;

std::string_view to_text(OrderStatus status) noexcept;
Result<OrderStatus> parse_order_status(std::string_view text) noexcept;

// Credited, whatever was refunded since.
constexpr bool is_credited(OrderStatus status) noexcept {
  return status == OrderStatus::recharged || status == OrderStatus::refunded ||
         status == OrderStatus::partially_refunded;
}
// Waits for a payment, and expires without one.
constexpr bool awaits_payment(OrderStatus status) noexcept {
  return status == OrderStatus::pending || status == OrderStatus::failed;
}

// Who performs the recharge of an order, once its payment is verified. Stored as a byte: the values never
// change.
enum class Fulfilment : std::uint8_t {
  wallet = 0,  // the balance is credited at once
  http = 1,    // a supplier that is called
  amqp = 2,    // workers behind a message broker
};
constexpr Fulfilment kLastFulfilment = Fulfilment::amqp;
std::string_view to_text(Fulfilment fulfilment) noexcept;
Result<Fulfilment> parse_fulfilment(std::string_view text) noexcept;

// How a callback was signed. Stored as a byte: the values never change.
enum class SignatureScheme : std::uint8_t {
  fields = 0,
  standard_webhooks = 1,
  both = 2,
  alipay = 3,
  wechat = 4,
  stripe = 5
};
constexpr SignatureScheme kLastSignatureScheme = SignatureScheme::stripe;
std::string_view to_text(SignatureScheme scheme) noexcept;

struct Order {
  OrderId id;  // carries the time of placing and the shard
  Account account;
  Money amount;
  Money refunded;         // settled
  Money refund_reserved;  // taken from the balance, not yet settled
  Time expires_at;
  Time paid_at;       // the verified payment time, or that of the simulated payment
  Time recharged_at;  // when the balance went up
  Time ended_at;      // when it failed, was closed, or expired; the latest of them
  TransactionId transaction_id;
  GatewayName gateway;
  Subject subject;
  OrderId previous;    // the account's order before this one; nil: its first
  Digest evidence{};   // of the callback that decided the payment, as received
  KeyId evidence_key;  // which secret verified it; empty: no callback yet
  Time evidence_at;    // its arrival
  SignatureScheme evidence_scheme = SignatureScheme::fields;
  OrderStatus ended_as = OrderStatus::pending;  // what it became at ended_at
  std::uint16_t exceptions = 0;                 // kept for this order, resolved ones included
  OrderStatus status = OrderStatus::pending;
  Fulfilment fulfilment = Fulfilment::wallet;  // decided by its payment
  Currency currency;
  std::uint32_t merchant = 0;

  Time created_at() const noexcept { return id.time(); }
  // Past its time and still unpaid: to be expired by whoever touches it.
  bool is_overdue(Time now) const noexcept { return awaits_payment(status) && now > expires_at; }
  // Its payment is verified and held until a supplier has recharged, or it is refunded.
  bool is_held() const noexcept {
    return fulfilment != Fulfilment::wallet &&
           (status == OrderStatus::paid || status == OrderStatus::recharging);
  }
  // By a verified payment, whatever became of it since.
  bool is_paid_for() const noexcept { return is_credited(status) || is_held(); }
};

// For whoever may see the orders of one account only; empty: of all.
inline bool is_visible(const Order& order, const Account& only) noexcept {
  return only.empty() || order.account == only;
}

enum class RefundStatus : std::uint8_t { pending = 0, succeeded = 1, failed = 2 };
std::string_view to_text(RefundStatus status) noexcept;

struct Refund {
  OrderId order_id;
  RefundId refund_id;  // unique within its order
  Money amount;
  Time created_at;
  Time settled_at;
  RefundStatus status = RefundStatus::pending;
};

}  // namespace recharge
