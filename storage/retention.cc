#include "storage/retention.h"

#include <chrono>

#include "storage/books_check.h"
#include "storage/books_replica.h"
#include "storage/journal_format.h"
#include "storage/segment.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

// The base's rows and its position move in one transaction each time: no row is ever ahead of the position,
// so that a base which a later run wants to seal earlier is recognised.
constexpr std::size_t kChangedLimitBytes = std::size_t{8} << 20;
constexpr std::size_t kRecordsPerTransaction = SIZE_MAX;
constexpr std::chrono::milliseconds kBetweenTransactions{2};

}  // namespace

Retention::Retention(FileSystem& files, RetainedFolder folder, RetentionOptions options)
    : files_(files), folder_(std::move(folder)), options_(std::move(options)) {}

Retention::~Retention() { stop(); }

void Retention::start() { thread_ = std::thread(&Retention::run, this); }

void Retention::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Retention::run() {
  begin_thread("retention", Urgency::idle);
  std::int64_t wait_ms = options_.interval_ms;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, std::chrono::milliseconds(wait_ms), [this] { return stopping_.load(); }))
        return;
    }
    const auto done = run_once();
    if (!done && options_.on_error) options_.on_error(done.error());
    wait_ms = done ? options_.interval_ms : options_.interval_after_error_ms;
  }
}

// Nothing where the segment has no group yet.
StorageResult<std::optional<Retention::Beginning>> Retention::beginning_of(std::uint64_t segment) const {
  auto opened = open_segment(files_, folder_.journal.directory, segment, FileSystem::Access::read);
  if (!opened) return opened.error();
  std::vector<std::byte> sector(kSectorBytes);
  if (auto read = opened->file->read_at(0, sector); !read)
    return StorageError{read.error(), opened->path, 0, "reading the first group"};
  if (all_zero(sector)) return std::optional<Beginning>();
  GroupHeader header;
  if (decode_header(sector, header) != HeaderCheck::ok || header.segment != segment)
    return StorageError{Errc::damaged, opened->path, 0, "the header of the first group"};
  return std::optional(Beginning{{segment, 0, header.sequence, header.previous_hash}, header.wall_ms});
}

// The beginning of the first segment that has to stay.
StorageResult<std::optional<Retention::Beginning>> Retention::first_to_keep(
    const std::vector<std::uint64_t>& numbers) const {
  std::optional<Beginning> kept;
  const auto needed = options_.checkpointed_segment();
  std::uint64_t bytes = 0;
  for (const auto number : numbers) {
    if (!options_.limits.bytes) break;
    auto segment = open_segment(files_, folder_.journal.directory, number, FileSystem::Access::read);
    if (!segment) return segment.error();
    bytes += segment->bytes;
  }
  for (const auto number : numbers) {
    if (number >= needed || number == numbers.back()) break;
    const auto next = beginning_of(number + 1);
    if (!next) return next.error();
    if (!*next) break;
    const bool old =
        options_.limits.age_ms && (*next)->wall_ms < options_.wall_ms() - *options_.limits.age_ms;
    const bool over = options_.limits.bytes && bytes > *options_.limits.bytes;
    if (!old && !over) break;
    auto segment = open_segment(files_, folder_.journal.directory, number, FileSystem::Access::read);
    if (!segment) return segment.error();
    bytes -= segment->bytes;
    kept = **next;
  }
  if (!kept) return kept;
  const std::uint64_t first = needed_by_subscribers(kept->position.segment);
  if (first >= kept->position.segment) return kept;
  if (first <= numbers.front()) return std::optional<Beginning>();
  return beginning_of(first);
}

StorageResult<bool> Retention::is_worth_it(std::uint64_t first, std::uint64_t target) const {
  const std::string path = base_directory(folder_.data_dir) + "/data.mdb";
  const auto present = files_.exists(path);
  if (present && !*present) return true;
  auto base = files_.open(path, FileSystem::Access::read);
  const auto size = base ? (*base)->size() : Result<std::uint64_t>(base.error());
  if (!size) return StorageError{size.error(), path, 0, "asking for the size"};
  std::uint64_t bytes = 0;
  for (auto number = first; number < target; ++number) {
    auto segment = open_segment(files_, folder_.journal.directory, number, FileSystem::Access::read);
    if (!segment) return segment.error();
    bytes += segment->bytes;
  }
  return bytes >= *size / options_.base_share;
}

