// Purpose: places in the journal as values: where the next group begins, and where one record lies.
// Lifetime: plain values, comparable by sequence.
// Units: offsets in bytes within the segment file; segments and sequences count from 1.
#pragma once

#include <array>
#include <cstdint>

namespace recharge {

using JournalHash = std::array<std::uint8_t, 32>;
using FolderId = std::array<std::uint8_t, 16>;

// Where the next group begins. The default value is the beginning of an empty journal.
struct JournalPosition {
  std::uint64_t segment = 1;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 1;   // of the next group
  JournalHash previous_hash{};  // of the group before: the head of the chain; zeros before the first group

  friend bool operator==(const JournalPosition&, const JournalPosition&) noexcept = default;
};

struct RecordPosition {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;    // of the group
  std::uint64_t sequence = 0;  // of the group
  std::uint32_t index = 0;     // within the group, from 0

  friend bool operator==(const RecordPosition&, const RecordPosition&) noexcept = default;
};

}  // namespace recharge
