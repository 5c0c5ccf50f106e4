#include "storage/shard_records.h"

#include <cstring>

#include "core/check.h"

namespace recharge {

namespace {

// The upper half of a product of all its bits.
std::uint32_t mixed(const std::uint8_t* eight_bytes) noexcept {
  std::uint64_t bits = 0;
  std::memcpy(&bits, eight_bytes, sizeof bits);
  bits ^= bits >> 29;  // a sequence ends in the uppermost
  return static_cast<std::uint32_t>((bits * 0x9E3779B97F4A7C15) >> 32);
}

}  // namespace

std::uint32_t record_hash(const OrderId& id) noexcept { return mixed(id.bytes.data() + 8); }
std::uint32_t record_hash(const EntryId& id) noexcept { return mixed(id.bytes.data() + 4); }
std::uint32_t record_hash(const Account& account) noexcept {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(account.view()));
}

Result<void> ShardRecords::load_resident() {
  auto row = books_->get(Table::totals, totals_key(shard_));
  if (!row) return row.error();
  if (row->has_value()) {
    ShardTotalsRow stored;
    if (auto done = codec_.decode(totals_key(shard_), **row, stored); !done) return done.error();
    totals_ = stored.totals;
  }
  StoredKey from;
  from.push_back(std::byte{shard_});
  for (;;) {
    auto next = books_->first_from(Table::house, from);
    if (!next) return next.error();
    if (!next->has_value() || (*next)->key[0] != std::byte{shard_}) return {};
    HouseAccountRow stored;
    if (auto done = codec_.decode((*next)->key, (*next)->value, stored); !done) return done.error();
    house_.push_back(stored.account);
    from.assign((*next)->key.begin(), (*next)->key.end());
    from.push_back(std::byte{0});
  }
}

template <class Key, class Record>
Result<const Record*> ShardRecords::fetch(Table table, const StoredKey& row_key, const Key& key,
                                          Fetched<Key, Record>& fetched) {
  fetched.known = false;
  auto value = books_->get(table, row_key);
  if (!value) return value.error();
  fetched.key = key;
  fetched.present = value->has_value();
  if (fetched.present) {
    fetched.record = Record{};
    if (auto done = codec_.decode(row_key, **value, fetched.record); !done) return done.error();
  }
  fetched.known = true;
  return fetched.present ? &fetched.record : nullptr;
}

Result<const Order*> ShardRecords::order(const OrderId& id) {
  if (const auto* entry = changed_->orders.find(id)) return read(*entry);
  if (frozen_) {
    if (const auto* entry = frozen_->orders.find(id)) return read(*entry);
  }
  return fetch(Table::orders, order_key(id), id, fetched_order_);
}

Result<const UserAccount*> ShardRecords::account(const Account& account) {
  if (const auto* entry = changed_->accounts.find(account)) return read(*entry);
  if (frozen_) {
    if (const auto* entry = frozen_->accounts.find(account)) return read(*entry);
  }
  return fetch(Table::accounts, account_key(account), account, fetched_account_);
}

Result<const Transfer*> ShardRecords::transfer(const EntryId& id) {
  if (const auto* entry = changed_->transfers.find(id)) return read(*entry);
  if (frozen_) {
    if (const auto* entry = frozen_->transfers.find(id)) return read(*entry);
  }
  return fetch(Table::transfers, transfer_key(id), id, fetched_transfer_);
}

Result<const Refund*> ShardRecords::refund(const OrderId& order_id, const RefundId& refund_id) {
  const RefundKey key{order_id, refund_id};
  if (const auto found = changed_->refunds.find(key); found != changed_->refunds.end())
    return read(found->second);
  if (frozen_) {
    if (const auto found = frozen_->refunds.find(key); found != frozen_->refunds.end())
      return read(found->second);
  }
  return fetch(Table::refunds, refund_key(order_id, refund_id), key, fetched_refund_);
}

Result<const Debit*> ShardRecords::debit(const Account& account, const DebitId& debit_id) {
  const DebitKey key{account, debit_id};
  if (const auto found = changed_->debits.find(key); found != changed_->debits.end())
    return read(found->second);
  if (frozen_) {
    if (const auto found = frozen_->debits.find(key); found != frozen_->debits.end())
      return read(found->second);
  }
  return fetch(Table::debits, debit_key(account, debit_id), key, fetched_debit_);
}