// True where the base is sealed at `until`; false where it stands behind it already, or stop() was called.
StorageResult<bool> Retention::carry_forward(std::optional<BaseSeal>& seal, const JournalPosition& until) {
  const std::string directory = base_directory(folder_.data_dir);
  const auto& folder_id = folder_.journal.folder_id;
  if (seal) {
    if (auto sound = check_base(files_, folder_.data_dir, *seal, folder_.codec); !sound) return sound.error();
  }
  const auto write_open_seal = [&]() -> StorageResult<void> {
    seal = BaseSeal{seal ? seal->position : JournalPosition{}, std::nullopt};
    if (auto opened = write_base_seal(files_, folder_.data_dir, folder_id, *seal); !opened) return opened;
    if (auto synced = files_.sync_directory(folder_.data_dir); !synced)
      return StorageError{synced.error(), folder_.data_dir, 0, "flushing the directory"};
    return {};
  };
  const bool fresh = !seal;
  if (seal && seal->digest) {  // first: opening a base of an earlier build adds to its file
    if (auto opened = write_open_seal(); !opened) return opened.error();
  }
  auto books =
      LmdbBooks::open(directory, folder_id, fresh ? LmdbBooks::Open::fresh : LmdbBooks::Open::existing);
  if (!books) return books.error();
  if (fresh) {
    if (auto opened = write_open_seal(); !opened) return opened.error();
  }
  const auto from = (*books)->position();
  if (!from) return StorageError{from.error(), directory + "/data.mdb", 0, "the position cannot be read"};
  if (from->journal.sequence > until.sequence) return false;
  ReplayPace pace{kChangedLimitBytes, kRecordsPerTransaction,
                  [] { std::this_thread::sleep_for(kBetweenTransactions); },
                  [this] { return stopping_.load(); }};
  {
    auto replica = BooksReplica::open(folder_.map, folder_.codec, **books, directory + "/data.mdb", pace);
    if (!replica) return replica.error();
    auto replayed = replica->replay(files_, folder_.journal, until);
    if (!replayed) return replayed.error();
    if (replayed->stopped) return false;
    if (replayed->end != until) {
      return StorageError{Errc::damaged, segment_path(folder_.journal.directory, until.segment), 0,
                          "the segment does not continue the one before"};
    }
  }
  books->reset();  // what is sealed is the file, not what LMDB makes of it
  const BaseSeal carried{until, std::nullopt};
  if (auto sound = check_base(files_, folder_.data_dir, carried, folder_.codec); !sound) return sound.error();
  auto digest = digest_of_base(files_, folder_.data_dir);
  if (!digest) return digest.error();
  seal = BaseSeal{until, *digest};
  if (auto sealed = write_base_seal(files_, folder_.data_dir, folder_id, *seal); !sealed)
    return sealed.error();
  sealed_here_ = true;
  return true;
}

// The oldest first, each flushed: what is left has no gap.
StorageResult<std::uint64_t> Retention::drop_before(std::uint64_t first_kept) {
  auto numbers = list_segments(files_, folder_.journal.directory);
  if (!numbers) return numbers.error();
  std::uint64_t dropped = 0;
  for (const auto number : *numbers) {
    if (number >= first_kept) break;
    if (auto removed = remove_segment(files_, folder_.journal.directory, number); !removed)
      return removed.error();
    ++dropped;
  }
  if (dropped > 0 && options_.on_dropped) options_.on_dropped(dropped, first_kept);
  return dropped;
}

StorageResult<std::uint64_t> Retention::run_once() {
  const auto needed = options_.checkpointed_segment();
  if (needed == 0) return 0;
  const auto lock = lock_journal(files_, folder_.data_dir);
  if (!lock && lock.error().is(Errc::in_use)) return 0;
  if (!lock) return lock.error();
  auto numbers = list_segments(files_, folder_.journal.directory);
  if (!numbers) return numbers.error();
  auto seal = read_base_seal(files_, folder_.data_dir, folder_.journal.folder_id);
  if (!seal) return seal.error();
  std::uint64_t dropped = 0;
  // Cut short by the end of an earlier process, whose BASE may be readable and yet not on the disk.
  if (*seal && !numbers->empty() && numbers->front() < (*seal)->position.segment) {
    if (!sealed_here_) {
      auto again = write_base_seal(files_, folder_.data_dir, folder_.journal.folder_id, **seal);
      if (!again) return again.error();
      sealed_here_ = true;
    }
    auto rest = drop_before(needed_by_subscribers(std::min((*seal)->position.segment, needed)));
    if (!rest) return rest.error();
    dropped += *rest;
    if (numbers = list_segments(files_, folder_.journal.directory); !numbers) return numbers.error();
  }
  const auto target = first_to_keep(*numbers);
  if (!target) return target.error();
  if (!*target) return dropped;
  const auto worthwhile = is_worth_it(numbers->front(), (*target)->position.segment);
  if (!worthwhile) return worthwhile.error();
  if (!*worthwhile) return dropped;
  auto sealed = carry_forward(*seal, (*target)->position);
  if (!sealed) return sealed.error();
  if (!*sealed) return dropped;
  auto more = drop_before((*target)->position.segment);
  if (!more) return more.error();
  return dropped + *more;
}

}  // namespace recharge
