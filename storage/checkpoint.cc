#include "storage/checkpoint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace recharge {
namespace {

constexpr std::size_t kIdempotencyKeysExamined = 2000;  // at each checkpoint

#define RECHARGE_TRY(expression)                                 \
  do {                                                           \
    if (auto tried = (expression); !tried) return tried.error(); \
  } while (false)

// The first 16 bytes of a key, as a number: most keys differ in them, so that sorting seldom looks at a
// record.
struct KeyStart {
  std::uint64_t first = 0, second = 0;
  friend auto operator<=>(const KeyStart&, const KeyStart&) noexcept = default;
};

KeyStart start_of(const void* key, std::size_t size) noexcept {
  std::array<std::uint64_t, 2> words{};  // shorter ones end in zeros, as their order wants
  std::memcpy(words.data(), key, std::min(size, sizeof words));
  static_assert(std::endian::native == std::endian::little);
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}
KeyStart start_of(const OrderId& id) noexcept { return start_of(id.bytes.data(), id.bytes.size()); }
KeyStart start_of(const EntryId& id) noexcept { return start_of(id.bytes.data(), id.bytes.size()); }
KeyStart start_of(const Account& account) noexcept { return start_of(account.view().data(), account.size()); }

template <class Record>
struct Sorted {
  KeyStart start;
  const Record* record;

  friend bool operator<(const Sorted& a, const Sorted& b) noexcept {
    if (a.start != b.start) return a.start < b.start;
    return key_of(*a.record) < key_of(*b.record);
  }
};

// The records of all shards, in the order of their keys.
template <class Record, class Table>
std::vector<Sorted<Record>> sorted(const CheckpointInput& input, Table ChangeSet::*table) {
  std::vector<Sorted<Record>> records;
  std::size_t count = 0;
  for (const auto& frozen : input.shards) count += (frozen.changes.get()->*table).size();
  records.reserve(count);
  for (const auto& frozen : input.shards) {
    for (const auto& entry : (frozen.changes.get()->*table).entries())
      records.push_back({start_of(key_of(entry.record)), &entry.record});
  }
  std::sort(records.begin(), records.end());
  return records;
}

}  // namespace

Result<CheckpointResult> CheckpointWriter::write(const CheckpointInput& input) {
  result_ = {};
  in_transaction_ = 0;
  transaction_.reset();
  auto done = [&]() -> Result<void> {
    RECHARGE_TRY(forget_idempotency_keys(input));  // before the puts: a key may have been used anew
    RECHARGE_TRY(write_sorted<Order>(sorted<Order>(input, &ChangeSet::orders)));
    RECHARGE_TRY(write_sorted<Transfer>(sorted<Transfer>(input, &ChangeSet::transfers)));
    RECHARGE_TRY(write_sorted<UserAccount>(sorted<UserAccount>(input, &ChangeSet::accounts)));
    RECHARGE_TRY(write_shards(input));
    RECHARGE_TRY(open_transaction());
    RECHARGE_TRY(transaction_->set_position(input.position));
    ++result_.transactions;
    return transaction_->commit();
  }();
  transaction_.reset();
  if (!done) return done.error();
  return result_;
}

Result<void> CheckpointWriter::open_transaction() {
  if (transaction_) return {};
  auto begun = books_.begin();
  if (!begun) return begun.error();
  transaction_ = std::move(*begun);
  return {};
}

Result<void> CheckpointWriter::put(Table table) {
  RECHARGE_TRY(make_room());
  return transaction_->put(table, row_.key, row_.value);
}

Result<void> CheckpointWriter::erase(Table table) {
  RECHARGE_TRY(make_room());
  return transaction_->erase(table, row_.key);
}

// For one more change, in this transaction or the next.
Result<void> CheckpointWriter::make_room() {
  if (in_transaction_ >= pace_.records_per_transaction) {
    RECHARGE_TRY(transaction_->commit());
    transaction_.reset();
    ++result_.transactions;
    in_transaction_ = 0;
    if (pace_.between_transactions) pace_.between_transactions();
  }
  RECHARGE_TRY(open_transaction());
  ++in_transaction_;
  ++result_.records;
  return {};
}

