// Purpose: shards as values in memory: loaded from books, brought to the journal's end, dealt out to threads.
// What a start, a simulated start and a replay share. Owner: the thread that starts the process. Lifetime:
// within the books, map and codec. Errors: StorageError names the books or the journal's file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/checkpoint.h"
#include "storage/recovery.h"
#include "storage/shard_group.h"

namespace recharge {

struct ShardBooks {
  Books& books;
  const ShardMap& map;
  const RecordCodec& codec;
  std::string name;  // in errors
};

// All shards in one group, with what they keep of the books in memory.
StorageResult<ShardGroup> load_shards(const ShardBooks& from);
// Writes what all shards changed as a checkpoint at this position, and drops it from memory.
StorageResult<void> write_changed(ShardGroup& all, const ShardBooks& to, const CheckpointPace& pace,
                                  const BooksPosition& position);

struct RecoveredShards {
  ShardGroup::Shards shards;
  JournalPosition end;
  std::uint64_t expiry_watermark_ms = 0;
  RecoveryReport report;
};
StorageResult<RecoveredShards> recover_shards(FileSystem& files, const JournalOptions& journal,
                                              const ShardBooks& books, std::size_t changed_limit_bytes,
                                              const CheckpointPace& pace);

// A group for each thread; shard i is of thread i modulo their number. REQUIRES: threads > 0.
std::vector<std::unique_ptr<ShardGroup>> deal_out(const ShardBooks& books, RecoveredShards recovered,
                                                  unsigned threads, const MemoryLimits& limits);

}  // namespace recharge
