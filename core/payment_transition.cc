// Payments: what a verified report of a gateway, or the simulated gateway, does to an order.
#include <cstdlib>

#include "core/decider.h"

namespace recharge {
namespace {

bool is_stale(const ReportPayment& command, Time now) noexcept {
  if (!command.sent_at || command.tolerance_ms == 0) return false;
  // Senders give whole seconds, and those are compared: exactly the tolerance is still accepted.
  const std::int64_t age_s = now.ms / 1000 - command.sent_at->ms / 1000;
  return std::abs(age_s) > command.tolerance_ms / 1000;
}

// The simulated gateway has no callbacks of its own: they come to the native endpoint.
bool may_complete(const GatewayName& bound, const GatewayName& reporting) noexcept {
  if (bound.empty() || bound == reporting) return true;
  return bound.view() == kSimulatedGateway && reporting.view() == kNativeGateway;
}

}  // namespace

GatewayName Decider::gateway_of(const ReportPayment& command) const noexcept {
  if (has_order() && !order_.gateway.empty() && may_complete(order_.gateway, command.gateway))
    return order_.gateway;
  return command.gateway;
}

void Decider::bind_gateway(OrderChanged& change, const GatewayName& gateway) noexcept {
  if (order_.gateway == gateway) return;
  change.fields |= kGatewayField;
  change.gateway = gateway;
}

void Decider::take_evidence(OrderChanged& change, const ReportPayment& command) noexcept {
  change.fields |= kEvidenceFields;
  change.evidence = digest_of(command.evidence);
  change.evidence_key = command.key_id;
  change.evidence_at = now();
  change.evidence_scheme = command.scheme;
}

void Decider::operator()(const SimulatePayment& command) {
  if (!has_order_for(command.only_account)) return end(OutcomeCode::order_not_found);
  expire_if_overdue();
  if (order_.status == OrderStatus::paid || order_.is_paid_for())
    return show_order(OutcomeCode::payment_simulated);
  if (!awaits_payment(order_.status)) return show_order(OutcomeCode::invalid_state);
  if (!order_.gateway.empty() && order_.gateway != command.gateway) return end(OutcomeCode::gateway_mismatch);
  if (!command.approved) {
    if (order_.status == OrderStatus::pending || order_.gateway != command.gateway) {
      auto change = order_change(OrderEvent::payment_failed, OrderStatus::failed);
      change.fields = kEndedAtField;
      change.ended_at = now();
      bind_gateway(change, command.gateway);
      change_order(change);
    }
    return end(OutcomeCode::payment_declined);
  }
  auto change = order_change(OrderEvent::payment_simulated, OrderStatus::paid);
  change.fields = kTransactionField | kPaidAtField;
  change.transaction_id = command.transaction_id;
  change.paid_at = now();
  bind_gateway(change, command.gateway);
  change_order(change);
  show_order(OutcomeCode::payment_simulated);
}

void Decider::operator()(const ReportPayment& command) {
  expire_if_overdue();
  if (command.success) {
    report_success(command);
  } else {
    report_failure(command);
  }
}

// The order of these checks is that of the replies: the first that fails answers.
void Decider::report_success(const ReportPayment& command) {
  const bool credited = has_order() && order_.is_paid_for();
  if (was_settled_by_operator(command)) return end(OutcomeCode::already_processed);
  if (!credited && is_stale(command, now())) {
    return keep(command, ExceptionKind::stale_callback, OutcomeCode::stale_signature);
  }
  if (!has_order()) return keep(command, ExceptionKind::unknown_order, OutcomeCode::order_not_found);
  if (!may_complete(order_.gateway, command.gateway)) {
    return keep(command, ExceptionKind::gateway_mismatch, OutcomeCode::kept_for_review);
  }
  if (command.amount != order_.amount || command.currency != order_.currency) {
    if (command.currency != order_.currency)
      return keep(command, ExceptionKind::amount_mismatch, OutcomeCode::kept_for_review);
    const bool more = command.amount > order_.amount;
    return keep_by(more ? command.policies.over : command.policies.under, command,
                   ExceptionKind::amount_mismatch);
  }
  if (credited) {
    if (order_.transaction_id == command.transaction_id) return end(OutcomeCode::already_processed);
    return keep_by(command.policies.duplicate, command, ExceptionKind::duplicate_payment);
  }
  if (kept_as(ExceptionKind::balance_limit, command) != nullptr) {
    return keep(command, ExceptionKind::balance_limit, OutcomeCode::kept_for_review);
  }
  const bool on_time = command.paid_at && *command.paid_at <= order_.expires_at;
  const auto* late = kept_as(ExceptionKind::late_payment, command);
  const bool dismissed = late != nullptr && !late->is_open();
  if (order_.status == OrderStatus::closed ||
      (order_.status == OrderStatus::expired && (!on_time || dismissed))) {
    return report_late(command);
  }
  credit_order(command);
}

void Decider::report_late(const ReportPayment& command) {
  const auto* earlier = records_.kept[static_cast<std::size_t>(ExceptionKind::late_payment)];
  if (earlier == nullptr && command.policies.late == PaymentPolicy::credit) return credit_order(command);
  keep_by(command.policies.late, command, ExceptionKind::late_payment);
}

// Kept, and settled at once where the policy says how and the books allow it. What was kept before stays
// as it is.
void Decider::keep_by(PaymentPolicy policy, const ReportPayment& command, ExceptionKind kind) {
  const auto* earlier = records_.kept[static_cast<std::size_t>(kind)];
  keep(command, kind, OutcomeCode::kept_for_review);
  if (earlier != nullptr || policy == PaymentPolicy::review) return;
  PaymentException kept;
  for (const auto& fact : facts_) {
    if (const auto* opened = std::get_if<ExceptionOpened>(&fact)) kept = opened->exception;
  }
  if (kept.id.is_nil()) return;  // it could not be kept, or is kept as another kind
  const bool refund = policy == PaymentPolicy::refund;
  Note note;
  static_cast<void>(note.assign(refund ? "refunded by policy" : "credited by policy"));
  const bool settled =
      settle_exception(kept, refund ? ExceptionAction::refund : ExceptionAction::credit, note);
  RECHARGE_CHECK(settled || !refund);  // money just kept can be moved; a balance may be full
}

// What was kept of this payment. Another gateway may use the same transaction id for another payment.
const PaymentException* Decider::kept_as(ExceptionKind kind, const ReportPayment& command) const noexcept {
  const auto* kept = records_.kept[static_cast<std::size_t>(kind)];
  if (kept == nullptr) return nullptr;
  return kept->gateway == command.gateway || kept->gateway == gateway_of(command) ? kept : nullptr;
}

// Whatever an operator did with this payment's money, a repeat of it changes nothing.
bool Decider::was_settled_by_operator(const ReportPayment& command) const noexcept {
  for (std::size_t kind = 0; kind < kExceptionKinds; ++kind) {
    const auto* kept = kept_as(static_cast<ExceptionKind>(kind), command);
    if (kept == nullptr) continue;
    if (kept->action == ExceptionAction::credit || kept->action == ExceptionAction::refund) return true;
  }
  return false;
}

bool Decider::was_kept(const ReportPayment& command) const noexcept {
  for (std::size_t kind = 0; kind < kExceptionKinds; ++kind) {
    if (kept_as(static_cast<ExceptionKind>(kind), command) != nullptr) return true;
  }
  return false;
}

// The exception that holds this payment for good: a repeat that would be kept for another reason must not
// book its money a second time. What was kept as stale, or with another amount, gives way instead.
const PaymentException* Decider::kept_for_good(const ReportPayment& command) const noexcept {
  for (auto kind : {ExceptionKind::late_payment, ExceptionKind::duplicate_payment,
                    ExceptionKind::gateway_mismatch, ExceptionKind::balance_limit}) {
    const auto* kept = kept_as(kind, command);
    if (kept != nullptr && kept->action != ExceptionAction::superseded) return kept;
  }
  return nullptr;
}

// The payment came again with better evidence: what was kept of it before is now settled by this report.
bool Decider::supersede(std::initializer_list<ExceptionKind> kinds, const ReportPayment& command) {
  for (auto kind : kinds) {
    const auto* kept = kept_as(kind, command);
    if (kept == nullptr || !kept->is_open()) continue;
    if (!settle_exception(*kept, ExceptionAction::superseded, {})) return false;
  }
  return true;
}

void Decider::credit_order(const ReportPayment& command) {
  if (command.fulfilment != Fulfilment::wallet) return hold_payment(command);
  const auto gateway = gateway_of(command);
  const auto after = add(account_.balance, command.amount);
  if (!after || *after > kMaxBalance) {
    return keep(command, ExceptionKind::balance_limit, OutcomeCode::kept_for_review);
  }
  // Also what came as late, where the payment turns out to have been made in time.
  if (!supersede({ExceptionKind::stale_callback, ExceptionKind::amount_mismatch, ExceptionKind::late_payment},
                 command) ||
      !post(TransferKind::recharge, house(LedgerAccountKind::clearing, gateway), user(), command.amount,
            order_.id, {})) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  auto change = order_change(OrderEvent::recharged, OrderStatus::recharged);
  change.fields = kTransactionField | kPaidAtField | kRechargedAtField;
  change.transaction_id = command.transaction_id;
  change.paid_at = command.paid_at.value_or(now());
  change.recharged_at = now();
  bind_gateway(change, gateway);
  take_evidence(change, command);
  change_order(change);
  end(OutcomeCode::recharge_succeeded);
}

// Once for each payment and kind, however often it is repeated.
void Decider::keep(const ReportPayment& command, ExceptionKind kind, OutcomeCode code) {
  outcome_.exception_kind = kind;
  if (const auto* earlier = records_.kept[static_cast<std::size_t>(kind)]) {
    const bool dismissed = !earlier->is_open() && code == OutcomeCode::kept_for_review;
    return end(dismissed ? OutcomeCode::already_processed : code);
  }
  if (kind == ExceptionKind::stale_callback && was_kept(command)) return end(code);
  if (const auto* earlier = kept_for_good(command)) {
    outcome_.exception_kind = earlier->kind;
    return end(earlier->is_open() ? code : OutcomeCode::already_processed);
  }
  if (!has_order()) {
    order_.currency = command.currency;
    order_.merchant = command.merchant;
  }
  if (!supersede({ExceptionKind::stale_callback, ExceptionKind::amount_mismatch}, command)) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  const auto gateway = gateway_of(command);
  PaymentException exception;
  exception.id = command.exception_id;
  exception.kind = kind;
  exception.reference = exception_key(command, kind).reference;
  if (has_order()) {
    exception.order_id = order_.id;
    exception.account = order_.account;
  }
  exception.gateway = gateway;
  exception.transaction_id = command.transaction_id;
  exception.amount = command.amount;
  exception.paid_at = command.paid_at.value_or(Time{});
  exception.sent_at = command.sent_at.value_or(Time{});
  exception.evidence = digest_of(command.evidence);
  exception.evidence_key = command.key_id;
  exception.evidence_scheme = command.scheme;
  exception.currency = command.currency;
  exception.merchant = command.merchant;
  if (!post(TransferKind::payment_kept, house(LedgerAccountKind::clearing, gateway),
            house(LedgerAccountKind::suspense, gateway), command.amount, exception.order_id,
            command.transaction_id)) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  const auto open_after = ++totals_.open_exceptions[static_cast<std::size_t>(kind)];
  facts_.emplace_back(ExceptionOpened{exception, open_after});
  if (has_order()) {
    auto change = order_change(OrderEvent::exception_kept, order_.status);
    change.fields = kExceptionsField;
    change.exceptions = order_.exceptions == UINT16_MAX ? order_.exceptions
                                                        : static_cast<std::uint16_t>(order_.exceptions + 1);
    change_order(change);
  }
  end(code);
}

void Decider::report_failure(const ReportPayment& command) {
  if (has_order() && order_.is_paid_for()) return end(OutcomeCode::already_processed);
  if (is_stale(command, now())) return end(OutcomeCode::stale_signature);
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (order_.status != OrderStatus::pending || !may_complete(order_.gateway, command.gateway)) {
    return end(OutcomeCode::already_processed);
  }
  auto change = order_change(OrderEvent::payment_failed, OrderStatus::failed);
  change.fields = kEndedAtField;
  change.ended_at = now();
  take_evidence(change, command);
  change_order(change);
  end(OutcomeCode::payment_failure_recorded);
}

}  // namespace recharge