Result<const IdempotencyRecord*> ShardRecords::idempotency(const IdempotencyKey& key) {
  if (const auto found = changed_->idempotency.find(key); found != changed_->idempotency.end()) {
    return read(found->second);
  }
  if (frozen_) {
    if (const auto found = frozen_->idempotency.find(key); found != frozen_->idempotency.end()) {
      return read(found->second);
    }
  }
  return fetch(Table::idempotency, idempotency_key(key), key, fetched_idempotency_);
}

Result<const GatewayWork*> ShardRecords::gateway_work(const GatewayWorkKey& key) {
  for (const auto* set : {static_cast<const ChangeSet*>(changed_.get()), frozen_.get()}) {
    if (set == nullptr) continue;
    const auto found = set->gateway_work.find(key);
    if (found == set->gateway_work.end()) continue;
    const GatewayWork* work = read(found->second);
    return work->ended ? nullptr : work;
  }
  auto& fetched = fetched_gateway_work_[next_gateway_work_++ % fetched_gateway_work_.size()];
  return fetch(Table::gateway_work, gateway_work_key(shard_, key), key, fetched);
}

Result<const RechargeAttempt*> ShardRecords::attempt(const OrderId& order_id, std::uint16_t number) {
  const AttemptKey key{order_id, number};
  for (const auto* set : {static_cast<const ChangeSet*>(changed_.get()), frozen_.get()}) {
    if (set == nullptr) continue;
    if (const auto found = set->attempts.find(key); found != set->attempts.end()) return read(found->second);
  }
  return fetch(Table::attempts, attempt_key(order_id, number), key, fetched_attempt_);
}

Result<const PaymentException*> ShardRecords::exception(const ExceptionId& id) {
  if (const auto found = changed_->exceptions.find(id); found != changed_->exceptions.end())
    return read(found->second);
  if (frozen_) {
    if (const auto found = frozen_->exceptions.find(id); found != frozen_->exceptions.end())
      return read(found->second);
  }
  auto& fetched = fetched_exceptions_[next_exception_++ % fetched_exceptions_.size()];
  return fetch(Table::exceptions, exception_row_key(shard_, id), id, fetched);
}

Result<const PaymentException*> ShardRecords::exception(const ExceptionKey& key) {
  if (const auto found = changed_->exception_keys.find(key); found != changed_->exception_keys.end()) {
    return exception(found->second);
  }
  if (frozen_) {
    if (const auto found = frozen_->exception_keys.find(key); found != frozen_->exception_keys.end()) {
      return exception(found->second);
    }
  }
  const auto row_key = exception_key_key(shard_, key);
  auto value = books_->get(Table::exception_keys, row_key);
  if (!value) return value.error();
  if (!value->has_value()) return nullptr;
  ExceptionKeyRow row;
  if (auto done = codec_.decode(row_key, **value, row); !done) return done.error();
  return exception(row.exception_id);
}

Money ShardRecords::house_balance(LedgerAccountKind kind, const GatewayName& gateway) {
  for (const auto& account : house_) {
    if (account.kind == kind && account.gateway == gateway) return account.balance;
  }
  return {};
}

std::int64_t ShardRecords::ledger_sum() const noexcept {
  std::int64_t sum = totals_.users.minor_units();
  for (const auto& account : house_) sum += account.balance.minor_units();
  return sum;
}

Result<void> ShardRecords::prepare(const Fact& fact) {
  if (const auto* changed = std::get_if<OrderChanged>(&fact)) {
    auto found = order(changed->order_id);
    if (!found) return found.error();
    if (*found == nullptr) return Errc::damaged;
  } else if (const auto* placed = std::get_if<OrderPlaced>(&fact)) {
    if (auto found = account(placed->order.account); !found) return found.error();
  } else if (const auto* resolved = std::get_if<ExceptionResolved>(&fact)) {
    auto found = exception(resolved->exception.id);
    if (!found) return found.error();
    if (*found == nullptr) return Errc::damaged;
  } else if (const auto* posted = std::get_if<TransferPosted>(&fact)) {
    if (const auto* user = posted->transfer.user()) {
      if (auto found = account(*user); !found) return found.error();
    }
  }
  return {};
}

std::shared_ptr<const ChangeSet> ShardRecords::freeze() {
  RECHARGE_CHECK(frozen_ == nullptr);
  changed_->totals = totals_;
  changed_->house = house_;
  frozen_ = std::move(changed_);
  changed_ = std::make_unique<ChangeSet>();
  return frozen_;
}

