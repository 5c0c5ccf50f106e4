// Purpose: keeps the books close behind the journal: freezes the shards, waits until the journal is durable
// up to there, writes the checkpoint, and has the shards drop what the books now hold. Also sweeps orders
// past their time. Owner: one thread of low priority; step() by a simulation instead. Lifetime: stop() before
// the owners end. Errors: a full disk is tried again every second with the sets kept; any other is fatal
// (on_fatal). Units: milliseconds (_ms), bytes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "storage/checkpoint.h"
#include "storage/store.h"

namespace recharge {

// The threads that own shard groups. run_on_each() has the task executed on each of them, one after another
// or at once, between two of their batches, and returns when all have.
class ShardOwners {
 public:
  virtual ~ShardOwners() = default;
  virtual void run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& task) = 0;
};

// What it works on; the journal and the books are those of the owners' shards. Lifetime: longer than it.
struct CheckpointedStore {
  Books& books;
  const RecordCodec& codec;
  const ShardMap& map;
  Journal& journal;
  unsigned threads = 1;
  std::uint64_t expiry_watermark_ms = 0;  // of the books when they were opened
};

struct CheckpointerOptions {
  std::int64_t interval_ms = 5000;
  std::size_t changed_bytes = std::size_t{128} << 20;
  std::size_t records_per_transaction = 4000;
  std::int64_t idempotency_retention_ms = 86'400'000;
  std::function<Time()> wall_clock;
  std::function<std::int64_t()>
      monotonic_clock_ms;                     // what the wall clock is held against; none: the system's
  std::function<void(std::int64_t ms)> rest;  // between transactions, and for the journal; none: sleeps
  std::function<void(double seconds, std::size_t records)> on_checkpoint;
  std::function<void(const boost::system::error_code&)> on_full;   // tried again
  std::function<void(const boost::system::error_code&)> on_fatal;  // once
};

class Checkpointer {
 public:
  Checkpointer(Store& store, ShardOwners& owners, CheckpointerOptions options);
  Checkpointer(const CheckpointedStore& store, ShardOwners& owners, CheckpointerOptions options);
  ~Checkpointer();

  void start();
  // Joins the thread. A clean stop then asks for a last run_once().
  void stop();
  // A checkpoint soon, whether or not it is due. Any thread.
  void ask() noexcept { asked_.store(true, std::memory_order_relaxed); }
  // One whole checkpoint now: at the end of a clean stop, and in simulation.
  Result<void> run_once();
  // Expires a bounded number of orders past their time; true where more may wait.
  bool sweep();

  // Segment of the journal in which the last checkpoint's position lies; 0 before the first. Any thread.
  std::uint64_t checkpointed_segment() const noexcept {
    return checkpointed_segment_.load(std::memory_order_relaxed);
  }
  bool storage_full() const noexcept { return full_.load(std::memory_order_relaxed); }
  // From before the shards are frozen until nothing is left to do. Any thread.
  bool is_writing() const noexcept { return writing_.load(std::memory_order_relaxed); }

 private:
  void run();
  bool due(std::int64_t waited_ms);
  void freeze();
  Result<void> wait_until_durable();
  bool rests_after_clock_jump(Time now);

  const CheckpointedStore store_;
  ShardOwners& owners_;
  const CheckpointerOptions options_;
  CheckpointWriter writer_;
  std::unique_ptr<BooksSnapshot> snapshot_;

  CheckpointInput pending_;                  // frozen and not yet in the books
  std::vector<std::uint64_t> wait_numbers_;  // by thread, for pending_
  bool has_pending_ = false;
  JournalPosition written_;         // position of the last checkpoint
  Time frozen_at_;                  // the owners' earliest time when pending_ was frozen
  Time sweep_limit_;                // orders placed before it are in the books
  std::uint64_t watermark_ms_ = 0;  // no order before it waits for a payment
  StoredKey sweep_cursor_;
  std::int64_t clock_offset_ms_ = 0;  // wall clock less monotonic clock
  std::int64_t rest_until_monotonic_ms_ = 0;

  std::atomic<bool> full_{false};
  std::atomic<bool> writing_{false};
  std::atomic<bool> asked_{false};
  std::atomic<std::uint64_t> checkpointed_segment_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace recharge
