// Purpose: the records of one shard that changed since a checkpoint. The newer of two sets is written by the
// shard; the older is frozen: immutable, on its way to the books. Owner: the shard's thread; a frozen set is
// read by the checkpoint thread too, and changed by nobody. Lifetime: records stay where they are until the
// set goes as a whole. Units: journal numbers are those of the shard's thread; a record waits for the number
// of its last change.
#pragma once

#include <boost/container/deque.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
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
#include "storage/block_pool.h"

namespace recharge {

template <class Record>
struct Changed {
  Record record;
  std::uint64_t number = 0;
};

// Of ids by what differs: random bytes, or the shard's sequence; of texts by their characters. Accounts are
// not chosen to collide within a shard, whose choice is keyed. 32 bits, for an index keeps them.
std::uint32_t record_hash(const OrderId& id) noexcept;
std::uint32_t record_hash(const EntryId& id) noexcept;
std::uint32_t record_hash(const Account& account) noexcept;

inline const OrderId& key_of(const Order& order) noexcept { return order.id; }
inline const EntryId& key_of(const Transfer& transfer) noexcept { return transfer.id; }
inline const Account& key_of(const UserAccount& account) noexcept { return account.account; }

// Many records, found by their key, at fixed places. The index has 8 bytes for each, so that it grows without
// a look at the records.
template <class Key, class Record>
class ChangedTable {
 public:
  using Entry = Changed<Record>;

  ChangedTable() : index_(0, HashOf{}, IsSame{&entries_}) {}
  ChangedTable(const ChangedTable&) = delete;  // the index knows where the entries are
  ChangedTable& operator=(const ChangedTable&) = delete;

  Entry* find(const Key& key) noexcept {
    const auto found = index_.find(Wanted{record_hash(key), &key});
    return found == index_.end() ? nullptr : &entries_[found->place];
  }
  const Entry* find(const Key& key) const noexcept {
    const auto found = index_.find(Wanted{record_hash(key), &key});
    return found == index_.end() ? nullptr : &entries_[found->place];
  }
  // REQUIRES: find(key_of(record)) is null.
  Entry& insert(const Record& record) {
    index_.insert(Place{record_hash(key_of(record)), static_cast<std::uint32_t>(entries_.size())});
    return entries_.emplace_back(Entry{record, 0});
  }
  std::size_t size() const noexcept { return entries_.size(); }
  std::size_t bytes() const noexcept { return entries_.size() * (sizeof(Entry) + 2 * sizeof(Place)); }
  const auto& entries() const noexcept { return entries_; }

 private:
  using Blocks = boost::container::deque_options<boost::container::block_bytes<BlockPool::kBlockBytes>>::type;
  using Entries = boost::container::deque<Entry, BlockAllocator<Entry>, Blocks>;
  struct Place {
    std::uint32_t hash;
    std::uint32_t place;
  };
  struct Wanted {
    std::uint32_t hash;
    const Key* key;
  };
  struct HashOf {
    using is_transparent = void;
    using is_avalanching = void;
    std::size_t operator()(const auto& item) const noexcept { return item.hash * 0x9E3779B97F4A7C15; }
  };
  struct IsSame {
    using is_transparent = void;
    const Entries* entries;
    bool operator()(const Place& a, const Place& b) const noexcept { return a.place == b.place; }
    bool operator()(const Wanted& wanted, const Place& at) const noexcept {
      return wanted.hash == at.hash && key_of((*entries)[at.place].record) == *wanted.key;
    }
    bool operator()(const Place& at, const Wanted& wanted) const noexcept { return (*this)(wanted, at); }
  };

  Entries entries_;
  boost::unordered_flat_set<Place, HashOf, IsSame> index_;
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
