// Purpose: looks for damage in a data folder while its server runs: walks the journal's whole chain up to the
// durable position, then every row of the books with the pages on the way to it, at a bounded rate. Owner:
// one thread of its own, with low priority for the processor and the disk; run_once() by a test instead.
// Lifetime: within its store; stop() before the store ends. Errors: damage is reported with file and offset,
// and the rest is still looked at. Units: milliseconds (_ms), bytes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "storage/base.h"
#include "storage/books_check.h"
#include "storage/store.h"

namespace recharge {

struct ScrubberOptions {
  std::int64_t interval_ms = 86'400'000;  // between two passes
  std::int64_t first_ms = 600'000;        // to the first one, where that is sooner
  std::uint64_t bytes_per_second = std::uint64_t{16} << 20;
  std::int64_t head_interval_ms = 3'600'000;  // between two reports of the chain's head
  std::size_t rows_at_once = 512;             // that one read transaction of the books is held for
  OnDamage on_damage;
  std::function<void(const JournalPosition&)> on_head;
  std::function<std::int64_t()> wall_ms;
};

class Scrubber {
 public:
  Scrubber(FileSystem& files, Store& store, ScrubberOptions options);
  ~Scrubber();

  void start();
  void stop();
  // One whole pass; true where it found no damage and was not stopped.
  bool run_once();

  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t damage() const noexcept { return damage_.load(std::memory_order_relaxed); }
  // When the last pass without damage ended; 0: never.
  std::int64_t last_success_ms() const noexcept { return last_success_ms_.load(std::memory_order_relaxed); }

 private:
  void run();
  void check_journal();
  StorageResult<void> walk_journal(const JournalPosition& from);
  void check_base();
  void check_table(Table table);
  StorageResult<bool> check_rows(Table table, StoredKey& from, std::uint64_t& bytes);
  void report(const StorageError& error);
  void read(std::uint64_t bytes);
  bool rest(std::int64_t ms);

  FileSystem& files_;
  Store& store_;
  const ScrubberOptions options_;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> damage_{0};
  std::atomic<std::int64_t> last_success_ms_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace recharge
