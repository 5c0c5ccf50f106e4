// The order's own commands: placing, closing, expiry, refunds, and spending from the balance.
#include "core/decider.h"

namespace recharge {

// By the account's limits; none: within them.
std::optional<OutcomeCode> Decider::over_limits(const PlaceOrder& command) const noexcept {
  const AccountLimits& limits = command.limits;
  const PlacedLately& placed = records_.placed_lately;
  if (limits.max_pending > 0 && (placed.too_many || placed.pending >= limits.max_pending)) {
    return OutcomeCode::too_many_pending;
  }
  if (limits.max_amount_a_day.is_positive()) {
    const auto sum = add(placed.amount, command.amount);
    if (placed.too_many || !sum || *sum > limits.max_amount_a_day) return OutcomeCode::day_amount_exceeded;
  }
  return std::nullopt;
}

void Decider::operator()(const PlaceOrder& command) {
  if (const auto* earlier = records_.idempotency;
      earlier != nullptr && now().ms - earlier->created_at.ms < command.idempotency_retention_ms) {
    if (earlier->body != command.request_body) return end(OutcomeCode::idempotency_mismatch);
    RECHARGE_CHECK(has_order());
    return show_order(OutcomeCode::order_replayed);
  }
  RECHARGE_CHECK(command.amount.is_positive() && command.expire_after_ms > 0);
  if (const auto refused = over_limits(command)) return end(*refused);
  OrderPlaced fact;
  fact.order.id = command.order_id;
  fact.order.account = command.account;
  fact.order.amount = command.amount;
  fact.order.expires_at = Time{command.order_id.time().ms + command.expire_after_ms};
  fact.order.gateway = command.gateway;
  fact.order.subject = command.subject;
  fact.order.previous = account_.newest_order;
  fact.order.currency = command.currency;
  fact.order.merchant = command.merchant;
  if (!command.idempotency_key.is_nil()) {
    fact.idempotency = {command.idempotency_key, command.request_body, command.order_id, now()};
  }
  fact.pending_after = totals_.orders[static_cast<std::size_t>(OrderStatus::pending)] + 1;
  order_ = fact.order;
  facts_.emplace_back(fact);
  if (!command.notify_url.empty()) {
    NotifyAddress address{command.order_id, {}};
    RECHARGE_CHECK(address.url.assign(command.notify_url));
    facts_.emplace_back(NotifyAddressKept{address});
  }
  show_order(OutcomeCode::order_placed);
}

void Decider::operator()(const CloseOrder& command) {
  if (!has_order_for(command.only_account)) return end(OutcomeCode::order_not_found);
  expire_if_overdue();
  if (awaits_payment(order_.status)) {
    auto change = order_change(OrderEvent::closed, OrderStatus::closed);
    change.fields = kEndedAtField;
    change.ended_at = now();
    change_order(change);
  }
  show_order(order_.status == OrderStatus::closed ? OutcomeCode::order_closed : OutcomeCode::invalid_state);
}

void Decider::operator()(const ExpireOrder&) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  expire_if_overdue();
  show_order(facts_.empty() ? OutcomeCode::nothing_to_do : OutcomeCode::order_expired);
}

void Decider::operator()(const RequestRefund& command) {
  if (!has_order_for(command.only_account)) return end(OutcomeCode::order_not_found);
  expire_if_overdue();
  if (const auto* earlier = records_.refund) {
    if (command.amount && *command.amount != earlier->amount) return end(OutcomeCode::idempotency_mismatch);
    return show_refund(OutcomeCode::refund_requested, *earlier);
  }
  // What a supplier recharged is not ours to take back; what is held is on its way to one, or failed for
  // good.
  const bool by_supplier = order_.fulfilment != Fulfilment::wallet;
  if (by_supplier ? !is_failed_for_good() : !is_credited(order_.status))
    return end(OutcomeCode::invalid_state);
  const auto taken = add(order_.refunded, order_.refund_reserved);
  RECHARGE_CHECK(taken.has_value() && *taken <= order_.amount);
  const auto rest = Money::from_minor_units(order_.amount.minor_units() - taken->minor_units());
  const Money amount = command.amount.value_or(rest);
  if (!amount.is_positive() || amount > rest) return end(OutcomeCode::refund_exceeds_payment);
  if (by_supplier && amount != rest) return end(OutcomeCode::invalid_state);
  if (!by_supplier && amount > account_.balance) return end(OutcomeCode::insufficient_balance);
  const auto kind = by_supplier ? TransferKind::recharge_failed : TransferKind::refund_reserved;
  reserve_refund(command.refund_id, amount, kind, by_supplier ? held() : user(), command.settle_now,
                 OutcomeCode::refund_requested);
}

