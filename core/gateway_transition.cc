// Payments started at gateways, and refunds of kept payments that gateways carry out.
#include "core/decider.h"

namespace recharge {

// The work is there before the gateway is called: whatever the call leads to will be asked for.
void Decider::operator()(const StartPayment& command) {
  if (!has_order_for(command.only_account)) return end(OutcomeCode::order_not_found);
  expire_if_overdue();
  if (!awaits_payment(order_.status)) return show_order(OutcomeCode::invalid_state);
  const GatewayName gateway = command.gateway.empty() ? order_.gateway : command.gateway;
  if (gateway.empty() || (!order_.gateway.empty() && order_.gateway != gateway))
    return end(OutcomeCode::gateway_mismatch);
  if (records_.work != nullptr) {
    const bool shown = !records_.work->pay_text.empty() && records_.work->pay_text_until > now();
    return show_work(shown ? OutcomeCode::payment_started : OutcomeCode::payment_to_start, *records_.work);
  }
  if (order_.gateway != gateway) {
    auto change = order_change(OrderEvent::payment_started, order_.status);
    bind_gateway(change, gateway);
    change_order(change);
  }
  GatewayWork work;
  work.key = GatewayWorkKey::of_payment(order_.id, command.method);
  work.gateway = gateway;
  work.started_at = now();
  work.order_id = order_.id;
  facts_.emplace_back(GatewayWorkChanged{work});
  show_work(OutcomeCode::payment_to_start, work);
}

void Decider::operator()(const NotePaymentStart& command) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.work == nullptr) return show_order(OutcomeCode::invalid_state);  // ended meanwhile
  GatewayWork work = *records_.work;
  work.pay_text = command.pay_text;
  work.pay_text_until = command.pay_text_until;
  work.gateway_id = command.gateway_id;
  facts_.emplace_back(GatewayWorkChanged{work});
  show_work(OutcomeCode::payment_started, work);
}

void Decider::operator()(const EndPayment&) {
  end_work(records_.work);
  end(OutcomeCode::payment_ended);
}

void Decider::end_work(const GatewayWork* work) noexcept {
  if (work == nullptr) return;
  GatewayWorkChanged fact{*work};
  fact.work.ended = true;
  facts_.emplace_back(fact);
}

// A refund that the gateway refused for good leaves the payment where it was before: kept, for an operator.
void Decider::operator()(const SettleExceptionRefund& command) {
  if (records_.exception == nullptr) return end(OutcomeCode::exception_not_found);
  if (records_.work == nullptr) return end(OutcomeCode::refund_not_found);  // settled before
  const PaymentException& exception = *records_.exception;
  RECHARGE_CHECK(exception.action == ExceptionAction::refund);
  order_.currency = exception.currency;
  order_.merchant = exception.merchant;
  const auto in_transit = house(LedgerAccountKind::in_transit, exception.gateway);
  const bool posted = command.succeeded
                          ? post(TransferKind::refund_settled, in_transit,
                                 house(LedgerAccountKind::clearing, exception.gateway), exception.amount,
                                 exception.order_id, exception.transaction_id)
                          : post(TransferKind::payment_kept, in_transit,
                                 house(LedgerAccountKind::suspense, exception.gateway), exception.amount,
                                 exception.order_id, exception.transaction_id);
  if (!posted) return end(OutcomeCode::balance_limit);
  outcome_.shown = exception;
  if (!command.succeeded) reopen(exception);
  end_work(records_.work);
  end(OutcomeCode::refund_settled);
}

void Decider::reopen(PaymentException exception) {
  exception.action = ExceptionAction::none;
  exception.resolved_at = Time{};
  exception.note = Note();
  outcome_.shown = exception;
  ExceptionResolved fact;
  fact.exception = exception;
  fact.exception.sent_at = {};  // stand in the journal with the callback alone
  fact.exception.evidence_scheme = {};
  fact.open_after = ++totals_.open_exceptions[static_cast<std::size_t>(exception.kind)];
  facts_.emplace_back(fact);
}

}  // namespace recharge