Order& ShardRecords::change_order(const OrderId& id) noexcept {
  mark_changed();
  auto* entry = changed_->orders.find(id);
  if (entry == nullptr) {
    const Order* base = nullptr;
    if (frozen_) {
      if (const auto* frozen = frozen_->orders.find(id)) base = &frozen->record;
    }
    if (base == nullptr && !(fetched_order_.known && fetched_order_.present && fetched_order_.key == id)) {
      const auto found = order(id);
      RECHARGE_CHECK(found.has_value() && *found != nullptr);
    }
    entry = &changed_->orders.insert(base != nullptr ? *base : fetched_order_.record);
    fetched_order_.known = false;  // memory has a newer one from now on
  }
  entry->number = change_number_;
  return entry->record;
}

UserAccount& ShardRecords::change_account(const Account& name) noexcept {
  mark_changed();
  auto* entry = changed_->accounts.find(name);
  if (entry == nullptr) {
    const UserAccount* base = nullptr;
    if (frozen_) {
      if (const auto* frozen = frozen_->accounts.find(name)) base = &frozen->record;
    }
    if (base == nullptr && !(fetched_account_.known && fetched_account_.key == name)) {
      RECHARGE_CHECK(account(name).has_value());
    }
    UserAccount fresh;
    fresh.account = name;
    if (base == nullptr) base = fetched_account_.present ? &fetched_account_.record : &fresh;
    entry = &changed_->accounts.insert(*base);
    fetched_account_.known = false;
  }
  entry->number = change_number_;
  return entry->record;
}

PaymentException& ShardRecords::change_exception(const ExceptionId& id) noexcept {
  mark_changed();
  auto found = changed_->exceptions.find(id);
  if (found == changed_->exceptions.end()) {
    const auto base = exception(id);
    RECHARGE_CHECK(base.has_value() && *base != nullptr);
    found = changed_->exceptions.emplace(id, Changed<PaymentException>{**base, 0}).first;
    for (auto& fetched : fetched_exceptions_) fetched.known = false;
  }
  found->second.number = change_number_;
  return found->second.record;
}

Money& ShardRecords::change_house_balance(LedgerAccountKind kind, const GatewayName& gateway) noexcept {
  mark_changed();
  for (auto& account : house_) {
    if (account.kind == kind && account.gateway == gateway) return account.balance;
  }
  return house_.emplace_back(HouseAccount{kind, gateway, {}}).balance;
}

ShardTotals& ShardRecords::change_totals() noexcept {
  mark_changed();
  return totals_;
}

void ShardRecords::put(const Order& order) noexcept {
  mark_changed();
  if (auto* entry = changed_->orders.find(order.id)) {
    *entry = {order, change_number_};
  } else {
    changed_->orders.insert(order).number = change_number_;
  }
  if (fetched_order_.key == order.id) fetched_order_.known = false;
}

void ShardRecords::put(const Transfer& transfer) noexcept {
  mark_changed();
  if (auto* entry = changed_->transfers.find(transfer.id)) {
    *entry = {transfer, change_number_};
  } else {
    changed_->transfers.insert(transfer).number = change_number_;
  }
}

void ShardRecords::put(const PaymentException& exception) noexcept {
  mark_changed();
  changed_->exceptions.insert_or_assign(exception.id, Changed<PaymentException>{exception, change_number_});
  changed_->exception_keys.insert_or_assign(exception_key(exception), exception.id);
}

void ShardRecords::put(const Refund& refund) noexcept {
  mark_changed();
  changed_->refunds.insert_or_assign(RefundKey{refund.order_id, refund.refund_id},
                                     Changed<Refund>{refund, change_number_});
}

void ShardRecords::put(const Debit& debit) noexcept {
  mark_changed();
  changed_->debits.insert_or_assign(DebitKey{debit.account, debit.debit_id},
                                    Changed<Debit>{debit, change_number_});
}

void ShardRecords::put(const IdempotencyRecord& record) noexcept {
  mark_changed();
  changed_->idempotency.insert_or_assign(record.key, Changed<IdempotencyRecord>{record, change_number_});
}

void ShardRecords::put(const GatewayWork& work) noexcept {
  mark_changed();
  changed_->gateway_work.insert_or_assign(work.key, Changed<GatewayWork>{work, change_number_});
}

void ShardRecords::put(const RechargeAttempt& attempt) noexcept {
  mark_changed();
  changed_->attempts.insert_or_assign(AttemptKey{attempt.order_id, attempt.number},
                                      Changed<RechargeAttempt>{attempt, change_number_});
}

void ShardRecords::put(const NotifyAddress& address) noexcept {
  mark_changed();
  changed_->notify_urls.insert_or_assign(address.order_id, Changed<NotifyAddress>{address, change_number_});
}

}  // namespace recharge