// Where its gateway needs no call for it, it is settled at once.
void Decider::reserve_refund(const RefundId& refund_id, Money amount, TransferKind kind,
                             const LedgerAccount& from, bool settle_now, OutcomeCode code) {
  if (!post(kind, from, house(LedgerAccountKind::in_transit, order_.gateway), amount, order_.id, {})) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  Refund refund{order_.id, refund_id, amount, now(), {}, RefundStatus::pending};
  facts_.emplace_back(RefundRecorded{refund});
  auto change = order_change(OrderEvent::refund_reserved, order_.status);
  change.fields = kRefundFields;
  change.refunded = order_.refunded;
  change.refund_reserved =
      Money::from_minor_units(order_.refund_reserved.minor_units() + amount.minor_units());
  change_order(change);
  if (refunds_by_call(order_.evidence_scheme)) {
    GatewayWork work;
    work.key = GatewayWorkKey::of_refund(order_.id, refund_id);
    work.gateway = order_.gateway;
    work.started_at = now();
    work.order_id = order_.id;
    work.transaction_id = order_.transaction_id;
    work.refund_id = refund_id;
    work.amount = amount;
    work.total = order_.amount;
    facts_.emplace_back(GatewayWorkChanged{work});
  } else if (settle_now) {
    return settle(refund, true);
  }
  show_refund(code, refund);
}

void Decider::operator()(const SettleRefund& command) {
  if (!has_order()) return end(OutcomeCode::order_not_found);
  if (records_.refund == nullptr) return end(OutcomeCode::refund_not_found);
  if (records_.refund->status != RefundStatus::pending)
    return show_refund(OutcomeCode::refund_settled, *records_.refund);
  settle(*records_.refund, command.succeeded);
}

// The reserved money goes to the gateway, or back to where it came from.
void Decider::settle(Refund refund, bool succeeded) {
  const auto in_transit = house(LedgerAccountKind::in_transit, order_.gateway);
  const bool is_held = order_.is_held();
  const auto kind = succeeded ? TransferKind::refund_settled
                    : is_held ? TransferKind::refund_refused
                              : TransferKind::refund_released;
  const auto to = succeeded ? house(LedgerAccountKind::clearing, order_.gateway) : is_held ? held() : user();
  const bool posted = post(kind, in_transit, to, refund.amount, order_.id, {});
  if (!posted) {  // the whole command is refused
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  refund.status = succeeded ? RefundStatus::succeeded : RefundStatus::failed;
  refund.settled_at = now();
  facts_.emplace_back(RefundRecorded{refund});
  auto change =
      order_change(succeeded ? OrderEvent::refund_settled : OrderEvent::refund_released, order_.status);
  change.fields = kRefundFields;
  change.refund_reserved =
      Money::from_minor_units(order_.refund_reserved.minor_units() - refund.amount.minor_units());
  change.refunded = order_.refunded;
  if (succeeded) {
    change.refunded = Money::from_minor_units(order_.refunded.minor_units() + refund.amount.minor_units());
    change.status =
        change.refunded == order_.amount ? OrderStatus::refunded : OrderStatus::partially_refunded;
  }
  change_order(change);
  end_work(records_.work);
  if (succeeded && is_held) end_recharge();
  show_refund(OutcomeCode::refund_settled, refund);
}

void Decider::operator()(const SpendBalance& command) {
  if (const auto* earlier = records_.debit) {
    if (earlier->amount != command.amount || earlier->memo != command.memo)
      return end(OutcomeCode::idempotency_mismatch);
    RECHARGE_CHECK(records_.entry != nullptr);
    outcome_.shown = *records_.entry;
    return end(OutcomeCode::balance_spent);
  }
  if (records_.account == nullptr || command.amount > account_.balance)
    return end(OutcomeCode::insufficient_balance);
  if (!post(TransferKind::debit, user(), house(LedgerAccountKind::spending, {}), command.amount, {}, {})) {
    return end(OutcomeCode::balance_limit);
  }
  const auto& transfer = std::get<TransferPosted>(facts_.back()).transfer;
  outcome_.shown = transfer;
  facts_.emplace_back(
      DebitRecorded{{command.account, command.debit_id, command.amount, command.memo, transfer.id}});
  end(OutcomeCode::balance_spent);
}

void Decider::operator()(const ResolveException& command) {
  if (records_.exception == nullptr) return end(OutcomeCode::exception_not_found);
  PaymentException exception = *records_.exception;
  if (!exception.is_open()) return end(OutcomeCode::invalid_state);
  if (command.action == ExceptionAction::credit && exception.order_id.is_nil())
    return end(OutcomeCode::not_creditable);
  RECHARGE_CHECK(command.action != ExceptionAction::none && command.action != ExceptionAction::superseded);
  order_.currency = exception.currency;
  order_.merchant = exception.merchant;
  if (!settle_exception(exception, command.action, command.note)) {
    facts_.clear();
    return end(OutcomeCode::balance_limit);
  }
  exception.action = command.action;
  exception.resolved_at = now();
  exception.note = command.note;
  outcome_.shown = exception;
  end(OutcomeCode::exception_resolved);
}

}  // namespace recharge