template <class Record, class Records>
Result<void> CheckpointWriter::write_sorted(const Records& records) {
  constexpr auto table = std::is_same_v<Record, Order>      ? Table::orders
                         : std::is_same_v<Record, Transfer> ? Table::transfers
                                                            : Table::accounts;
  for (const auto& sorted : records) {
    codec_.encode(*sorted.record, row_);
    RECHARGE_TRY(put(table));
  }
  return {};
}

// The rare records, and what is always written: the totals and the house accounts.
Result<void> CheckpointWriter::write_shards(const CheckpointInput& input) {
  for (const auto& [shard, changes] : input.shards) {
    for (const auto& [key, entry] : changes->refunds) {
      codec_.encode(entry.record, row_);
      RECHARGE_TRY(put(Table::refunds));
    }
    for (const auto& [key, entry] : changes->debits) {
      codec_.encode(entry.record, row_);
      RECHARGE_TRY(put(Table::debits));
    }
    for (const auto& [id, entry] : changes->exceptions) {
      codec_.encode(shard, entry.record, row_);
      RECHARGE_TRY(put(Table::exceptions));
    }
    for (const auto& [key, id] : changes->exception_keys) {
      codec_.encode(shard, ExceptionKeyRow{key, id}, row_);
      RECHARGE_TRY(put(Table::exception_keys));
    }
    for (const auto& [key, entry] : changes->idempotency) {
      codec_.encode(entry.record, row_);
      RECHARGE_TRY(put(Table::idempotency));
    }
    for (const auto& [key, entry] : changes->gateway_work) {
      codec_.encode(shard, entry.record, row_);
      RECHARGE_TRY(entry.record.ended ? erase(Table::gateway_work) : put(Table::gateway_work));
    }
    for (const auto& [key, entry] : changes->attempts) {
      codec_.encode(entry.record, row_);
      RECHARGE_TRY(put(Table::attempts));
    }
    for (const auto& [key, entry] : changes->notify_urls) {
      codec_.encode(entry.record, row_);
      RECHARGE_TRY(put(Table::notify_urls));
    }
    for (const auto& account : changes->house) {
      codec_.encode(HouseAccountRow{shard, account}, row_);
      RECHARGE_TRY(put(Table::house));
    }
    codec_.encode(ShardTotalsRow{shard, changes->totals}, row_);
    RECHARGE_TRY(put(Table::totals));
  }
  return {};
}

// A bounded walk: decisions treat a key as forgotten by its age, so when its row goes does not matter.
Result<void> CheckpointWriter::forget_idempotency_keys(const CheckpointInput& input) {
  if (input.idempotency_retention_ms == 0) return {};
  auto snapshot = books_.snapshot();
  std::vector<StoredKey> old;
  for (std::size_t examined = 0;; ++examined) {
    auto row = snapshot->first_from(Table::idempotency, idempotency_cursor_);
    if (!row) return row.error();
    if (!row->has_value()) {
      idempotency_cursor_.clear();
      break;
    }
    idempotency_cursor_.assign((*row)->key.begin(), (*row)->key.end());
    if (examined == kIdempotencyKeysExamined) break;
    IdempotencyRecord record;
    RECHARGE_TRY(codec_.decode((*row)->key, (*row)->value, record));
    if (input.now.ms - record.created_at.ms > input.idempotency_retention_ms)
      old.push_back(idempotency_cursor_);
    idempotency_cursor_.push_back(std::byte{0});
  }
  snapshot.reset();
  if (old.empty()) return {};
  RECHARGE_TRY(open_transaction());
  for (const auto& key : old) RECHARGE_TRY(transaction_->erase(Table::idempotency, key));
  return {};
}

#undef RECHARGE_TRY

}  // namespace recharge
