#include "storage/journal_recovery.h"

#include <algorithm>

namespace recharge {
namespace {

// Also when the tail looks clean: the zeros that were read may be those of an earlier recovery whose flush
// failed.
StorageResult<void> zero_behind(Segment& segment, std::uint64_t offset, std::size_t max_group_bytes) {
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(max_group_bytes, segment.bytes - offset));
  if (auto written = segment.file->write_at(offset, zeros); !written) {
    return StorageError{written.error(), segment.path, offset, "zeroing behind the end of the journal"};
  }
  return {};
}

StorageResult<void> write_again(Segment& segment, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<std::byte> group(bytes);
  if (auto read = segment.file->read_at(offset, group); !read) {
    return StorageError{read.error(), segment.path, offset, "reading the last group"};
  }
  if (auto written = segment.file->write_at(offset, group); !written) {
    return StorageError{written.error(), segment.path, offset, "writing the last group again"};
  }
  return {};
}

StorageResult<void> flush(Segment& segment, std::uint64_t offset) {
  if (auto synced = segment.file->sync(); !synced) {
    return StorageError{synced.error(), segment.path, offset, "flushing the end of the journal"};
  }
  return {};
}

}  // namespace

StorageResult<JournalPosition> recover_tail(FileSystem& files, const JournalOptions& options,
                                            const JournalReader& reader) {
  const JournalTail& tail = reader.tail();
  if (tail.last_segment != 0) {
    auto segment = open_segment(files, options.directory, tail.last_segment, FileSystem::Access::read_write);
    if (!segment) return segment.error();
    auto written = write_again(*segment, tail.last_offset, tail.last_bytes);
    if (!written) return written.error();
    if (auto flushed = flush(*segment, tail.last_offset); !flushed) return flushed.error();
  }
  const std::string path = segment_path(options.directory, tail.end.segment);
  auto exists = files.exists(path);
  if (!exists) return StorageError{exists.error(), path, 0, "looking for the last segment"};
  if (!*exists) return tail.end;  // an empty journal
  auto segment = open_segment(files, options.directory, tail.end.segment, FileSystem::Access::read_write);
  if (!segment) return segment.error();
  auto zeroed = zero_behind(*segment, tail.end.offset, options.max_group_bytes);
  if (!zeroed) return zeroed.error();
  if (auto flushed = flush(*segment, tail.end.offset); !flushed) return flushed.error();
  return tail.end;
}

}  // namespace recharge
