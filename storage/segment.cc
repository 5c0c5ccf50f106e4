#include "storage/segment.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "storage/journal_format.h"

namespace recharge {
namespace {

constexpr std::size_t kDigits = 16;
constexpr std::string_view kSuffix = ".journal";
constexpr std::string_view kUnfinished = ".tmp";

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what,
                      std::uint64_t offset = 0) {
  return {code, file, offset, what};
}

// Within a write the kernel gives the core to nobody; after some of them it is offered to whoever waits for
// it, until somebody kept it this long: where the processors are full, each offer would be such a wait.
constexpr std::size_t kZeroWriteBytes = std::size_t{64} << 10;
constexpr std::size_t kZeroTurnBytes = std::size_t{256} << 10;
constexpr std::chrono::microseconds kLongTurn{300};

bool offer_core() {  // false where it was long until the thread had it again
  const auto begun = std::chrono::steady_clock::now();
  std::this_thread::yield();
  return std::chrono::steady_clock::now() - begun < kLongTurn;
}

// Zeros are flushed piece by piece, so that the disk is never asked for a whole segment while a group waits
// for it.
StorageResult<void> fill_with_zeros(File& file, const std::string& path, std::uint64_t bytes) {
  static const std::vector<std::byte> zeros(kZeroWriteBytes);
  for (std::uint64_t piece = 0; piece < bytes; piece += kZeroPieceBytes) {
    const std::uint64_t end = std::min<std::uint64_t>(piece + kZeroPieceBytes, bytes);
    bool offers = true;
    for (std::uint64_t offset = piece; offset < end; offset += zeros.size()) {
      if (offers && offset != piece && offset % kZeroTurnBytes == 0) offers = offer_core();
      const auto part = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), end - offset));
      if (auto written = file.write_at(offset, part); !written) {
        return error_of(written.error(), path, "preparing a segment: write", offset);
      }
    }
    if (auto synced = file.sync(); !synced) {
      return error_of(synced.error(), path, "preparing a segment: flush", piece);
    }
  }
  return {};
}

}  // namespace

std::string segment_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  RECHARGE_STORAGE_INVARIANT(number > 0 && digits.size() <= kDigits);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::string segment_path(const std::string& directory, std::uint64_t number) {
  return directory + "/" + segment_name(number);
}

std::uint64_t segment_number(const std::string& name) noexcept {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return 0;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < kDigits; ++i) {
    if (name[i] < '0' || name[i] > '9') return 0;
    number = number * 10 + static_cast<std::uint64_t>(name[i] - '0');
  }
  return number;
}

StorageResult<std::vector<std::uint64_t>> list_segments(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return error_of(names.error(), directory, "listing the journal");
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const std::uint64_t number = segment_number(name); number != 0) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] != numbers[i - 1] + 1) {
      return error_of(Errc::damaged, segment_path(directory, numbers[i - 1] + 1), "the segment is missing");
    }
  }
  return numbers;
}

StorageResult<Segment> open_segment(FileSystem& files, const std::string& directory, std::uint64_t number,
                                    FileSystem::Access access) {
  Segment segment;
  segment.number = number;
  segment.path = segment_path(directory, number);
  auto file = files.open(segment.path, access);
  if (!file) return error_of(file.error(), segment.path, "opening a segment");
  segment.file = std::move(*file);
  auto bytes = segment.file->size();
  if (!bytes) return error_of(bytes.error(), segment.path, "asking for the size of a segment");
  if (*bytes == 0 || *bytes % kSectorBytes != 0) {
    return error_of(Errc::damaged, segment.path, "the size is not one that a segment can have", *bytes);
  }
  segment.bytes = *bytes;
  return segment;
}

StorageResult<Segment> make_segment(FileSystem& files, const std::string& directory, std::uint64_t number,
                                    std::uint64_t bytes) {
  Segment segment;
  segment.number = number;
  segment.bytes = bytes;
  segment.path = segment_path(directory, number);
  const std::string unfinished = segment.path + std::string(kUnfinished);
  auto file = files.create(unfinished);
  if (!file) return error_of(file.error(), unfinished, "creating a segment");
  segment.file = std::move(*file);
  auto filled = fill_with_zeros(*segment.file, unfinished, bytes);
  if (!filled) {
    segment.file.reset();
    static_cast<void>(files.remove(unfinished));  // the first failure is the one to report
    return filled.error();
  }
  if (auto renamed = files.rename(unfinished, segment.path); !renamed) {
    static_cast<void>(files.remove(unfinished));
    return error_of(renamed.error(), unfinished, "renaming a segment into place");
  }
  if (auto synced = files.sync_directory(directory); !synced) {
    return error_of(synced.error(), directory, "flushing the directory of a new segment");
  }
  return segment;
}

StorageResult<void> remove_unfinished_segments(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return error_of(names.error(), directory, "listing the journal");
  for (const std::string& name : *names) {
    if (!name.ends_with(kUnfinished)) continue;
    const std::string path = directory + "/" + name;
    if (segment_number(name.substr(0, name.size() - kUnfinished.size())) == 0) continue;
    if (auto removed = files.remove(path); !removed) {
      return error_of(removed.error(), path, "removing an unfinished segment");
    }
  }
  return {};
}

StorageResult<void> remove_segment(FileSystem& files, const std::string& directory, std::uint64_t number) {
  const std::string path = segment_path(directory, number);
  if (auto removed = files.remove(path); !removed)
    return error_of(removed.error(), path, "removing a segment");
  if (auto synced = files.sync_directory(directory); !synced) {
    return error_of(synced.error(), directory, "flushing the directory of a removed segment");
  }
  return {};
}

StorageResult<std::optional<std::uint64_t>> first_nonzero(const Segment& segment, std::uint64_t offset) {
  std::vector<std::byte> piece;
  while (offset < segment.bytes) {
    piece.resize(std::min<std::uint64_t>(kZeroPieceBytes, segment.bytes - offset));
    if (auto read = segment.file->read_at(offset, piece); !read) {
      return error_of(read.error(), segment.path, "reading a segment", offset);
    }
    if (!all_zero(piece)) {
      const auto found =
          std::find_if(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{0}; });
      return std::optional(offset + static_cast<std::uint64_t>(found - piece.begin()));
    }
    offset += piece.size();
  }
  return std::optional<std::uint64_t>();
}

}  // namespace recharge
