// Purpose: the records of one shard that changed since a checkpoint. The newer of two sets is written by the
// shard; the older is frozen: immutable, on its way to the books. Owner: the shard's thread; a frozen set is
// read by the checkpoint thread too, and changed by nobody. Lifetime: records stay where they are until the
// set goes as a whole. Units: journal numbers are those of the shard's thread; a record waits for the number
// of its last change.
#pragma once

#include <boost/container/deque.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <vector>

#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

template <class Record>
struct Changed {
  Record record;
  std::uint64_t number = 0;
};

// Hashes ids by their random bytes and texts by their characters.
struct RecordHash {
  using is_avalanching = void;
  std::size_t operator()(const OrderId& id) const noexcept { return bytes(id.bytes.data(), id.bytes.size()); }
  std::size_t operator()(const EntryId& id) const noexcept { return bytes(id.bytes.data(), id.bytes.size()); }
  std::size_t operator()(const Account& account) const noexcept {
    return bytes(account.view().data(), account.size());
  }

 private:
  static std::size_t bytes(const void* data, std::size_t size) noexcept;
};

// Many records, found by key, at fixed places.
template <class Key, class Record>
class ChangedTable {
 public:
  using Entry = Changed<Record>;

  Entry* find(const Key& key) noexcept {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries_[found->second];
  }
  const Entry* find(const Key& key) const noexcept {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries_[found->second];
  }
  // REQUIRES: find(key) is null.
  Entry& insert(const Key& key, const Record& record) {
    index_.emplace(key, static_cast<std::uint32_t>(entries_.size()));
    return entries_.emplace_back(Entry{record, 0});
  }
  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return entries_.size() * (sizeof(Entry) + 2 * sizeof(Key) + 8); }
  const auto& entries() const noexcept { return entries_; }

 private:
  using Blocks = boost::container::deque_options<boost::container::block_size<64>>::type;
  boost::unordered_flat_map<Key, std::uint32_t, RecordHash> index_;
  boost::container::deque<Entry, void, Blocks> entries_;
};

struct RefundKey {
  OrderId order_id;
  RefundId refund_id;
  friend auto operator<=>(const RefundKey&, const RefundKey&) noexcept = default;
};
struct AttemptKey {
  OrderId order_id;
  std::uint16_t number = 0;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) noexcept = default;
};
struct DebitKey {
  Account account;
  DebitId debit_id;
  friend auto operator<=>(const DebitKey&, const DebitKey&) noexcept = default;
};

struct ChangeSet {
  ChangedTable<OrderId, Order> orders;
  ChangedTable<Account, UserAccount> accounts;
  ChangedTable<EntryId, Transfer> transfers;
  // Rare, and read in ranges.
  std::map<RefundKey, Changed<Refund>> refunds;
  std::map<DebitKey, Changed<Debit>> debits;
  std::map<ExceptionId, Changed<PaymentException>> exceptions;
  std::map<ExceptionKey, ExceptionId> exception_keys;
  std::map<IdempotencyKey, Changed<IdempotencyRecord>> idempotency;
  std::map<GatewayWorkKey, Changed<GatewayWork>> gateway_work;  // ended: its row goes
  std::map<AttemptKey, Changed<RechargeAttempt>> attempts;
  std::map<OrderId, Changed<NotifyAddress>> notify_urls;

  // As of the freezing. Always written whole: they are few.
  ShardTotals totals;
  std::vector<HouseAccount> house;
  std::uint64_t last_number = 0;  // the greatest of the set; the journal must be durable up to it first

  std::size_t records() const noexcept {
    return orders.size() + accounts.size() + transfers.size() + refunds.size() + debits.size() +
           exceptions.size() + idempotency.size() + gateway_work.size() + attempts.size() +
           notify_urls.size();
  }
  std::size_t bytes() const noexcept {
    constexpr std::size_t node = 64;  // of a map, roughly
    return orders.bytes() + accounts.bytes() + transfers.bytes() +
           refunds.size() * (sizeof(Refund) * 2 + node) + debits.size() * (sizeof(Debit) * 2 + node) +
           exceptions.size() * (sizeof(PaymentException) * 2 + node) +
           idempotency.size() * (sizeof(IdempotencyRecord) * 2 + node) +
           gateway_work.size() * (sizeof(GatewayWork) * 2 + node) +
           attempts.size() * (sizeof(RechargeAttempt) * 2 + node) +
           notify_urls.size() * (sizeof(NotifyAddress) * 2 + node);
  }
};

}  // namespace recharge
