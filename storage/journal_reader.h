// Purpose: walks the groups of a journal in order and validates every one; decides between a torn tail, which
// a crash leaves behind, and damage. Changes nothing on the disk. Owner: one thread. Lifetime: records are
// views into the reader's buffer, valid until the next call of next(). Errors: Errc::damaged and
// Errc::newer_format name file and offset; a position that the journal does not reach is damage. Units:
// bytes. Source of the rules: storage/README.md.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/file.h"
#include "storage/journal_format.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
#include "storage/segment.h"
#include "storage/storage_error.h"

namespace recharge {

struct JournalGroup {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // with header and padding
  std::uint64_t sequence = 0;
  std::int64_t wall_ms = 0;
  JournalHash hash{};
  std::vector<std::span<const std::byte>> records;

  RecordPosition record_position(std::size_t index) const noexcept {
    return {segment, offset, sequence, static_cast<std::uint32_t>(index)};
  }
};

// What lies behind the last valid group. Known when next() has returned nullptr.
struct JournalTail {
  JournalPosition end;             // where the next group belongs
  bool torn = false;               // an unfinished group begins there
  std::uint64_t last_segment = 0;  // of the last valid group or end mark; 0 when there is none to be seen
  std::uint64_t last_offset = 0;
  std::uint64_t last_bytes = 0;
};

class JournalReader {
 public:
  // Reads options.directory, folder_id and max_group_bytes. from: a position handed out by Journal or a
  // reader; it is checked by walking its segment up to there. Without it, reading begins with the oldest
  // segment.
  static StorageResult<JournalReader> open(FileSystem& files, const JournalOptions& options,
                                           const std::optional<JournalPosition>& from = std::nullopt);
  JournalReader(JournalReader&&) noexcept;
  ~JournalReader();

  // The next group with records, or nullptr at the end of the journal.
  StorageResult<const JournalGroup*> next();
  // Where the next group begins.
  const JournalPosition& position() const noexcept;
  // REQUIRES: next() has returned nullptr.
  const JournalTail& tail() const noexcept;

 private:
  struct Walk;
  explicit JournalReader(std::unique_ptr<Walk> walk);
  std::unique_ptr<Walk> walk_;
};

// One group, its own hashes checked but not its place in the chain: to look at a record again. The group
// holds the bytes in `buffer`. May run beside a journal that is being written, for positions that are
// durable.
StorageResult<JournalGroup> read_group(FileSystem& files, const JournalOptions& options,
                                       std::uint64_t segment, std::uint64_t offset,
                                       std::vector<std::byte>& buffer);

}  // namespace recharge
