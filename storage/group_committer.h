// Purpose: collects what the producers published and writes it as one group with one flush: the journal
// without its thread, so that a simulation can take single steps. Owner: reserve, commit and publish of
// producer i: its thread; commit_group: the journal thread (or a simulation); the rest: any thread. Lifetime:
// as long as the journal, within its FileSystem and SegmentPreparer. Errors: a failed write or flush is
// final. Units: bytes, nanoseconds (_ns), milliseconds since 1970 (_ms).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "storage/journal_format.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
#include "storage/record_ring.h"
#include "storage/segment_preparer.h"
#include "storage/storage_error.h"

namespace recharge {

// Consecutive records of one producer within a group.
struct GroupPart {
  unsigned producer = 0;
  std::uint64_t first_number = 0;
  std::uint32_t first_index = 0;  // RecordPosition::index of the first
  std::uint32_t count = 0;
};

struct GroupReport {
  RecordPosition begin;  // of the group's first record
  std::uint32_t records = 0;
  std::size_t bytes = 0;  // written, header and padding counted
  std::int64_t flush_ns = 0;
  std::span<const GroupPart> parts;  // valid during the call
};

// Called on the journal thread (on_fatal also on the preparer thread); must not block. An empty function is
// left out.
struct JournalHooks {
  std::function<void(unsigned producer)> notify;      // its durable number advanced
  std::function<void(const GroupReport&)> on_group;   // before notify, after the flush
  std::function<void(const StorageError&)> on_fatal;  // once
  std::function<std::int64_t()> wall_ms;              // the group's time; the system's clock when empty
};

class GroupCommitter {
 public:
  // segment: the one in which `end` lies.
  GroupCommitter(const JournalOptions& options, SegmentPreparer& preparer, Segment segment,
                 const JournalPosition& end, JournalHooks hooks);
  virtual ~GroupCommitter();
  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  std::span<std::byte> reserve(unsigned producer, std::size_t bytes) noexcept;
  std::uint64_t commit(unsigned producer, std::size_t used_bytes) noexcept;
  bool publish(unsigned producer) noexcept;

  // Writes at most max_group_bytes of what was published. Returns the number of records, 0 when none waits.
  StorageResult<std::size_t> commit_group();
  // Enters the failed state from outside: the preparation of segments failed for good.
  void fail(const StorageError& error);

  std::uint64_t durable(unsigned producer) const noexcept;
  std::uint64_t pushed(unsigned producer) const noexcept;
  std::size_t max_record_bytes() const noexcept { return max_record_bytes_; }
  std::size_t bytes_in_rings() const noexcept;
  JournalPosition durable_position() const;
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  unsigned producers() const noexcept { return static_cast<unsigned>(producers_.size()); }

  // With smaller segments, no record might find room any more.
  static std::uint64_t smallest_segment_bytes(const JournalOptions& options) noexcept;

 protected:
  // Seams for tests that break the order of steps on purpose.
  virtual Result<void> flush(File& file) { return file.sync(); }
  void publish_durable() noexcept;  // everything in the group that is being written

 private:
  struct Producer;

  std::int64_t room_of(std::uint64_t segment_bytes) const noexcept;
  bool take_credit(Producer& producer, std::int64_t needed) noexcept;
  std::uint32_t collect() noexcept;
  GroupPart collect_from(unsigned index, std::uint32_t first_index) noexcept;
  StorageResult<void> write_collected(std::uint32_t records);
  StorageResult<void> write_group(std::span<std::byte> group, GroupHeader header);
  StorageResult<void> rotate();
  StorageError failure(boost::system::error_code code, const char* what) const;

  const JournalOptions options_;
  SegmentPreparer& preparer_;
  const JournalHooks hooks_;
  const std::size_t max_record_bytes_;
  const std::int64_t credit_chunk_;
  const std::int64_t credit_held_;
  std::vector<std::unique_ptr<Producer>> producers_;

  // Room in this and the ready segment that was not promised to a producer; may be below zero for a while.
  alignas(kCacheLineBytes) std::atomic<std::int64_t> room_{0};
  std::atomic<bool> failed_{false};

  // Owned by the journal thread.
  Segment segment_;
  JournalPosition position_;
  std::vector<std::byte> group_;
  std::size_t payload_bytes_ = 0;
  std::int64_t promised_bytes_ = 0;  // for the records in group_
  std::int64_t flush_ns_ = 0;
  std::vector<GroupPart> parts_;
  unsigned first_producer_ = 0;  // takes turns, so that a busy producer cannot keep others out of full groups

  mutable std::mutex shared_mutex_;  // guards what follows; held for a copy
  JournalPosition durable_position_;
  std::optional<StorageError> fatal_;
};

}  // namespace recharge
