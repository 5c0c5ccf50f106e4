// Purpose: reads the groups of a journal that this process is writing, up to its durable end and never
// beyond, beside the thread that writes it. Each group is checked against its hash and the one before. Owner:
// one thread. Lifetime: within its FileSystem; a group and its records are valid until the next call. Errors:
// StorageError; Errc::not_found where the segment is gone (retention dropped it), Errc::damaged otherwise.
// Units: bytes. Source of the layout: storage/README.md.
#pragma once

#include <optional>
#include <vector>

#include "storage/file.h"
#include "storage/journal_group.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
#include "storage/segment.h"
#include "storage/storage_error.h"

namespace recharge {

class JournalFollower {
 public:
  static constexpr std::size_t kReadBytes = std::size_t{256} << 10;

  JournalFollower(FileSystem& files, JournalOptions journal);

  // The next group is the one that begins there; what stands before it is not looked at.
  void seek(std::uint64_t segment, std::uint64_t offset) noexcept;
  // The oldest segment's beginning; segment 1 where there is none yet.
  StorageResult<void> seek_oldest();

  // The next group with records, or null at `end`: behind the last durable group, as the journal says.
  StorageResult<const JournalGroup*> next(const JournalPosition& end);

  std::uint64_t segment() const noexcept { return number_; }
  std::uint64_t offset() const noexcept { return offset_; }

 private:
  StorageResult<void> open_current();
  StorageResult<std::span<const std::byte>> view(std::size_t bytes, std::uint64_t limit);
  StorageResult<bool> step(const JournalPosition& end);  // false: an end mark
  StorageError damaged(const char* what) const;

  FileSystem& files_;
  const JournalOptions journal_;
  std::uint64_t number_ = 1;
  std::uint64_t offset_ = 0;
  std::optional<Segment> segment_;
  std::vector<std::byte> buffer_;  // from buffer_at_ on, all of it durable when it was read
  std::uint64_t buffer_at_ = 0;
  bool chained_ = false;  // the two below are known
  std::uint64_t sequence_ = 0;
  JournalHash previous_hash_{};
  JournalGroup group_;
};

}  // namespace recharge
