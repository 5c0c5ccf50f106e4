#include "storage/journal_reader.h"

#include <algorithm>
#include <tuple>

namespace recharge {
namespace {

constexpr std::size_t kReadBytes = std::size_t{4} << 20;
static_assert(kReadBytes >= kMaxGroupBytes);

StorageError damage(const std::string& file, std::uint64_t offset, const char* what) {
  return {Errc::damaged, file, offset, what};
}

}  // namespace

struct JournalReader::Walk {
  enum class Step { group, end_mark, end };

  Walk(FileSystem& files_in, const JournalOptions& options_in) : files(files_in), options(options_in) {}

  StorageResult<void> start(const std::optional<JournalPosition>& from);
  StorageResult<void> walk_to(const JournalPosition& from);
  StorageResult<Step> step();

  StorageResult<void> open_current();
  StorageResult<std::span<const std::byte>> view(std::uint64_t offset, std::uint64_t bytes);
  StorageResult<void> check_place(const GroupHeader& header) const;
  StorageResult<Step> examine();
  StorageResult<Step> accept(const GroupHeader& header, std::span<const std::byte> bytes);
  StorageResult<Step> end_at(std::uint64_t unfinished_bytes);
  StorageResult<void> require_no_later_group(std::span<const std::byte> region) const;
  StorageResult<void> require_zeros_behind(std::uint64_t offset);
  StorageError damaged(const char* what) const { return damage(segment.path, position.offset, what); }

