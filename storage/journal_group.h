// Purpose: one group of the journal as values, and the way to look at a single one again.
// Owner: one thread. Lifetime: records are views into the buffer that the group was read into.
// Errors: Errc::damaged and Errc::newer_format name file and offset. Units: bytes, milliseconds since 1970
// (_ms). Source of the layout: storage/README.md.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/file.h"
#include "storage/journal_format.h"
#include "storage/journal_options.h"
#include "storage/journal_position.h"
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

// Fills in the group from its header and its bytes; false where the lengths of the records do not add up.
// REQUIRES: bytes.size() >= header.group_bytes().
bool split_group(const GroupHeader& header, std::uint64_t offset, std::span<const std::byte> bytes,
                 JournalGroup& group);

// What is wrong with a header, for an error. REQUIRES: check != HeaderCheck::ok.
const char* text_of(HeaderCheck check) noexcept;

// One group, its own hashes checked but not its place in the chain: to look at a record again. The group
// holds the bytes in `buffer`. May run beside a journal that is being written, for positions that are
// durable.
StorageResult<JournalGroup> read_group(FileSystem& files, const JournalOptions& options,
                                       std::uint64_t segment, std::uint64_t offset,
                                       std::vector<std::byte>& buffer);

}  // namespace recharge
