// Purpose: brings the shards to the state of the journal's end: the books as of their position, and the facts
// behind it. No rules are run. Owner: the thread that starts the process. Lifetime: a call. Errors:
// StorageError with file and offset; any is a reason not to start.
#pragma once

#include <cstdint>
#include <functional>

#include "core/journal_record.h"
#include "storage/books.h"
#include "storage/file.h"
#include "storage/journal_reader.h"
#include "storage/shard_group.h"

namespace recharge {

struct RecoveryReport {
  std::uint64_t groups = 0;
  std::uint64_t records = 0;
  std::uint64_t checkpoints = 0;
  bool torn_tail = false;
  Time last;  // of the newest record; the shards' time must not go behind it
};

// Called when the changed records exceed their limit: writes a checkpoint at this position.
using RecoveryCheckpoint = std::function<StorageResult<void>(const JournalPosition& position)>;

// Applies every record behind `position` to the shards, makes the journal's tail certain, and returns where
// the next group begins.
StorageResult<JournalPosition> recover(FileSystem& files, const JournalOptions& options,
                                       const JournalPosition& position, ShardGroup& shards,
                                       std::size_t changed_limit_bytes, const RecoveryCheckpoint& checkpoint,
                                       RecoveryReport& report);

// Applies the facts of one record to its shard. Errc::damaged where they do not fit the records.
Result<void> apply_record(const JournalRecord& record, ShardGroup& shards);

}  // namespace recharge