  FileSystem& files;
  const JournalOptions options;
  std::vector<std::uint64_t> numbers;
  Segment segment;  // number 0 while none is open
  std::vector<std::byte> buffer;
  std::uint64_t buffer_at = 0;
  JournalPosition position;
  bool chain_known = true;  // sequence and hash of what comes before `position` are known
  bool ended = false;
  JournalTail tail;
  JournalGroup group;
};

StorageResult<void> JournalReader::Walk::start(const std::optional<JournalPosition>& from) {
  auto listed = list_segments(files, options.directory);
  if (!listed) return listed.error();
  numbers = std::move(*listed);
  if (from) return walk_to(*from);
  if (!numbers.empty()) position.segment = numbers.front();
  chain_known = position.segment == 1;
  return {};
}

// Walks from the start of the position's segment, or of the one before when it begins there: only so is it
// certain that the journal reaches the position.
StorageResult<void> JournalReader::Walk::walk_to(const JournalPosition& from) {
  if (numbers.empty() && from == JournalPosition{}) return {};
  const auto is_there = [&](std::uint64_t number) {
    return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
  };
  const std::string path = segment_path(options.directory, from.segment);
  if (!is_there(from.segment)) return damage(path, from.offset, "the segment of the position is missing");
  const bool walk_before = from.offset == 0 && is_there(from.segment - 1);
  position.segment = walk_before ? from.segment - 1 : from.segment;
  chain_known = position.segment == 1;
  if (from.offset == 0 && !walk_before) {
    if (from.segment == 1 && from != JournalPosition{})
      return damage(path, 0, "the position is not a beginning");
    position = from;
    chain_known = true;
    return {};
  }
  const auto place = [](const JournalPosition& p) { return std::make_tuple(p.segment, p.offset); };
  while (place(position) < place(from)) {
    auto stepped = step();
    if (!stepped) return stepped.error();
    if (*stepped == Step::end) return damaged("the journal ends before the position that was asked for");
  }
  if (position != from)
    return damage(path, from.offset, "the position in books/data.mdb does not fit the journal");
  return {};
}

StorageResult<void> JournalReader::Walk::open_current() {
  if (segment.number == position.segment) return {};
  auto opened = open_segment(files, options.directory, position.segment, FileSystem::Access::read);
  if (!opened) {
    if (opened.error().code != boost::system::errc::no_such_file_or_directory) return opened.error();
    return damage(segment_path(options.directory, position.segment), 0, "the segment is missing");
  }
  segment = std::move(*opened);
  buffer.clear();
  return {};
}

StorageResult<std::span<const std::byte>> JournalReader::Walk::view(std::uint64_t offset,
                                                                    std::uint64_t bytes) {
  if (offset < buffer_at || offset + bytes > buffer_at + buffer.size()) {
    buffer.resize(std::min<std::uint64_t>(kReadBytes, segment.bytes - offset));
    buffer_at = offset;
    if (auto read = segment.file->read_at(offset, buffer); !read) {
      buffer.clear();
      return StorageError{read.error(), segment.path, offset, "reading the journal"};
    }
  }
  return std::span<const std::byte>(buffer).subspan(offset - buffer_at, bytes);
}

StorageResult<void> JournalReader::Walk::check_place(const GroupHeader& header) const {
  if (header.folder_id != options.folder_id) return damaged("the group belongs to another data folder");
  if (header.segment != segment.number) return damaged("the group belongs to another segment");
  if (header.segment_bytes != segment.bytes) return damaged("the size of the segment was changed");
  if (chain_known && header.sequence != position.sequence) return damaged("the group is out of sequence");
  if (chain_known && header.previous_hash != position.previous_hash)
    return damaged("the hash chain is broken");
  const bool mark_fits = !header.end_mark() || (header.records == 0 && header.payload_bytes == 0);
  if (!mark_fits || header.end_mark() != (header.records == 0))
    return damaged("the group's records do not fit its kind");
  const std::uint64_t behind = header.end_mark() ? 0 : kSectorBytes;
  if (header.group_bytes() > options.max_group_bytes ||
      position.offset + header.group_bytes() + behind > segment.bytes) {
    return damaged("the group is longer than its place");
  }
  return {};
}

StorageResult<JournalReader::Walk::Step> JournalReader::Walk::step() {
  if (ended) return Step::end;
  if (numbers.empty()) {
    ended = true;
    tail.end = position;
    return Step::end;
  }
  if (auto opened = open_current(); !opened) return opened.error();
  if (position.offset + kSectorBytes > segment.bytes) return damaged("the segment has no end mark");
  return examine();
}

StorageResult<JournalReader::Walk::Step> JournalReader::Walk::examine() {
  auto sector = view(position.offset, kSectorBytes);
  if (!sector) return sector.error();
  if (all_zero(*sector)) return end_at(0);
  GroupHeader header;
  const HeaderCheck check = decode_header(*sector, header);
  if (check == HeaderCheck::newer_format) {
    return StorageError{Errc::newer_format, segment.path, position.offset, text_of(check)};
  }
  if (check != HeaderCheck::ok) return damaged(text_of(check));
  if (auto placed = check_place(header); !placed) return placed.error();
  auto bytes = view(position.offset, header.group_bytes());
  if (!bytes) return bytes.error();
  if (group_hash(*bytes, header) == header.hash && padding_holds(*bytes, header))
    return accept(header, *bytes);
  if (count_zero_sectors(bytes->subspan(kSectorBytes)) > header.zero_sectors) return end_at(bytes->size());
  return damaged("the bytes of the group do not fit its hash");
}

StorageResult<JournalReader::Walk::Step> JournalReader::Walk::accept(const GroupHeader& header,
                                                                     std::span<const std::byte> bytes) {
  if (!split_group(header, position.offset, bytes, group))
    return damaged("the lengths of the records do not fit");
  tail.last_segment = segment.number;
  tail.last_offset = position.offset;
  tail.last_bytes = bytes.size();
  chain_known = true;
  position.sequence = header.sequence + 1;
  position.previous_hash = header.hash;
  position.offset += bytes.size();
  if (!header.end_mark()) return Step::group;
  auto nonzero = first_nonzero(segment, position.offset);
  if (!nonzero) return nonzero.error();
  if (*nonzero) return damage(segment.path, **nonzero, "bytes behind the end mark");
  position.segment += 1;
  position.offset = 0;
  return Step::end_mark;
}

// The group at the position is not whole: unfinished_bytes is its length, 0 when its header is missing too.
// It is the end of the journal only if nothing was written behind it.
StorageResult<JournalReader::Walk::Step> JournalReader::Walk::end_at(std::uint64_t unfinished_bytes) {
  if (!chain_known) return damaged("the oldest segment has no group");
  const std::uint64_t rest = segment.bytes - position.offset;
  const std::uint64_t extent =
      unfinished_bytes > 0 ? unfinished_bytes : std::min(rest, std::uint64_t{options.max_group_bytes});
  auto region = view(position.offset, extent);
  if (!region) return region.error();
  tail.torn = !all_zero(*region);
  if (tail.torn && unfinished_bytes == 0) {
    if (auto none = require_no_later_group(*region); !none) return none.error();
  }
  if (auto zeros = require_zeros_behind(position.offset + extent); !zeros) return zeros.error();
  tail.end = position;
  ended = true;
  return Step::end;
}

// A group is written only when the one before is durable, so that a later header proves that this one was.
StorageResult<void> JournalReader::Walk::require_no_later_group(std::span<const std::byte> region) const {
  for (std::size_t at = kSectorBytes; at + kSectorBytes <= region.size(); at += kSectorBytes) {
    GroupHeader later;
    if (decode_header(region.subspan(at), later) != HeaderCheck::ok) continue;
    if (later.folder_id == options.folder_id && later.sequence > position.sequence) {
      return damaged("a group is missing before a later one");
    }
  }
  return {};
}

StorageResult<void> JournalReader::Walk::require_zeros_behind(std::uint64_t offset) {
  auto nonzero = first_nonzero(segment, offset);
  if (!nonzero) return nonzero.error();
  if (*nonzero) return damage(segment.path, **nonzero, "bytes behind an invalid group");
  for (std::uint64_t number = segment.number + 1; number <= numbers.back(); ++number) {
    auto later = open_segment(files, options.directory, number, FileSystem::Access::read);
    if (!later) return later.error();
    nonzero = first_nonzero(*later, 0);
    if (!nonzero) return nonzero.error();
    if (*nonzero) return damage(later->path, **nonzero, "bytes in a segment behind the end of the journal");
  }
  return {};
}

JournalReader::JournalReader(std::unique_ptr<Walk> walk) : walk_(std::move(walk)) {}
JournalReader::JournalReader(JournalReader&&) noexcept = default;
JournalReader::~JournalReader() = default;

StorageResult<JournalReader> JournalReader::open(FileSystem& files, const JournalOptions& options,
                                                 const std::optional<JournalPosition>& from) {
  initialize_hashing();
  auto walk = std::make_unique<Walk>(files, options);
  if (auto started = walk->start(from); !started) return started.error();
  return JournalReader(std::move(walk));
}

StorageResult<const JournalGroup*> JournalReader::next(std::uint64_t before) {
  while (walk_->position.sequence < before) {
    auto stepped = walk_->step();
    if (!stepped) return stepped.error();
    if (*stepped == Walk::Step::end) return static_cast<const JournalGroup*>(nullptr);
    if (*stepped == Walk::Step::group) return static_cast<const JournalGroup*>(&walk_->group);
  }
  return static_cast<const JournalGroup*>(nullptr);
}

const JournalPosition& JournalReader::position() const noexcept { return walk_->position; }

const JournalTail& JournalReader::tail() const noexcept {
  RECHARGE_STORAGE_INVARIANT(walk_->ended);
  return walk_->tail;
}

}  // namespace recharge
