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
#include "storage/journal_group.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
#include "storage/segment.h"
#include "storage/storage_error.h"

namespace recharge {

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

  // The next group with records, or nullptr at the end of the journal, or where the group `before` would
  // come.
  StorageResult<const JournalGroup*> next(std::uint64_t before = UINT64_MAX);
  // Where the next group begins.
  const JournalPosition& position() const noexcept;
  // REQUIRES: next() has returned nullptr for the end of the journal.
  const JournalTail& tail() const noexcept;

 private:
  struct Walk;
  explicit JournalReader(std::unique_ptr<Walk> walk);
  std::unique_ptr<Walk> walk_;
};

}  // namespace recharge
