// Purpose: writes frozen change sets into the books, in key order, in transactions of bounded size, and moves
// the books' position in the last one. Cut short anywhere, it leaves books that the journal completes. Owner:
// the checkpoint thread. Lifetime: a call. Errors: those of the books; nothing is lost, since the sets stay
// frozen until a later attempt succeeds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/books.h"
#include "storage/change_set.h"
#include "storage/stored_record.h"

namespace recharge {

struct FrozenShard {
  std::uint8_t shard = 0;
  std::shared_ptr<const ChangeSet> changes;
};

struct CheckpointInput {
  std::vector<FrozenShard> shards;
  // The journal was durable up to here before the first shard was frozen: the lowest point that the sets
  // stand for.
  BooksPosition position;
  Time now;
  std::int64_t idempotency_retention_ms = 0;
};

struct CheckpointPace {
  std::size_t records_per_transaction = 4000;
  std::function<void()> between_transactions;  // rests, so that flushes of the journal come through
};

struct CheckpointResult {
  std::size_t records = 0;
  std::size_t transactions = 0;
};

class CheckpointWriter {
 public:
  CheckpointWriter(Books& books, const RecordCodec& codec, CheckpointPace pace)
      : books_(books), codec_(codec), pace_(std::move(pace)) {}

  Result<CheckpointResult> write(const CheckpointInput& input);

 private:
  template <class Record, class Records>
  Result<void> write_sorted(const Records& records);
  Result<void> write_shards(const CheckpointInput& input);
  Result<void> forget_idempotency_keys(const CheckpointInput& input);
  Result<void> put(Table table);  // row_
  Result<void> erase(Table table);
  Result<void> make_room();
  Result<void> open_transaction();

  Books& books_;
  const RecordCodec& codec_;
  const CheckpointPace pace_;
  std::unique_ptr<BooksTransaction> transaction_;
  std::size_t in_transaction_ = 0;
  CheckpointResult result_;
  StoredRow row_;
  StoredKey idempotency_cursor_;  // where the search for old keys goes on at the next checkpoint
};

}  // namespace recharge
