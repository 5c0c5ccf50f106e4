#include "storage/segment_preparer.h"

#include <chrono>

namespace recharge {
namespace {

// Behind the one that is prepared: that which is written, and that which was full before it, which followers
// of the journal may still read.
constexpr std::uint64_t kSegmentsInMemory = 2;

}  // namespace

SegmentPreparer::SegmentPreparer(FileSystem& files, const JournalOptions& options, std::uint64_t first_number)
    : files_(files), options_(options), next_number_(first_number) {}

void SegmentPreparer::adopt(Segment segment) {
  const std::uint64_t bytes = segment.bytes;
  {
    const std::lock_guard lock(mutex_);
    RECHARGE_STORAGE_INVARIANT(!ready_ && segment.number == next_number_);
    ++next_number_;
    ready_ = std::move(segment);
  }
  if (on_ready_) on_ready_(bytes);
}

StorageResult<bool> SegmentPreparer::prepare_step() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (ready_) return true;
    number = next_number_;
  }
  // The pages of an old one serve the new one: those that nothing was in yet are dearer.
  if (number > kSegmentsInMemory + 1) {
    files_.forget(segment_path(options_.directory, number - kSegmentsInMemory - 1));
  }
  auto made = make_segment(files_, options_.directory, number, options_.segment_bytes);
  if (!made) {
    const bool full = is_disk_full(made.error().code);
    if (!full && !is_out_of_descriptors(made.error().code)) return made.error();
    if (full) storage_full_.store(true, std::memory_order_relaxed);
    return false;
  }
  const std::uint64_t bytes = made->bytes;
  {
    const std::lock_guard lock(mutex_);
    ++next_number_;
    ready_ = std::move(*made);
  }
  storage_full_.store(false, std::memory_order_relaxed);
  // Only now may its room be promised: whoever needs it finds it ready.
  if (on_ready_) on_ready_(bytes);
  return true;
}

StorageResult<void> SegmentPreparer::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !ready_; });
      if (stopping_) return {};
    }
    auto prepared = prepare_step();
    if (!prepared) return prepared.error();
    if (*prepared) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(options_.preparation_retry_ms),
                      [&] { return stopping_; });
  }
}

void SegmentPreparer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

std::optional<Segment> SegmentPreparer::take() {
  std::optional<Segment> taken;
  {
    const std::lock_guard lock(mutex_);
    taken = std::exchange(ready_, std::nullopt);
  }
  changed_.notify_all();
  return taken;
}

bool SegmentPreparer::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_.has_value();
}

}  // namespace recharge
