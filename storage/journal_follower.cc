#include "storage/journal_follower.h"

#include <algorithm>
#include <tuple>

#include "storage/journal_format.h"

namespace recharge {

JournalFollower::JournalFollower(FileSystem& files, JournalOptions journal)
    : files_(files), journal_(std::move(journal)) {
  initialize_hashing();
}

StorageError JournalFollower::damaged(const char* what) const {
  return {Errc::damaged, segment_path(journal_.directory, number_), offset_, what};
}

void JournalFollower::seek(std::uint64_t segment, std::uint64_t offset) noexcept {
  number_ = segment;  // what is open and held of it is of use still
  offset_ = offset;
  chained_ = false;
}

StorageResult<void> JournalFollower::seek_oldest() {
  auto numbers = list_segments(files_, journal_.directory);
  if (!numbers) return numbers.error();
  seek(numbers->empty() ? 1 : numbers->front(), 0);
  return {};
}

StorageResult<void> JournalFollower::open_current() {
  if (segment_ && segment_->number == number_) return {};
  auto opened = open_segment(files_, journal_.directory, number_, FileSystem::Access::read);
  if (!opened) {
    if (opened.error().code != boost::system::errc::no_such_file_or_directory) return opened.error();
    return StorageError{Errc::not_found, segment_path(journal_.directory, number_), offset_,
                        "the segment is not kept any more"};
  }
  segment_ = std::move(*opened);
  buffer_.clear();
  return {};
}

// `bytes` from the offset on. `limit` is where the durable bytes of this segment end: nothing behind it is
// kept, for it may change.
StorageResult<std::span<const std::byte>> JournalFollower::view(std::size_t bytes, std::uint64_t limit) {
  const bool held =
      offset_ >= buffer_at_ && offset_ + bytes <= buffer_at_ + buffer_.size() && !buffer_.empty();
  if (!held) {
    if (offset_ + bytes > limit) return damaged("a group reaches beyond the durable end");
    const std::size_t wanted = std::max(bytes, kReadBytes);
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(wanted, limit - offset_)));
    buffer_at_ = offset_;
    if (auto read = segment_->file->read_at(offset_, buffer_); !read) {
      buffer_.clear();
      return StorageError{read.error(), segment_->path, offset_, "reading the journal"};
    }
  }
  return std::span<const std::byte>(buffer_).subspan(static_cast<std::size_t>(offset_ - buffer_at_), bytes);
}

StorageResult<bool> JournalFollower::step(const JournalPosition& end) {
  if (auto opened = open_current(); !opened) return opened.error();
  const std::uint64_t limit = number_ == end.segment ? end.offset : segment_->bytes;
  if (offset_ % kSectorBytes != 0 || offset_ + kSectorBytes > limit)
    return damaged("no group can begin here");
  auto sector = view(kSectorBytes, limit);
  if (!sector) return sector.error();
  GroupHeader header;
  if (const HeaderCheck check = decode_header(*sector, header); check != HeaderCheck::ok) {
    return damaged(text_of(check));
  }
  if (header.folder_id != journal_.folder_id || header.segment != number_)
    return damaged("the group belongs elsewhere");
  if (chained_ && (header.sequence != sequence_ || header.previous_hash != previous_hash_))
    return damaged("the hash chain is broken");
  if (header.group_bytes() > journal_.max_group_bytes) return damaged("the group is longer than its place");
  auto bytes = view(static_cast<std::size_t>(header.group_bytes()), limit);
  if (!bytes) return bytes.error();
  if (group_hash(*bytes, header) != header.hash) return damaged("the bytes of the group do not fit its hash");
  if (!split_group(header, offset_, *bytes, group_)) return damaged("the lengths of the records do not fit");
  chained_ = true;
  sequence_ = header.sequence + 1;
  previous_hash_ = header.hash;
  offset_ += header.group_bytes();
  if (!header.end_mark()) return true;
  ++number_;
  offset_ = 0;
  return false;
}

StorageResult<const JournalGroup*> JournalFollower::next(const JournalPosition& end) {
  while (std::tie(number_, offset_) < std::tie(end.segment, end.offset)) {
    auto stepped = step(end);
    if (!stepped) return stepped.error();
    if (*stepped) return static_cast<const JournalGroup*>(&group_);
  }
  return static_cast<const JournalGroup*>(nullptr);
}

}  // namespace recharge
