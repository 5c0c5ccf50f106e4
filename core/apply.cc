#include "core/check.h"
#include "core/transition.h"

namespace recharge {
namespace {

std::size_t index(OrderStatus status) noexcept { return static_cast<std::size_t>(status); }
std::size_t index(ExceptionKind kind) noexcept { return static_cast<std::size_t>(kind); }

struct Applier {
  RecordSink& sink;

  void operator()(const OrderPlaced& fact) noexcept {
    const Order& order = fact.order;
    RECHARGE_CHECK(order.status == OrderStatus::pending && order.amount.is_positive());
    sink.put(order);
    auto& account = sink.change_account(order.account);
    account.newest_order = order.id;
    account.currency = order.currency;
    account.merchant = order.merchant;
    if (!fact.idempotency.key.is_nil()) sink.put(fact.idempotency);
    sink.change_totals().orders[index(OrderStatus::pending)] = fact.pending_after;
  }

  void operator()(const OrderChanged& fact) noexcept {
    apply_to_order(fact, sink.change_order(fact.order_id));
    if (fact.from != fact.status) {
      auto& totals = sink.change_totals();
      totals.orders[index(fact.from)] = fact.from_count_after;
      totals.orders[index(fact.status)] = fact.status_count_after;
    }
  }

  void operator()(const TransferPosted& fact) noexcept {
    const Transfer& transfer = fact.transfer;
    RECHARGE_CHECK(transfer.amount.is_positive() && !(transfer.debit == transfer.credit));
    sink.put(transfer);
    set_balance(transfer.debit, transfer.debit_balance_after, transfer);
    set_balance(transfer.credit, transfer.credit_balance_after, transfer);
    auto& totals = sink.change_totals();
    totals.transfers = sequence_of(transfer.id);
    totals.users = fact.users_after;
  }

  void operator()(const ExceptionOpened& fact) noexcept {
    RECHARGE_CHECK(fact.exception.is_open());
    sink.put(fact.exception);
    sink.change_totals().open_exceptions[index(fact.exception.kind)] = fact.open_after;
  }

  void operator()(const ExceptionResolved& fact) noexcept {
    auto& exception = sink.change_exception(fact.exception.id);
    exception.action = fact.exception.action;
    exception.resolved_at = fact.exception.resolved_at;
    exception.note = fact.exception.note;
    sink.change_totals().open_exceptions[index(fact.exception.kind)] = fact.open_after;
  }

  void operator()(const RefundRecorded& fact) noexcept { sink.put(fact.refund); }
  void operator()(const DebitRecorded& fact) noexcept { sink.put(fact.debit); }
  void operator()(const GatewayWorkChanged& fact) noexcept { sink.put(fact.work); }
  void operator()(const AttemptRecorded& fact) noexcept { sink.put(fact.attempt); }
  void operator()(const NotifyAddressKept& fact) noexcept { sink.put(fact.address); }

 private:
  void set_balance(const LedgerAccount& account, Money balance, const Transfer& transfer) noexcept {
    if (account.kind != LedgerAccountKind::user) {
      sink.change_house_balance(account.kind, account.gateway) = balance;
      return;
    }
    RECHARGE_CHECK(!balance.is_negative() && balance <= kMaxBalance);
    auto& user = sink.change_account(account.user);
    user.balance = balance;
    user.newest_entry = transfer.id;
  }

  static std::uint64_t sequence_of(const EntryId& id) noexcept {
    std::uint64_t sequence = 0;
    for (std::size_t i = 7; i < id.bytes.size(); ++i) sequence = sequence << 8 | id.bytes[i];
    return sequence;
  }
};

}  // namespace

void apply_to_order(const OrderChanged& fact, Order& order) noexcept {
  order.status = fact.status;
  order.fulfilment = fact.fulfilment;
  if (fact.fields & kGatewayField) order.gateway = fact.gateway;
  if (fact.fields & kTransactionField) order.transaction_id = fact.transaction_id;
  if (fact.fields & kPaidAtField) order.paid_at = fact.paid_at;
  if (fact.fields & kRechargedAtField) order.recharged_at = fact.recharged_at;
  if (fact.fields & kEndedAtField) {
    order.ended_at = fact.ended_at;
    order.ended_as = fact.status;
  }
  if (fact.fields & kExceptionsField) order.exceptions = fact.exceptions;
  if (fact.fields & kRefundFields) {
    order.refunded = fact.refunded;
    order.refund_reserved = fact.refund_reserved;
    RECHARGE_CHECK(order.refunded <= order.amount && !order.refund_reserved.is_negative());
  }
  if (fact.fields & kEvidenceFields) {
    order.evidence = fact.evidence;
    order.evidence_key = fact.evidence_key;
    order.evidence_at = fact.evidence_at;
    order.evidence_scheme = fact.evidence_scheme;
  }
}

void apply(const Fact& fact, RecordSink& sink) noexcept {
  Applier applier{sink};
  std::visit(applier, fact);
}

}  // namespace recharge
