#include "storage/event_reader.h"

#include <algorithm>
#include <tuple>

namespace recharge {
namespace {

EventId place_of(std::uint64_t segment, std::uint64_t offset) noexcept {
  RECHARGE_STORAGE_INVARIANT(segment <= UINT32_MAX && offset / kSectorBytes <= UINT32_MAX);
  return {static_cast<std::uint32_t>(segment), static_cast<std::uint32_t>(offset / kSectorBytes), 0, 0};
}

}  // namespace

EventReader::EventReader(const EventJournal& journal)
    : journal_(journal), follower_(*journal.files, journal.options) {}

StorageResult<void> EventReader::seek(const EventId& after) {
  group_ = nullptr;
  wall_ms_ = 0;
  record_ = event_ = 0;
  events_.clear();
  after_ = after;
  if (after.is_nil()) return follower_.seek_oldest();
  const JournalPosition end = journal_.durable_end();
  const std::uint64_t segment = after.segment;
  const std::uint64_t offset = std::uint64_t{after.sector} * kSectorBytes;
  follower_.seek(segment, offset);
  const auto place = std::tie(segment, offset);
  const auto last = std::tie(end.segment, end.offset);
  if (place > last || (place == last && after != place_of(segment, offset))) {
    return StorageError{Errc::out_of_range, segment_path(journal_.options.directory, segment), offset,
                        "no event was written there yet"};
  }
  if (place == last) return {};
  return read_group(end);
}

StorageResult<void> EventReader::seek_group(const EventId& place) {
  if (resume_point() != place) return seek(place);
  return read_group(journal_.durable_end());
}

StorageResult<void> EventReader::read_group(const JournalPosition& end) {
  take_group(nullptr);  // the follower may go over the end of a segment, and its group is another then
  auto group = follower_.next(end);
  if (!group) return group.error();
  take_group(*group);
  return {};
}

void EventReader::take_group(const JournalGroup* group) noexcept {
  group_ = group;
  record_ = 0;
  if (group != nullptr) wall_ms_ = group->wall_ms;
}

// False: the group has no more.
StorageResult<bool> EventReader::take_record() {
  if (group_ == nullptr || record_ == group_->records.size()) return false;
  RECHARGE_STORAGE_INVARIANT(group_->records.size() <= UINT16_MAX);
  if (auto decoded = decode_record(group_->records[record_], decoded_); !decoded) {
    return StorageError{decoded.error(), segment_path(journal_.options.directory, group_->segment),
                        group_->offset, "a record cannot be read"};
  }
  EventId place = place_of(group_->segment, group_->offset);
  place.record = static_cast<std::uint16_t>(record_);
  ++record_;
  events_.clear();
  event_ = 0;
  events_of(decoded_, place, events_);
  return true;
}

StorageResult<const Event*> EventReader::next_of_group() {
  for (;;) {
    while (event_ < events_.size()) {
      const Event& event = events_[event_++];
      if (event.id > after_) {
        after_ = event.id;
        return &event;
      }
    }
    auto taken = take_record();
    if (!taken) return taken.error();
    if (!*taken) return static_cast<const Event*>(nullptr);
  }
}

StorageResult<const Event*> EventReader::next() {
  for (;;) {
    auto event = next_of_group();
    if (!event || *event != nullptr) return event;
    if (auto read = read_group(journal_.durable_end()); !read) return read.error();
    if (group_ == nullptr) return static_cast<const Event*>(nullptr);
  }
}

EventId EventReader::resume_point() const noexcept {
  const bool finished = event_ == events_.size() && (group_ == nullptr || record_ == group_->records.size());
  return finished ? std::max(after_, place_of(follower_.segment(), follower_.offset())) : after_;
}

EventId place_in(const JournalPosition& position) noexcept {
  return place_of(position.segment, position.offset);
}

EventId place_in(const RecordPosition& position) noexcept {
  return place_of(position.segment, position.offset);
}

EventId latest_place(const EventJournal& journal) { return place_in(journal.durable_end()); }

StorageResult<EventId> oldest_place(const EventJournal& journal) {
  JournalFollower oldest(*journal.files, journal.options);
  if (const auto found = oldest.seek_oldest(); !found) return found.error();
  return EventId{static_cast<std::uint32_t>(oldest.segment()), 0, 0, 0};
}

std::uint64_t bytes_behind(const EventJournal& journal, const EventId& place, std::uint64_t segment_bytes) {
  const JournalPosition end = journal.durable_end();
  const std::uint64_t at = place.segment * segment_bytes + std::uint64_t{place.sector} * kSectorBytes;
  const std::uint64_t last = end.segment * segment_bytes + end.offset;
  return last > at ? last - at : 0;
}

}  // namespace recharge
