// Purpose: all records of one shard in ordered maps: the simplest source and sink that the rules can run on.
// A copy of it is a snapshot. Owner: one thread. Lifetime: pointers that it returns stay valid until the
// record is erased, which only work at gateways is. For tests and the simulation.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "core/check.h"
#include "core/records.h"
#include "tests/core/same.h"

namespace recharge::testing {

class MapRecords final : public RecordSource, public RecordSink {
 public:
  std::map<OrderId, Order> orders;
  std::map<Account, UserAccount> accounts;
  std::map<std::pair<OrderId, RefundId>, Refund> refunds;
  std::map<std::pair<Account, DebitId>, Debit> debits;
  std::map<EntryId, Transfer> transfers;
  std::map<IdempotencyKey, IdempotencyRecord> idempotency_records;
  std::map<ExceptionId, PaymentException> exceptions;
  std::map<ExceptionKey, ExceptionId> exception_keys;
  std::map<GatewayWorkKey, GatewayWork> gateway_works;
  std::map<std::pair<OrderId, std::uint16_t>, RechargeAttempt> attempts;
  std::map<OrderId, NotifyAddress> notify_urls;
  std::map<std::pair<LedgerAccountKind, GatewayName>, Money> house;
  ShardTotals shard_totals;

  Result<const Order*> order(const OrderId& id) override { return find(orders, id); }
  Result<const UserAccount*> account(const Account& account) override { return find(accounts, account); }
  Result<const Refund*> refund(const OrderId& order_id, const RefundId& refund_id) override {
    return find(refunds, {order_id, refund_id});
  }
  Result<const Debit*> debit(const Account& account, const DebitId& debit_id) override {
    return find(debits, {account, debit_id});
  }
  Result<const Transfer*> transfer(const EntryId& id) override { return find(transfers, id); }
  Result<const IdempotencyRecord*> idempotency(const IdempotencyKey& key) override {
    return find(idempotency_records, key);
  }
  Result<const PaymentException*> exception(const ExceptionId& id) override { return find(exceptions, id); }
  Result<const PaymentException*> exception(const ExceptionKey& key) override {
    const auto found = exception_keys.find(key);
    if (found == exception_keys.end()) return static_cast<const PaymentException*>(nullptr);
    return find(exceptions, found->second);
  }
  Result<const GatewayWork*> gateway_work(const GatewayWorkKey& key) override {
    return find(gateway_works, key);
  }
  Result<const RechargeAttempt*> attempt(const OrderId& order_id, std::uint16_t number) override {
    return find(attempts, {order_id, number});
  }
  const ShardTotals& totals() override { return shard_totals; }
  Money house_balance(LedgerAccountKind kind, const GatewayName& gateway) override {
    const auto found = house.find({kind, gateway});
    return found == house.end() ? Money{} : found->second;
  }

  Order& change_order(const OrderId& id) noexcept override { return existing(orders, id); }
  UserAccount& change_account(const Account& account) noexcept override {
    auto& record = accounts[account];
    record.account = account;
    return record;
  }
  PaymentException& change_exception(const ExceptionId& id) noexcept override {
    return existing(exceptions, id);
  }
  Money& change_house_balance(LedgerAccountKind kind, const GatewayName& gateway) noexcept override {
    return house[{kind, gateway}];
  }
  ShardTotals& change_totals() noexcept override { return shard_totals; }
  void put(const Order& order) noexcept override { orders[order.id] = order; }
  void put(const Transfer& transfer) noexcept override { transfers[transfer.id] = transfer; }
  void put(const PaymentException& exception) noexcept override {
    exceptions[exception.id] = exception;
    exception_keys[exception_key(exception)] = exception.id;
  }
  void put(const Refund& refund) noexcept override { refunds[{refund.order_id, refund.refund_id}] = refund; }
  void put(const Debit& debit) noexcept override { debits[{debit.account, debit.debit_id}] = debit; }
  void put(const IdempotencyRecord& record) noexcept override { idempotency_records[record.key] = record; }
  void put(const GatewayWork& work) noexcept override {
    if (work.ended) {
      gateway_works.erase(work.key);
    } else {
      gateway_works[work.key] = work;
    }
  }
  void put(const RechargeAttempt& attempt) noexcept override {
    attempts[{attempt.order_id, attempt.number}] = attempt;
  }
  void put(const NotifyAddress& address) noexcept override { notify_urls[address.order_id] = address; }

 private:
  template <class Map>
  static Result<const typename Map::mapped_type*> find(const Map& map, const typename Map::key_type& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  }
  template <class Map>
  static typename Map::mapped_type& existing(Map& map, const typename Map::key_type& key) noexcept {
    const auto found = map.find(key);
    RECHARGE_CHECK(found != map.end());
    return found->second;
  }
};

inline bool same(const MapRecords& a, const MapRecords& b) {
  return same(a.orders, b.orders) && same(a.accounts, b.accounts) && same(a.refunds, b.refunds) &&
         same(a.debits, b.debits) && same(a.transfers, b.transfers) &&
         same(a.idempotency_records, b.idempotency_records) && same(a.exceptions, b.exceptions) &&
         same(a.exception_keys, b.exception_keys) && same(a.gateway_works, b.gateway_works) &&
         same(a.attempts, b.attempts) && same(a.notify_urls, b.notify_urls) && same(a.house, b.house) &&
         same(a.shard_totals, b.shard_totals);
}

// One record a line, for messages.
inline std::string shown(const MapRecords& records) {
  std::ostringstream out;
  const auto lines = [&out](const char* name, const auto& map) {
    for (const auto& [key, value] : map) {
      out << name << ' ';
      show(out, value);
      out << '\n';
    }
  };
  lines("order", records.orders);
  lines("account", records.accounts);
  lines("refund", records.refunds);
  lines("debit", records.debits);
  lines("transfer", records.transfers);
  lines("exception", records.exceptions);
  for (const auto& [key, balance] : records.house) {
    out << "house " << to_text(key.first) << '/' << key.second.view() << ' ' << to_text(balance) << '\n';
  }
  out << "totals " << shown(records.shard_totals) << '\n';
  return out.str();
}

}  // namespace recharge::testing
