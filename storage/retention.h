// Purpose: keeps the journal short: carries the base forward over the oldest segments, seals it, and only
// then drops them. Never a segment that the books still need, and none while a backup copies them. Owner: one
// thread of low priority; run_once() by a test instead. Lifetime: stop() before the folder is closed. Errors:
// StorageError; nothing is dropped then, the server goes on, and it is tried again. Units: bytes,
// milliseconds (_ms). Source of the order of steps: storage/README.md.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/base.h"
#include "storage/journal_options.h"
#include "storage/retention_limits.h"
#include "storage/shard_map.h"

namespace recharge {

struct RetentionOptions {
  RetentionLimits limits;
  std::int64_t interval_ms = 5000;
  std::int64_t interval_after_error_ms = 600'000;
  // Each sealing reads the whole base: it waits until one part in so many of the base's size can be dropped.
  std::uint64_t base_share = 4;
  // Segment of the books' position as of a checkpoint that this process committed; 0: none yet.
  std::function<std::uint64_t()> checkpointed_segment;
  // The first segment that subscribers still need, of those before this one; empty: there are none.
  std::function<std::uint64_t(std::uint64_t wanted)> first_needed;
  std::function<std::int64_t()> wall_ms;
  std::function<void(std::uint64_t segments, std::uint64_t first_kept)> on_dropped;
  std::function<void(const StorageError&)> on_error;
};

// What it works on.
struct RetainedFolder {
  std::string data_dir;
  const ShardMap& map;
  const RecordCodec& codec;
  JournalOptions journal;  // directory and folder_id
};

class Retention {
 public:
  Retention(FileSystem& files, RetainedFolder folder, RetentionOptions options);
  ~Retention();

  void start();
  void stop();
  // Drops what may go; returns how many segments that were.
  StorageResult<std::uint64_t> run_once();

 private:
  struct Beginning {
    JournalPosition position;
    std::int64_t wall_ms = 0;
  };
  void run();
  StorageResult<std::optional<Beginning>> beginning_of(std::uint64_t segment) const;
  StorageResult<std::optional<Beginning>> first_to_keep(const std::vector<std::uint64_t>& numbers) const;
  std::uint64_t needed_by_subscribers(std::uint64_t wanted) const {
    return options_.first_needed ? options_.first_needed(wanted) : wanted;
  }
  StorageResult<bool> is_worth_it(std::uint64_t first, std::uint64_t target) const;
  StorageResult<bool> carry_forward(std::optional<BaseSeal>& seal, const JournalPosition& until);
  StorageResult<std::uint64_t> drop_before(std::uint64_t first_kept);

  FileSystem& files_;
  const RetainedFolder folder_;
  const RetentionOptions options_;
  bool sealed_here_ = false;  // BASE was written by this process: it is on the disk

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace recharge
