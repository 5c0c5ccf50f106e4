#include "storage/scrubber.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "storage/journal_reader.h"
#include "storage/lmdb_file.h"

namespace recharge {
namespace {

constexpr int kNiceness = 19;
constexpr int kIoOfThisThread = 1;             // IOPRIO_WHO_PROCESS
constexpr int kIdleIo = 3 << 13;               // IOPRIO_CLASS_IDLE
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
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNiceness);
  ::syscall(SYS_ioprio_set, kIoOfThisThread, 0, kIdleIo);  // a kernel without it is no reason not to look
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

// Up to what was durable when the pass began: behind it the journal is being written. One fault ends the
// walk, since the chain cannot be followed beyond it.
void Scrubber::check_journal() {
  JournalOptions journal;
  journal.directory = store_.journal_directory();
  journal.folder_id = store_.format().folder_id;
  const auto end = store_.journal().durable_position();
  auto reader = JournalReader::open(files_, journal, JournalPosition{});
  if (!reader) return report(reader.error());
  std::uint64_t unpaid = 0;
  while (!stopping_ && reader->position().sequence < end.sequence) {
    const auto begin = reader->position();
    auto group = reader->next();
    if (!group) return report(group.error());
    const auto& reached = reader->position();
    if (*group == nullptr) {
      return report({Errc::damaged, segment_path(journal.directory, reached.segment), reached.offset,
                     "the journal ends before its durable position"});
    }
    unpaid += reached.segment == begin.segment ? reached.offset - begin.offset : reached.offset;
    if (unpaid < options_.bytes_per_second / 50) continue;
    read(unpaid);
    unpaid = 0;
  }
  read(unpaid);
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
