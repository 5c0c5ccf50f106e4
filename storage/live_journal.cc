#include "storage/live_journal.h"

#include <chrono>
#include <thread>

namespace recharge {
namespace {

// How long a writer may take between two groups that a reader sees one of in part.
constexpr int kLooksBehindTheEnd = 40;
constexpr std::chrono::milliseconds kBetweenLooks{50};

// A reader that meets a journal while it grows may see half a group, or one behind a place that was empty a
// moment ago. The journal then goes on from there, or ends there.
bool goes_on(FileSystem& files, const JournalOptions& journal, const JournalPosition& from) {
  for (int look = 0; look < kLooksBehindTheEnd; ++look) {
    auto reader = JournalReader::open(files, journal, from);
    if (reader && reader->next()) return true;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return false;
}

}  // namespace

StorageResult<JournalPosition> durable_prefix(FileSystem& files, const JournalOptions& journal,
                                              const JournalPosition& from) {
  auto reader = JournalReader::open(files, journal, from);
  if (!reader) return reader.error();
  for (;;) {
    auto group = reader->next();
    if (!group && !goes_on(files, journal, reader->position())) return group.error();
    if (!group || *group == nullptr) break;
  }
  const JournalPosition end = reader->position();
  const auto last = end.offset == 0 && end.segment > 1 ? end.segment - 1 : end.segment;
  auto segment = open_segment(files, journal.directory, last, FileSystem::Access::read);
  if (!segment) {
    if (end == JournalPosition{}) return end;  // no segment yet
    return segment.error();
  }
  if (auto synced = segment->file->sync(); !synced)
    return StorageError{synced.error(), segment->path, end.offset, "flushing the end of the journal"};
  return end;
}

}  // namespace recharge
