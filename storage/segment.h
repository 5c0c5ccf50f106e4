// Purpose: the journal's segment files: names, listing, preparation.
// Owner: any thread; nothing is shared. Lifetime: a Segment holds its open file.
// Errors: name the file; a gap in the numbers is damage. Units: bytes; numbers count from 1.
// Source of the names and of the order of steps: storage/README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/file.h"
#include "storage/storage_error.h"

namespace recharge {

struct Segment {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::string path;
  std::unique_ptr<File> file;
};

inline constexpr std::size_t kZeroPieceBytes = std::size_t{1} << 20;

// "0000000000000001.journal"
std::string segment_name(std::uint64_t number);
std::string segment_path(const std::string& directory, std::uint64_t number);
// 0 when the name is not one of a segment.
std::uint64_t segment_number(const std::string& name) noexcept;

// The numbers of all segments, ascending; Errc::damaged when one in the middle is missing.
StorageResult<std::vector<std::uint64_t>> list_segments(FileSystem& files, const std::string& directory);
StorageResult<Segment> open_segment(FileSystem& files, const std::string& directory, std::uint64_t number,
                                    FileSystem::Access access);
// Writes zeros in bounded pieces, each flushed, under a temporary name; renames; flushes the directory.
// On failure the temporary file is removed, so that its room is free again.
StorageResult<Segment> make_segment(FileSystem& files, const std::string& directory, std::uint64_t number,
                                    std::uint64_t bytes);
// Removes what an interrupted make_segment left behind.
StorageResult<void> remove_unfinished_segments(FileSystem& files, const std::string& directory);
// Removes one segment and flushes the directory. For retention: the oldest one only, or a gap appears.
StorageResult<void> remove_segment(FileSystem& files, const std::string& directory, std::uint64_t number);

// Zeros from `offset` on. Reads in big pieces; the offset of the first byte that is not zero is in the
// result.
StorageResult<std::optional<std::uint64_t>> first_nonzero(const Segment& segment, std::uint64_t offset);

}  // namespace recharge
