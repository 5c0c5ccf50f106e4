// Purpose: what became of a command: one code, in order of precedence where several would fit, and what the
// reply shows. Lifetime: values; reused for the next command of the same request slot.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/gateway_work.h"
#include "core/ledger.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

enum class OutcomeCode : std::uint8_t {
  // The command changed what it was to change, or there was nothing left to change.
  order_placed,       // order
  order_replayed,     // order: the one that the same Idempotency-Key placed
  payment_simulated,  // order: paid, now or before
  recharge_succeeded,
  already_processed,
  payment_failure_recorded,
  kept_for_review,     // exception_kind
  order_closed,        // order
  order_expired,       // order
  refund_requested,    // refund, now or before; order
  refund_settled,      // refund
  balance_spent,       // entry, now or before
  exception_resolved,  // exception
  payment_to_start,    // work: the gateway is to be called
  payment_started,     // work: with what the payer is shown
  payment_ended,       // there is no such work, now or before
  payment_held,        // a supplier is to recharge
  attempt_begun,       // work, order, attempt: the supplier is to be called
  attempt_noted,
  attempt_ended,    // it did nothing
  recharge_failed,  // refund, order: requested, or settled where no call is needed; now or before
  found,            // order, balance, list or explanation
  nothing_to_do,    // an expiry that was not due
  // Refusals of the domain: nothing was changed, but for what is said.
  order_not_found,  // a verified success for it is kept as an exception
  exception_not_found,
  refund_not_found,
  attempt_not_found,
  stale_signature,       // outside the tolerance; a success is kept as an exception
  gateway_mismatch,      // the order is bound to another gateway
  idempotency_mismatch,  // the same key or id with another content
  too_many_pending,      // orders of the account that wait for their payment
  day_amount_exceeded,   // by the orders that the account placed within a day
  invalid_state,
  payment_declined,
  payment_refused,  // by the gateway that it was to be started at
  refund_exceeds_payment,
  insufficient_balance,
  balance_limit,
  not_creditable,  // an exception without an order
  // Refusals of the machine: nothing was changed; the same command may be sent again.
  overloaded,
  storage_full,
  draining,
  gateway_unavailable,  // whether it did what it was called for is not known
  ledger_unbalanced,
  damaged,  // a stored record that it needs fails its checksum
};

struct OrderPage {
  std::vector<Order> orders;
  OrderId next;  // nil: the end
};

struct EntryPage {
  std::vector<Transfer> entries;  // transaction_id filled in from the order where it is the order's
  EntryId next;
};

struct ExceptionPage {
  std::vector<PaymentException> exceptions;
  ExceptionId next;
};

// Everything known of an order, or of payments kept for an id that no order has.
struct Explanation {
  std::vector<GatewayWork> payments;  // started at gateways, and not ended there
  OrderId order_id;
  std::optional<Order> order;
  std::vector<Refund> refunds;               // oldest first
  std::vector<PaymentException> exceptions;  // oldest first
  std::vector<RechargeAttempt> attempts;     // likewise
};

struct RefundAndOrder {
  Refund refund;
  Order order;
};

struct GatewayWorkAndOrder {
  GatewayWork work;
  std::optional<Order> order;
  std::vector<RechargeAttempt> attempts = {};  // of a recharge that is read; oldest first
};

struct GatewayWorkPage {
  std::vector<GatewayWorkAndOrder> works;
  bool more = false;
};

struct Outcome {
  OutcomeCode code = OutcomeCode::nothing_to_do;
  ExceptionKind exception_kind = ExceptionKind::late_payment;  // with kept_for_review
  std::variant<std::monostate, Order, Money, Transfer, RefundAndOrder, PaymentException, OrderPage, EntryPage,
               ExceptionPage, Explanation, GatewayWorkAndOrder, GatewayWorkPage>
      shown;
};

}  // namespace recharge
