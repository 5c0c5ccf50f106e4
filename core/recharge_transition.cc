// Recharges that a supplier performs: a saga of durable steps. The payment is held; a supplier is asked,
// under one request id for as long as it may have done it; then the order is recharged, or, when nobody can,
// its payment goes back to the payer.
#include "core/decider.h"

namespace recharge {
namespace {

constexpr std::string_view kRefundOfRecharge = "recharge-failed";

}  // namespace

// The work is there before any supplier is called: whatever happens next, somebody will look after it.
void Decider::hold_payment(const ReportPayment& command) {
  const auto gateway = gateway_of(command);
  // Also what came as late, where the payment turns out to have been made in time.
  if (!supersede({ExceptionKind::stale_callback, ExceptionKind::amount_mismatch, ExceptionKind::late_payment},
                 command) ||
      !post(TransferKind::payment_held, house(LedgerAccountKind::clearing, gateway),
            house(LedgerAccountKind::fulfilment, gateway), command.amount, order_.id, {})) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  auto change = order_change(OrderEvent::payment_held, OrderStatus::paid);
  change.fields = kTransactionField | kPaidAtField;
  change.transaction_id = command.transaction_id;
  change.paid_at = command.paid_at.value_or(now());
  change.fulfilment = command.fulfilment;
  bind_gateway(change, gateway);
  take_evidence(change, command);
  change_order(change);
  GatewayWork work;
  work.key = GatewayWorkKey::of_recharge(order_.id);
  work.gateway = gateway;
  work.started_at = now();
  work.order_id = order_.id;
  work.amount = order_.amount;
  facts_.emplace_back(GatewayWorkChanged{work});
  end(OutcomeCode::payment_held);
}

void Decider::operator()(const BeginAttempt& command) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.recharge == nullptr || records_.recharge->failed)
    return show_order(OutcomeCode::invalid_state);
  GatewayWork work = *records_.recharge;
  const bool may_be_done = records_.attempt != nullptr && records_.attempt->is_open();
  if (may_be_done) return show_order(OutcomeCode::invalid_state);
  if (command.number != work.attempts + 1) return show_order(OutcomeCode::invalid_state);
  RechargeAttempt attempt;
  attempt.order_id = order_.id;
  attempt.number = work.attempts = command.number;
  attempt.supplier = command.supplier;
  attempt.begun_at = now();
  facts_.emplace_back(AttemptRecorded{attempt});
  facts_.emplace_back(GatewayWorkChanged{work});
  if (order_.status != OrderStatus::recharging)
    change_order(order_change(OrderEvent::recharge_begun, OrderStatus::recharging));
  show_attempt(work, attempt);
}

void Decider::operator()(const NoteAttempt& command) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.attempt == nullptr) return end(OutcomeCode::attempt_not_found);
  RechargeAttempt attempt = *records_.attempt;
  if (!attempt.is_open()) return end(OutcomeCode::already_processed);
  ++attempt.calls;
  attempt.noted_at = now();
  attempt.reason = command.reason;
  facts_.emplace_back(AttemptRecorded{attempt});
  // Workers behind a broker are asked again by an event, which shows the order.
  if (order_.fulfilment == Fulfilment::amqp)
    change_order(order_change(OrderEvent::recharge_begun, order_.status));
  end(OutcomeCode::attempt_noted);
}

// The first verified answer decides; one that comes again, or later, changes nothing.
void Decider::operator()(const EndAttempt& command) {
  RECHARGE_CHECK(command.state != AttemptState::begun);
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.attempt == nullptr) return end(OutcomeCode::attempt_not_found);
  RechargeAttempt attempt = *records_.attempt;
  if (!attempt.is_open()) return end(OutcomeCode::already_processed);
  RECHARGE_CHECK(records_.recharge != nullptr && !records_.recharge->failed);
  attempt.state = command.state;
  attempt.ended_at = now();
  attempt.reference = command.reference;
  attempt.reason = command.reason;
  facts_.emplace_back(AttemptRecorded{attempt});
  if (command.state != AttemptState::succeeded) return end(OutcomeCode::attempt_ended);
  if (!post(TransferKind::supplied, held(), house(LedgerAccountKind::supplied, attempt.supplier),
            order_.amount, order_.id, {})) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  auto change = order_change(OrderEvent::recharged, OrderStatus::recharged);
  change.fields = kRechargedAtField;
  change.recharged_at = now();
  change_order(change);
  end_recharge();
  end(OutcomeCode::recharge_succeeded);
}

// Never while a supplier may have done it.
void Decider::operator()(const FailRecharge&) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.recharge == nullptr) return show_order(OutcomeCode::already_processed);
  if (records_.recharge->failed) return show_order(OutcomeCode::already_processed);
  if (records_.attempt != nullptr && records_.attempt->is_open())
    return show_order(OutcomeCode::invalid_state);
  GatewayWork work = *records_.recharge;
  work.failed = true;
  facts_.emplace_back(GatewayWorkChanged{work});
  change_order(order_change(OrderEvent::recharge_failed, order_.status));
  RefundId refund_id;
  RECHARGE_CHECK(refund_id.assign(kRefundOfRecharge));
  reserve_refund(refund_id, order_.amount, TransferKind::recharge_failed, held(), true,
                 OutcomeCode::recharge_failed);
}

void Decider::end_recharge() noexcept {
  if (records_.recharge == nullptr) return;
  GatewayWorkChanged fact{*records_.recharge};
  fact.work.ended = true;
  facts_.emplace_back(fact);
}

}  // namespace recharge
