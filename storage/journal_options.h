// Purpose: the limits of the journal, named in one place and related to each other.
// Lifetime: a plain value, fixed when the journal is opened. Units: bytes, milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/journal_position.h"

namespace recharge {

inline constexpr std::size_t kSectorBytes = 512;
inline constexpr std::size_t kMaxGroupBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kDefaultSegmentBytes = std::uint64_t{64} << 20;
inline constexpr std::size_t kDefaultRingBytes = std::size_t{4} << 20;
inline constexpr std::uint64_t kPreparationRetryMs = 1000;
inline constexpr unsigned kMaxProducers = 256;

static_assert(kMaxGroupBytes % kSectorBytes == 0 && kDefaultSegmentBytes % kSectorBytes == 0);
static_assert(kDefaultSegmentBytes >= 2 * kMaxGroupBytes + kSectorBytes);
static_assert(kDefaultRingBytes >= 2 * kMaxGroupBytes);

struct JournalOptions {
  std::string directory;  // DATA_DIR/journal
  FolderId folder_id{};
  unsigned producers = 1;
  std::uint64_t segment_bytes = kDefaultSegmentBytes;  // of segments made from now on
  // The largest group, header and padding counted. Never lower it over an existing journal: recovery looks
  // for the remains of an unfinished group this far behind the end. Tests use less than the default.
  std::size_t max_group_bytes = kMaxGroupBytes;
  std::size_t ring_bytes = kDefaultRingBytes;  // for each producer
  std::uint64_t preparation_retry_ms = kPreparationRetryMs;
};

}  // namespace recharge
