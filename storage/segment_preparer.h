// Purpose: keeps one zero-filled and flushed segment ready, so that a group never waits for a growing file.
// Owner: prepare_step by one thread (the preparer thread, or a simulation); take by the journal thread; the
// rest any. Lifetime: as long as the journal. Errors: a full disk is a state (storage_full) and tried again,
// as is a lack of descriptors; anything else is final and returned. Units: bytes, milliseconds.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/journal_options.h"
#include "storage/segment.h"

namespace recharge {

class SegmentPreparer {
 public:
  SegmentPreparer(FileSystem& files, const JournalOptions& options, std::uint64_t first_number);

  // Takes over a segment that an earlier run prepared. REQUIRES: none is ready, it bears the next number.
  void adopt(Segment segment);

  // Prepares the next segment when none is ready. True when one is ready afterwards, false when it has to be
  // tried again.
  StorageResult<bool> prepare_step();
  // Prepares whenever none is ready, until stop() or a final error, which is returned.
  StorageResult<void> run();
  void stop();

  // The ready segment, if any; wakes run() so that the next is made.
  std::optional<Segment> take();
  bool ready() const;
  bool storage_full() const noexcept { return storage_full_.load(std::memory_order_relaxed); }

  // Called after a segment became ready or was adopted, with its size. Set before use.
  void set_on_ready(std::function<void(std::uint64_t bytes)> on_ready) { on_ready_ = std::move(on_ready); }

 private:
  FileSystem& files_;
  const JournalOptions options_;
  std::function<void(std::uint64_t)> on_ready_;
  std::atomic<bool> storage_full_{false};

  mutable std::mutex mutex_;  // guards what follows; taken once per segment by the journal thread
  std::condition_variable changed_;
  std::optional<Segment> ready_;
  std::uint64_t next_number_;
  bool stopping_ = false;
};

}  // namespace recharge
