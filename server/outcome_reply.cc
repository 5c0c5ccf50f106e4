#include "server/outcome_reply.h"

namespace recharge {
namespace {

struct Row {
  OutcomeCode code;
  std::string_view slug;
  OutcomeReply reply;
};

constexpr Row kRows[] = {
    {OutcomeCode::order_placed, "order_placed", {}},
    {OutcomeCode::order_replayed, "order_replayed", {}},
    {OutcomeCode::payment_simulated, "payment_simulated", {200, "", "Payment succeeded"}},
    {OutcomeCode::recharge_succeeded, "recharge_succeeded", {200, "", "Recharge succeeded"}},
    {OutcomeCode::already_processed, "already_processed", {200, "", "Already processed"}},
    {OutcomeCode::payment_failure_recorded,
     "payment_failure_recorded",
     {200, "", "Payment failure recorded"}},
    {OutcomeCode::kept_for_review, "kept_for_review", {200, "", "Payment recorded for review"}},
    {OutcomeCode::order_closed, "order_closed", {}},
    {OutcomeCode::order_expired, "order_expired", {}},
    {OutcomeCode::refund_requested, "refund_requested", {}},
    {OutcomeCode::refund_settled, "refund_settled", {}},
    {OutcomeCode::balance_spent, "balance_spent", {}},
    {OutcomeCode::exception_resolved, "exception_resolved", {}},
    {OutcomeCode::payment_to_start, "payment_to_start", {}},
    {OutcomeCode::payment_started, "payment_started", {}},
    {OutcomeCode::payment_ended, "payment_ended", {}},
    {OutcomeCode::payment_held, "payment_held", {}},
    {OutcomeCode::attempt_begun, "attempt_begun", {}},
    {OutcomeCode::attempt_noted, "attempt_noted", {}},
    {OutcomeCode::attempt_ended, "attempt_ended", {}},
    {OutcomeCode::recharge_failed, "recharge_failed", {}},
    {OutcomeCode::found, "found", {}},
    {OutcomeCode::nothing_to_do, "nothing_to_do", {}},
    {OutcomeCode::order_not_found, "order_not_found", {404, "order_not_found", "Order not found"}},
    {OutcomeCode::exception_not_found,
     "exception_not_found",
     {404, "exception_not_found", "Exception not found"}},
    {OutcomeCode::refund_not_found, "refund_not_found", {404, "not_found", "Refund not found"}},
    {OutcomeCode::attempt_not_found, "attempt_not_found", {404, "not_found", "Attempt not found"}},
    {OutcomeCode::stale_signature,
     "stale_signature",
     {403, "stale_signature", "Signature outside the time tolerance"}},
    {OutcomeCode::gateway_mismatch,
     "gateway_mismatch",
     {409, "invalid_state", "The order is bound to another gateway"}},
    {OutcomeCode::idempotency_mismatch,
     "idempotency_mismatch",
     {422, "idempotency_mismatch", "The same key came with another content before"}},
    {OutcomeCode::too_many_pending,
     "too_many_pending",
     {409, "too_many_pending_orders", "The account has too many orders that wait for their payment"}},
    {OutcomeCode::day_amount_exceeded,
     "day_amount_exceeded",
     {409, "daily_amount_exceeded", "The account's orders of a day would exceed its limit"}},
    {OutcomeCode::invalid_state,
     "invalid_state",
     {409, "invalid_state", "The current state does not allow this"}},
    {OutcomeCode::payment_declined, "payment_declined", {400, "payment_failed", "Payment failed"}},
    {OutcomeCode::payment_refused,
     "payment_refused",
     {400, "payment_failed", "The gateway refuses to start the payment"}},
    {OutcomeCode::refund_exceeds_payment,
     "refund_exceeds_payment",
     {409, "refund_exceeds_payment", "The refunds would exceed the payment"}},
    {OutcomeCode::insufficient_balance,
     "insufficient_balance",
     {409, "insufficient_balance", "Insufficient balance"}},
    {OutcomeCode::balance_limit,
     "balance_limit",
     {409, "invalid_state", "The balance would exceed its limit"}},
    {OutcomeCode::not_creditable,
     "not_creditable",
     {409, "invalid_state", "There is no order whose account could be credited"}},
    {OutcomeCode::overloaded, "overloaded", {503, "overloaded", "Overloaded, try again"}},
    {OutcomeCode::storage_full,
     "storage_full",
     {503, "storage_full", "The store is out of space, try again later"}},
    {OutcomeCode::draining, "draining", {503, "draining", "Shutting down, try again"}},
    {OutcomeCode::gateway_unavailable,
     "gateway_unavailable",
     {503, "gateway_unavailable", "The gateway does not answer, try again"}},
    {OutcomeCode::ledger_unbalanced,
     "ledger_unbalanced",
     {503, "ledger_unbalanced", "The sum of the ledger is not zero: no changes are made"}},
    {OutcomeCode::damaged, "damaged", {500, "internal_error", "A stored record is damaged"}},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order(), "each outcome has its row, at its own place");
static_assert(std::size(kRows) == static_cast<std::size_t>(OutcomeCode::damaged) + 1);

}  // namespace

OutcomeReply reply_for(OutcomeCode code) noexcept { return kRows[static_cast<std::size_t>(code)].reply; }

std::string_view slug(OutcomeCode code) noexcept { return kRows[static_cast<std::size_t>(code)].slug; }

bool refuse(const Outcome& outcome, Reply& reply) {
  const OutcomeReply row = reply_for(outcome.code);
  if (row.error.empty()) return false;
  reply.fail(row.status, row.error, row.message);
  return true;
}

}  // namespace recharge
