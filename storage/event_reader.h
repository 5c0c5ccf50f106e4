// Purpose: the events of a running server's journal, in its order, from any event on: only what is durable,
// whatever the shards and the books are at. Owner: one thread, of any; as many readers as there is use for.
// Lifetime: within its EventJournal. Errors: StorageError; Errc::not_found where the place is not kept any
// more, Errc::out_of_range where nothing was written there yet, Errc::damaged for what is no event's id.
#pragma once

#include <functional>

#include "core/event.h"
#include "storage/journal_follower.h"

namespace recharge {

// The journal that events are read from.
struct EventJournal {
  FileSystem* files = nullptr;
  JournalOptions options;                        // directory and folder_id
  std::function<JournalPosition()> durable_end;  // any thread
};

class EventReader {
 public:
  explicit EventReader(const EventJournal& journal);

  // The next event is the first behind `after`; nil: the oldest that is kept.
  StorageResult<void> seek(const EventId& after);
  // Null: no more are durable now. Valid until the next call.
  StorageResult<const Event*> next();

  // The group that begins at this place, and nothing else: next_of_group() until it gives null.
  StorageResult<void> seek_group(const EventId& place);
  StorageResult<const Event*> next_of_group();

  // Behind what next() has given: to go on from there later, also where that was not an event.
  EventId resume_point() const noexcept;
  // Of the group that was read last; 0: none yet.
  std::int64_t wall_ms() const noexcept { return wall_ms_; }

 private:
  StorageResult<void> read_group(const JournalPosition& end);
  StorageResult<bool> take_record();
  void take_group(const JournalGroup* group) noexcept;

  const EventJournal& journal_;
  JournalFollower follower_;
  const JournalGroup* group_ = nullptr;  // the follower's; null: it has no more
  std::int64_t wall_ms_ = 0;
  std::size_t record_ = 0;  // the next of the group
  JournalRecord decoded_;
  Events events_;
  std::size_t event_ = 0;  // the next of events_
  EventId after_;
};

// What lies behind a position of the journal comes after its place.
EventId place_in(const JournalPosition& position) noexcept;
EventId place_in(const RecordPosition& position) noexcept;  // its group
// The place behind everything that is durable: later events come after it.
EventId latest_place(const EventJournal& journal);
// The place before the oldest event that is kept.
StorageResult<EventId> oldest_place(const EventJournal& journal);
// How many bytes of the journal lie between `place` and the durable end, over segments of this size.
std::uint64_t bytes_behind(const EventJournal& journal, const EventId& place, std::uint64_t segment_bytes);

}  // namespace recharge
