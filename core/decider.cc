#include "core/decider.h"

namespace recharge {
namespace {

// Events show the order as it is after the change.
void show_whole(const Order& order, OrderChanged& fact) noexcept {
  fact.whole = true;
  fact.account = order.account;
  fact.amount = order.amount;
  fact.expires_at = order.expires_at;
  fact.subject = order.subject;
  fact.currency = order.currency;
  fact.merchant = order.merchant;
  fact.gateway = order.gateway;
  fact.transaction_id = order.transaction_id;
  fact.paid_at = order.paid_at;
  fact.recharged_at = order.recharged_at;
  fact.ended_at = order.ended_at;
  fact.refunded = order.refunded;
  fact.refund_reserved = order.refund_reserved;
  fact.exceptions = order.exceptions;
}

}  // namespace

void decide(const Command& command, const Records& records, RecordSource& source, Circumstances circumstances,
            Outcome& outcome, Facts& facts) {
  RECHARGE_CHECK(is_change(command) && facts.empty());
  outcome.code = OutcomeCode::nothing_to_do;
  outcome.shown = std::monostate{};
  Decider decider(records, source, circumstances, outcome, facts);
  std::visit(decider, command);
}

OrderChanged Decider::order_change(OrderEvent event, OrderStatus status) noexcept {
  OrderChanged change;
  change.order_id = order_.id;
  change.event = event;
  change.from = order_.status;
  change.status = status;
  change.fulfilment = order_.fulfilment;
  return change;
}

// Completes the change by the shard's counts, makes it here, and adds the fact.
void Decider::change_order(const OrderChanged& change) noexcept {
  auto& fact = std::get<OrderChanged>(facts_.emplace_back(change));
  if (fact.from != fact.status) {
    auto& from = totals_.orders[static_cast<std::size_t>(fact.from)];
    RECHARGE_CHECK(from > 0);
    fact.from_count_after = --from;
    fact.status_count_after = ++totals_.orders[static_cast<std::size_t>(fact.status)];
  }
  apply_to_order(fact, order_);
  show_whole(order_, fact);
}

void Decider::expire_if_overdue() noexcept {
  if (!has_order() || !order_.is_overdue(now())) return;
  auto change = order_change(OrderEvent::expired, OrderStatus::expired);
  change.fields = kEndedAtField;
  change.ended_at = order_.expires_at;
  change_order(change);
}

Money& Decider::balance_of(const LedgerAccount& account) noexcept {
  if (account.kind == LedgerAccountKind::user) return account_.balance;
  for (auto& known : house_) {
    if (known.kind == account.kind && known.gateway == account.gateway) return known.balance;
  }
  return house_
      .emplace_back(
          HouseAccount{account.kind, account.gateway, source_.house_balance(account.kind, account.gateway)})
      .balance;
}

bool Decider::post(TransferKind kind, const LedgerAccount& debit, const LedgerAccount& credit, Money amount,
                   const OrderId& order_id, const TransactionId& transaction_id) noexcept {
  RECHARGE_CHECK(amount.is_positive());
  const bool debits_user = debit.kind == LedgerAccountKind::user;
  const bool credits_user = credit.kind == LedgerAccountKind::user;
  RECHARGE_CHECK(!(debits_user && credits_user));
  const auto debited = subtract(balance_of(debit), amount);
  const auto credited = add(balance_of(credit), amount);
  if (!debited || !credited) return false;
  if (debits_user && debited->is_negative()) return false;
  if (credits_user && *credited > kMaxBalance) return false;
  const auto users = debits_user    ? subtract(totals_.users, amount)
                     : credits_user ? add(totals_.users, amount)
                                    : Result<Money>(totals_.users);
  if (!users) return false;

  TransferPosted fact;
  fact.transfer.id = EntryId::make(now(), at_.shard, ++totals_.transfers);
  fact.transfer.kind = kind;
  fact.transfer.debit = debit;
  fact.transfer.credit = credit;
  fact.transfer.amount = amount;
  fact.transfer.debit_balance_after = *debited;
  fact.transfer.credit_balance_after = *credited;
  fact.transfer.order_id = order_id;
  fact.transfer.transaction_id = transaction_id;
  if (debits_user || credits_user) fact.transfer.previous = account_.newest_entry;
  fact.transfer.currency = account_.account.empty() ? order_.currency : account_.currency;
  fact.transfer.merchant = account_.account.empty() ? order_.merchant : account_.merchant;
  fact.users_after = *users;
  facts_.emplace_back(fact);

  balance_of(debit) = *debited;
  balance_of(credit) = *credited;
  if (debits_user || credits_user) account_.newest_entry = fact.transfer.id;
  totals_.users = *users;
  return true;
}

// Moves the money of an open exception out of suspense, and closes it.
bool Decider::settle_exception(const PaymentException& exception, ExceptionAction action,
                               const Note& note) noexcept {
  const auto suspense = house(LedgerAccountKind::suspense, exception.gateway);
  const auto clearing = house(LedgerAccountKind::clearing, exception.gateway);
  const auto in_transit = house(LedgerAccountKind::in_transit, exception.gateway);
  const auto& amount = exception.amount;
  const auto& transaction = exception.transaction_id;
  bool posted = false;
  switch (action) {
    case ExceptionAction::credit:
      posted =
          post(TransferKind::exception_credited, suspense, user(), amount, exception.order_id, transaction);
      break;
    case ExceptionAction::refund:
      posted = post(TransferKind::exception_returned, suspense, in_transit, amount, exception.order_id,
                    transaction);
      if (!posted) return false;
      if (refunds_by_call(exception.evidence_scheme)) {
        GatewayWork work;
        work.key = GatewayWorkKey::of_exception(exception.id);
        work.gateway = exception.gateway;
        work.started_at = now();
        work.transaction_id = transaction;
        work.refund_id = refund_id_of(exception.id);
        work.amount = work.total = amount;
        facts_.emplace_back(GatewayWorkChanged{work});
      } else {
        posted =
            post(TransferKind::refund_settled, in_transit, clearing, amount, exception.order_id, transaction);
      }
      break;
    case ExceptionAction::dismiss:
    case ExceptionAction::superseded:
      posted = post(TransferKind::exception_dismissed, suspense, clearing, amount, exception.order_id,
                    transaction);
      break;
    case ExceptionAction::none:
      break;
  }
  if (!posted) return false;
  ExceptionResolved fact;
  fact.exception = exception;
  fact.exception.sent_at = {};  // stand in the journal with the callback alone
  fact.exception.evidence_scheme = {};
  fact.exception.action = action;
  fact.exception.resolved_at = now();
  fact.exception.note = note;
  auto& open = totals_.open_exceptions[static_cast<std::size_t>(exception.kind)];
  RECHARGE_CHECK(open > 0);
  fact.open_after = --open;
  facts_.emplace_back(fact);
  return true;
}

}  // namespace recharge
