#include "storage/scrubber.h"

#include <algorithm>

#include "storage/journal_reader.h"
#include "storage/lmdb_file.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr std::int64_t kLongestRestMs = 1000;  // so that a clock that was set does not matter
constexpr unsigned kLooksForAView = 100;

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Scrubber::Scrubber(FileSystem& files, Store& store, ScrubberOptions options)
    : files_(files), store_(store), options_(std::move(options)) {}

Scrubber::~Scrubber() { stop(); }

void Scrubber::start() { thread_ = std::thread(&Scrubber::run, this); }

void Scrubber::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// False where the owner wants to stop.
bool Scrubber::rest(std::int64_t ms) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
}

void Scrubber::run() {
  begin_thread("scrubber", Urgency::idle);
  std::int64_t next_pass = steady_ms() + std::min(options_.first_ms, options_.interval_ms);
  std::int64_t next_head = steady_ms();
  while (rest(std::clamp<std::int64_t>(std::min(next_pass, next_head) - steady_ms(), 1, kLongestRestMs))) {
    if (steady_ms() >= next_head) {
      if (options_.on_head) options_.on_head(store_.journal().durable_position());
      next_head = steady_ms() + options_.head_interval_ms;
    }
    if (steady_ms() < next_pass) continue;
    next_pass = steady_ms() + options_.interval_ms;
    run_once();
  }
}

bool Scrubber::run_once() {
  const auto before = damage();
  check_journal();
  check_base();
  for (std::size_t table = 0; table < kTables && !stopping_; ++table) check_table(static_cast<Table>(table));
  if (stopping_ || damage() != before) return false;
  last_success_ms_.store(options_.wall_ms ? options_.wall_ms() : 0, std::memory_order_relaxed);
  return true;
}

void Scrubber::report(const StorageError& error) {
  damage_.fetch_add(1, std::memory_order_relaxed);
  if (options_.on_damage) options_.on_damage(error);
}

// Counts what was read, and rests for as long as it may take at the highest rate.
void Scrubber::read(std::uint64_t bytes) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  rest(static_cast<std::int64_t>(1000 * bytes / options_.bytes_per_second));
}

// From the first segment that is kept. Where the walk fails because its segment was dropped meanwhile, it
// begins again behind that.
void Scrubber::check_journal() {
  const auto& folder_id = store_.format().folder_id;
  for (;;) {
    const auto begin = journal_beginning(files_, store_.data_dir(), folder_id);
    if (!begin) return report(begin.error());
    const auto walked = walk_journal(*begin);
    if (walked) return;
    const auto now = journal_beginning(files_, store_.data_dir(), folder_id);
    if (!now || now->segment == begin->segment) return report(walked.error());
  }
}

// Up to what was durable when it began: behind it the journal is being written. One fault ends the walk,
// since the chain cannot be followed beyond it.
StorageResult<void> Scrubber::walk_journal(const JournalPosition& from) {
  JournalOptions journal;
  journal.directory = store_.journal_directory();
  journal.folder_id = store_.format().folder_id;
  const auto end = store_.journal().durable_position();
  auto reader = JournalReader::open(files_, journal, from);
  if (!reader) return reader.error();
  std::uint64_t unpaid = 0;
  while (!stopping_ && reader->position().sequence < end.sequence) {
    const auto begin = reader->position();
    auto group = reader->next();
    if (!group) return group.error();
    const auto& reached = reader->position();
    if (*group == nullptr) {
      return StorageError{Errc::damaged, segment_path(journal.directory, reached.segment), reached.offset,
                          "the journal ends before its durable position"};
    }
    unpaid += reached.segment == begin.segment ? reached.offset - begin.offset : reached.offset;
    if (unpaid < options_.bytes_per_second / 50) continue;
    read(unpaid);
    unpaid = 0;
  }
  read(unpaid);
  return {};
}

// One that is being carried forward is looked at by whoever does that. One that was sealed anew meanwhile,
// too.
void Scrubber::check_base() {
  const auto sealed = [this] { return read_base_seal(files_, store_.data_dir(), store_.format().folder_id); };
  const auto seal = sealed();
  if (!seal) return report(seal.error());
  if (!*seal || !(*seal)->digest) return;
  const auto digest = digest_of_base(files_, store_.data_dir(), [this](std::uint64_t bytes) {
    read(bytes);
    return !stopping_;
  });
  if (stopping_ || (digest && *digest == *(*seal)->digest)) return;
  const auto now = sealed();
  if (now && *now && (*now)->digest != (*seal)->digest) return;
  const auto damage = recharge::check_base(files_, store_.data_dir(), **seal, store_.codec());
  if (!damage) report(damage.error());
}

void Scrubber::check_table(Table table) {
  StoredKey from;
  bool more = true;
  while (more && !stopping_) {
    std::uint64_t bytes = 0;
    auto checked = check_rows(table, from, bytes);
    if (!checked) return report(checked.error());
    more = *checked;
    read(bytes);
  }
}

// Some rows, in a read transaction of their own: one left open would make the file grow. True where more
// follow.
StorageResult<bool> Scrubber::check_rows(Table table, StoredKey& from, std::uint64_t& bytes) {
  const std::string path = store_.books_file();
  for (unsigned look = 0; look < kLooksForAView; ++look) {
    const auto view = store_.books().view();
    if (!view) return StorageError{view.error(), path, 0, "a read transaction"};
    auto file = LmdbFile::open(files_, path, view->transaction());
    if (!file && file.error().is(Errc::not_found)) continue;  // two commits since
    if (!file) return file.error();
    std::size_t rows = 0;
    const auto visit = [&](Bytes key, Bytes value, std::uint64_t offset) {
      if (++rows > options_.rows_at_once) {
        from.assign(key.begin(), key.end());
        return false;
      }
      if (const auto damage = row_damage(store_.codec(), path, offset, table, key, value)) report(*damage);
      return true;
    };
    const auto scanned = file->scan(kTableNames[static_cast<std::size_t>(table)], from, visit);
    bytes = file->pages_read() * file->page_bytes();
    if (!scanned) return scanned.error();
    return rows > options_.rows_at_once;
  }
  return StorageError{Errc::in_use, path, 0, "no view of the books could be had"};
}

}  // namespace recharge
