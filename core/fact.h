// Purpose: what a command changed, as results and never as increments: applying a fact twice, or over newer
// records, ends in the same records. The journal stores facts; recovery applies them and runs no rules.
// Lifetime: values.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <variant>

#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

struct OrderPlaced {
  Order order;
  IdempotencyRecord idempotency;  // key nil: none
  std::uint64_t pending_after = 0;
};

// Stored as a byte: the values never change.
enum class OrderEvent : std::uint8_t {
  payment_simulated = 0,
  payment_failed = 1,
  recharged = 2,
  closed = 3,
  expired = 4,
  refund_reserved = 5,
  refund_settled = 6,
  refund_released = 7,
  exception_kept = 8,
  payment_started = 9,   // at a gateway
  payment_held = 10,     // verified; a supplier is to recharge
  recharge_begun = 11,   // asked of a supplier for the first time
  recharge_failed = 12,  // for good: a refund follows
};
constexpr OrderEvent kLastOrderEvent = OrderEvent::recharge_failed;

// Which members of OrderChanged hold a new result. Stored as a byte.
enum OrderField : std::uint8_t {
  kGatewayField = 1,
  kTransactionField = 2,
  kPaidAtField = 4,
  kRechargedAtField = 8,
  kEndedAtField = 16,
  kRefundFields = 32,
  kExceptionsField = 64,
  kEvidenceFields = 128,  // taken from the command that stands in the same journal record
};

struct OrderChanged {
  OrderId order_id;
  OrderEvent event = OrderEvent::expired;
  std::uint8_t fields = 0;
  OrderStatus from = OrderStatus::pending;
  OrderStatus status = OrderStatus::pending;
  std::uint64_t from_count_after = 0;    // orders of the shard in `from`; not used where the status stays
  std::uint64_t status_count_after = 0;  // and in `status`
  GatewayName gateway;
  TransactionId transaction_id;
  Time paid_at;
  Time recharged_at;
  Time ended_at;
  Money refunded;
  Money refund_reserved;
  std::uint16_t exceptions = 0;
  Digest evidence{};
  KeyId evidence_key;
  Time evidence_at;
  SignatureScheme evidence_scheme = SignatureScheme::fields;
  Fulfilment fulfilment = Fulfilment::wallet;  // as it is, changed or not; http or amqp since version 3

  // The order as it is after the change, for events: then the members above hold what they are, changed or
  // not (evidence excepted), and these what never changes. Not whole in records of version 1.
  bool whole = false;
  Account account;
  Money amount;
  Time expires_at;
  Subject subject;
  Currency currency;
  std::uint32_t merchant = 0;
};

struct TransferPosted {
  Transfer transfer;
  Money users_after;  // the sum of the shard's users' balances
};

struct ExceptionOpened {
  PaymentException exception;
  std::uint64_t open_after = 0;  // of its kind in the shard
};

// The exception as it is from then on; in records of version 1 only its id, kind, action, resolved_at and
// note. Action none: it is open again, for its refund was refused.
struct ExceptionResolved {
  PaymentException exception;
  std::uint64_t open_after = 0;
};

struct RefundRecorded {
  Refund refund;
};

struct DebitRecorded {
  Debit debit;
};

// The work as it is from then on; ended: there is none any more.
struct GatewayWorkChanged {
  GatewayWork work;
};

struct AttemptRecorded {
  RechargeAttempt attempt;
};

// Of the order that the same record places.
struct NotifyAddressKept {
  NotifyAddress address;
};

// The index is stored in the journal and never changes.
using Fact =
    std::variant<OrderPlaced, OrderChanged, TransferPosted, ExceptionOpened, ExceptionResolved,
                 RefundRecorded, DebitRecorded, GatewayWorkChanged, AttemptRecorded, NotifyAddressKept>;

// The most that one command can change: an expiry, two exceptions booked back, a credit.
constexpr std::size_t kMaxFacts = 12;
using Facts = boost::container::static_vector<Fact, kMaxFacts>;

}  // namespace recharge
