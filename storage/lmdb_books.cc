#include "storage/lmdb_books.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/container/static_vector.hpp>
#include <cerrno>
#include <cstring>

#include "storage/books_meta.h"
#include "storage/lmdb_file.h"
#include "storage/real_file.h"

namespace recharge {
namespace {

constexpr std::size_t kLargestWriteBytes = 64 * 4096;  // of LMDB in one call
constexpr unsigned kMaxReaders = 300;                  // io threads and a few more

boost::system::error_code error_of(int rc) noexcept {
  if (rc > 0) return {rc, boost::system::generic_category()};
  switch (rc) {
    case MDB_MAP_FULL:
      return {ENOSPC, boost::system::generic_category()};
    case MDB_VERSION_MISMATCH:
      return make_error_code(Errc::newer_format);
    default:
      return make_error_code(Errc::damaged);
  }
}

// LMDB answers EIO where the system wrote a part only, and that is how a disk gets full in the middle of a
// write.
boost::system::error_code write_error(MDB_env* env, int rc) noexcept {
  if (rc != EIO) return error_of(rc);
  int fd = -1;
  struct statvfs disk {};
  if (mdb_env_get_fd(env, &fd) != MDB_SUCCESS || ::fstatvfs(fd, &disk) != 0) return error_of(rc);
  return error_of(disk.f_bavail * disk.f_frsize < kLargestWriteBytes ? ENOSPC : rc);
}

MDB_val value_of(Bytes bytes) noexcept { return {bytes.size(), const_cast<std::byte*>(bytes.data())}; }
MDB_val value_of(std::string_view text) noexcept { return {text.size(), const_cast<char*>(text.data())}; }
Bytes bytes_of(const MDB_val& value) noexcept {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

}  // namespace

struct LmdbBooks::Environment {
  MDB_env* env = nullptr;
  std::array<MDB_dbi, kTables> tables{};
  MDB_dbi meta = 0;
  FolderId folder_id{};
  RowCheck row_check;
  std::shared_ptr<File> file;  // open from the start: a look-up must not need a descriptor
  std::string path;

  ~Environment() {
    if (env != nullptr) mdb_env_close(env);
  }
};

namespace {

class Snapshot final : public BooksSnapshot {
 public:
  explicit Snapshot(const LmdbBooks::Environment& environment)
      : environment_(environment), env_(environment.env), tables_(environment.tables) {}
  ~Snapshot() override {
    for (auto* cursor : cursors_) {
      if (cursor != nullptr) mdb_cursor_close(cursor);
    }
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
  }

  Result<std::optional<Bytes>> get(Table table, Bytes key) override {
    if (auto ready = acquire(); !ready) return ready.error();
    MDB_val at = value_of(key);
    MDB_val value;
    const int rc = mdb_get(transaction_, tables_[static_cast<std::size_t>(table)], &at, &value);
    if (rc == MDB_NOTFOUND) {
      if (auto proven = prove_missing(table, key); !proven) return proven.error();
      return std::nullopt;
    }
    if (rc != MDB_SUCCESS) return error_of(rc);
    return bytes_of(value);
  }

  // LMDB has no empty key: every row is above it.
  Result<std::optional<BooksRow>> first_from(Table table, Bytes key) override {
    return seek(table, key, [](MDB_cursor* cursor, MDB_val& at, MDB_val& value) {
      return mdb_cursor_get(cursor, &at, &value, at.mv_size == 0 ? MDB_FIRST : MDB_SET_RANGE);
    });
  }

  Result<std::optional<BooksRow>> last_before(Table table, Bytes key) override {
    if (key.empty()) return std::nullopt;
    return seek(table, key, [](MDB_cursor* cursor, MDB_val& at, MDB_val& value) {
      const int rc = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
      if (rc == MDB_NOTFOUND) return mdb_cursor_get(cursor, &at, &value, MDB_LAST);
      return rc != MDB_SUCCESS ? rc : mdb_cursor_get(cursor, &at, &value, MDB_PREV);
    });
  }

  void release() noexcept override {
    if (!live_) return;
    mdb_txn_reset(transaction_);
    live_ = false;
  }

 private:
  // A damaged page can hide a row that is there: a balance would be shown as zero, or an account be begun
  // anew over it. Only for orders and accounts, which are rarely missing: other tables are searched in vain
  // on the way of every callback, and what is hidden there shows in the daily pass.
  Result<void> prove_missing(Table table, Bytes key) {
    if (!environment_.row_check || (table != Table::orders && table != Table::accounts)) return {};
    auto file = LmdbFile::over(environment_.file, environment_.path, mdb_txn_id(transaction_));
    if (!file && file.error().is(Errc::not_found))
      return {};  // two commits since: the next look-up will tell
    if (!file) return file.error().code;
    bool sound = true;
    std::optional<std::uint64_t> page;
    const auto visit = [&](Bytes at, Bytes value, std::uint64_t offset) {
      if (page && *page != offset) return false;
      page = offset;
      sound = environment_.row_check(table, at, value) &&
              !std::equal(at.begin(), at.end(), key.begin(), key.end());
      return sound;
    };
    const auto scanned = file->scan(kTableNames[static_cast<std::size_t>(table)], key, visit, true);
    if (!scanned) return scanned.error().code;
    if (!sound) return Errc::damaged;
    return {};
  }

  Result<void> acquire() {
    if (live_) return {};
    const int rc = transaction_ == nullptr ? mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction_)
                                           : mdb_txn_renew(transaction_);
    if (rc != MDB_SUCCESS) return error_of(rc);
    live_ = true;
    cursors_renewed_ = {};
    return {};
  }

  template <class Move>
  Result<std::optional<BooksRow>> seek(Table table, Bytes key, const Move& move) {
    if (auto ready = acquire(); !ready) return ready.error();
    const auto index = static_cast<std::size_t>(table);
    auto*& cursor = cursors_[index];
    int rc = MDB_SUCCESS;
    if (cursor == nullptr) {
      rc = mdb_cursor_open(transaction_, tables_[index], &cursor);
    } else if (!cursors_renewed_[index]) {
      rc = mdb_cursor_renew(transaction_, cursor);
    }
    if (rc != MDB_SUCCESS) return error_of(rc);
    cursors_renewed_[index] = true;
    MDB_val at = value_of(key);
    MDB_val value;
    rc = move(cursor, at, value);
    if (rc == MDB_NOTFOUND) return std::nullopt;
    if (rc != MDB_SUCCESS) return error_of(rc);
    return BooksRow{bytes_of(at), bytes_of(value)};
  }

  const LmdbBooks::Environment& environment_;
  MDB_env* env_;
  const std::array<MDB_dbi, kTables>& tables_;
  MDB_txn* transaction_ = nullptr;
  std::array<MDB_cursor*, kTables> cursors_{};
  std::array<bool, kTables> cursors_renewed_{};
  bool live_ = false;
};

class Transaction final : public BooksTransaction {
 public:
  Transaction(MDB_txn* transaction, const LmdbBooks::Environment& environment)
      : env_(environment.env),
        transaction_(transaction),
        tables_(environment.tables),
        meta_(environment.meta),
        folder_id_(environment.folder_id) {}
  ~Transaction() override {
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
  }

  Result<void> put(Table table, Bytes key, Bytes value) override {
    const auto index = static_cast<std::size_t>(table);
    auto*& cursor = cursors_[index];
    if (cursor == nullptr) {
      if (const int rc = mdb_cursor_open(transaction_, tables_[index], &cursor); rc != MDB_SUCCESS)
        return write_error(env_, rc);
      MDB_val last;
      MDB_val unused;
      const int rc = mdb_cursor_get(cursor, &last, &unused, MDB_LAST);
      if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) return write_error(env_, rc);
      if (rc == MDB_SUCCESS) last_keys_[index].assign(bytes_of(last).begin(), bytes_of(last).end());
    }
    MDB_val at = value_of(key);
    MDB_val stored = value_of(value);
    // Appending keeps pages full where keys only grow, as those of orders and transfers mostly do.
    auto& last_key = last_keys_[index];
    const bool grows = std::lexicographical_compare(last_key.begin(), last_key.end(), key.begin(), key.end());
    const int rc = mdb_cursor_put(cursor, &at, &stored, grows ? MDB_APPEND : 0);
    if (rc != MDB_SUCCESS) return write_error(env_, rc);
    if (grows) last_key.assign(key.begin(), key.end());
    return {};
  }

  Result<void> erase(Table table, Bytes key) override {
    MDB_val at = value_of(key);
    const int rc = mdb_del(transaction_, tables_[static_cast<std::size_t>(table)], &at, nullptr);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) return write_error(env_, rc);
    return {};
  }

  Result<void> set_position(const BooksPosition& position) override {
    const auto row = encode_position(position, folder_id_);
    MDB_val key = value_of(kPositionKey);
    MDB_val value = value_of(Bytes(row));
    if (const int rc = mdb_put(transaction_, meta_, &key, &value, 0); rc != MDB_SUCCESS)
      return write_error(env_, rc);
    return {};
  }

  Result<void> commit() override {
    for (auto*& cursor : cursors_) {
      if (cursor != nullptr) mdb_cursor_close(cursor);
      cursor = nullptr;
    }
    const int rc = mdb_txn_commit(std::exchange(transaction_, nullptr));  // freed whether it succeeds or not
    if (rc != MDB_SUCCESS) return write_error(env_, rc);
    return {};
  }

 private:
  MDB_env* env_;
  MDB_txn* transaction_;
  const std::array<MDB_dbi, kTables>& tables_;
  MDB_dbi meta_;
  const FolderId& folder_id_;
  std::array<MDB_cursor*, kTables> cursors_{};
  std::array<boost::container::static_vector<std::byte, 512>, kTables> last_keys_;
};

StorageError at_opening(int rc, const std::string& file, const char* what) {
  return StorageError{error_of(rc), file, 0, what};
}

StorageResult<void> flush_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!flushed) return at_opening(error, directory, "cannot be flushed");
  return {};
}

// Stands beside the books while they are made: an environment that was interrupted before its first commit
// may never open, and looks like damage.
std::string unfinished_mark(const std::string& directory) { return directory + "/unfinished"; }

StorageResult<void> begin_afresh(const std::string& directory) {
  const auto mark = unfinished_mark(directory);
  const int fd = ::open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return at_opening(errno, mark, "cannot be made");
  ::close(fd);
  if (auto flushed = flush_directory(directory); !flushed) return flushed;
  for (const auto& name : {directory + "/data.mdb", directory + "/lock.mdb"}) {
    if (::unlink(name.c_str()) != 0 && errno != ENOENT) return at_opening(errno, name, "cannot be removed");
  }
  return {};
}

StorageResult<void> complete(const std::string& directory) {
  const auto mark = unfinished_mark(directory);
  if (auto flushed = flush_directory(directory); !flushed) return flushed;
  if (::unlink(mark.c_str()) != 0) return at_opening(errno, mark, "cannot be removed");
  return flush_directory(directory);
}

}  // namespace

LmdbBooks::LmdbBooks(std::unique_ptr<Environment> environment) : environment_(std::move(environment)) {}
LmdbBooks::~LmdbBooks() = default;

StorageResult<std::unique_ptr<LmdbBooks>> LmdbBooks::open(const std::string& directory,
                                                          const FolderId& folder_id, Open how) {
  const std::string file = directory + "/data.mdb";
  const bool shared = how == Open::shared;
  if (!shared && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return at_opening(errno, directory, "cannot be made");
  if (how == Open::fresh) {
    if (auto done = begin_afresh(directory); !done) return done.error();
  } else if (::access(unfinished_mark(directory).c_str(), F_OK) == 0) {
    return StorageError{make_error_code(Errc::not_found), file, 0, "the books were never completed"};
  } else if (struct stat found; ::stat(file.c_str(), &found) != 0) {
    return StorageError{make_error_code(Errc::not_found), file, 0, "the books are missing"};
  } else if (found.st_size < 2 * ::sysconf(_SC_PAGESIZE)) {
    return StorageError{make_error_code(Errc::damaged), file, 0, "the file is too short for its headers"};
  }
  auto environment = std::make_unique<Environment>();
  environment->folder_id = folder_id;
  int rc = mdb_env_create(&environment->env);
  if (rc == MDB_SUCCESS) rc = mdb_env_set_mapsize(environment->env, kBooksMapBytes);
  if (rc == MDB_SUCCESS) rc = mdb_env_set_maxdbs(environment->env, kTables + 1);
  if (rc == MDB_SUCCESS) rc = mdb_env_set_maxreaders(environment->env, kMaxReaders);
  if (rc == MDB_SUCCESS)
    rc = mdb_env_open(environment->env, directory.c_str(),
                      MDB_NOTLS | MDB_NORDAHEAD | (shared ? MDB_RDONLY : 0), 0600);
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "cannot be opened");
  int stale = 0;
  mdb_reader_check(environment->env, &stale);

  // A page beyond the end of the file would be a SIGBUS when it is read.
  MDB_envinfo info;
  MDB_stat stat;
  mdb_env_info(environment->env, &info);
  mdb_env_stat(environment->env, &stat);
  struct stat found;
  if (::stat(file.c_str(), &found) != 0) return at_opening(errno, file, "cannot be examined");
  if (how != Open::fresh &&
      static_cast<std::uint64_t>(found.st_size) < (info.me_last_pgno + 1) * stat.ms_psize) {
    return StorageError{make_error_code(Errc::damaged), file, static_cast<std::uint64_t>(found.st_size),
                        "the file ends before its last page"};
  }

  MDB_txn* transaction = nullptr;
  rc = mdb_txn_begin(environment->env, nullptr, shared ? MDB_RDONLY : 0, &transaction);
  if (rc == MDB_SUCCESS) {
    const unsigned make = shared ? 0 : MDB_CREATE;
    for (std::size_t i = 0; i < kTables && rc == MDB_SUCCESS; ++i) {
      rc = mdb_dbi_open(transaction, kTableNames[i].data(), make, &environment->tables[i]);
      if (rc == MDB_NOTFOUND && shared && i >= first_later_table(kOldestBooksSchema))
        rc = MDB_SUCCESS;  // no view reads those
    }
    if (rc == MDB_SUCCESS) rc = mdb_dbi_open(transaction, kMetaTable.data(), make, &environment->meta);
    if (rc == MDB_SUCCESS) {
      rc = mdb_txn_commit(transaction);
    } else {
      mdb_txn_abort(transaction);
    }
  }
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "tables cannot be opened");

  std::unique_ptr<LmdbBooks> books(new LmdbBooks(std::move(environment)));
  if (auto done = books->check_or_write_header(how, file); !done) return done.error();
  if (how == Open::fresh) {
    if (auto done = complete(directory); !done) return done.error();
  }
  return books;
}

StorageResult<void> LmdbBooks::check_or_write_header(Open how, const std::string& file) {
  if (how == Open::fresh) {
    if (auto done = write_header(file); !done) return done;
    auto first = begin();
    Result<void> done = first ? (*first)->set_position({}) : Result<void>(first.error());
    if (done) done = (*first)->commit();
    if (!done) return StorageError{done.error(), file, 0, "position cannot be written"};
    return {};
  }
  MDB_txn* transaction = nullptr;
  int rc = mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &transaction);
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "cannot be read");
  MDB_val key = value_of(kHeaderKey);
  MDB_val value;
  rc = mdb_get(transaction, environment_->meta, &key, &value);
  const auto checked =
      rc == MDB_SUCCESS ? check_header(bytes_of(value), environment_->folder_id) : Result<void>();
  const bool older = rc == MDB_SUCCESS && checked &&
                     !std::ranges::equal(bytes_of(value), encode_header(environment_->folder_id));
  mdb_txn_abort(transaction);
  if (rc == MDB_NOTFOUND)
    return StorageError{make_error_code(Errc::not_found), file, 0, "the books were never completed"};
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "header cannot be read");
  if (!checked && checked.error() == Errc::damaged) {
    return StorageError{checked.error(), file, 0,
                        "the books belong to another data folder, or their header is damaged"};
  }
  if (!checked) return StorageError{checked.error(), file, 0, "schema of the books"};
  if (older && how == Open::existing) return write_header(file);  // opening made the tables that they lacked
  return {};
}

StorageResult<void> LmdbBooks::write_header(const std::string& file) {
  MDB_txn* transaction = nullptr;
  int rc = mdb_txn_begin(environment_->env, nullptr, 0, &transaction);
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "cannot be written");
  const auto row = encode_header(environment_->folder_id);
  MDB_val key = value_of(kHeaderKey);
  MDB_val value = value_of(Bytes(row));
  rc = mdb_put(transaction, environment_->meta, &key, &value, 0);
  if (rc == MDB_SUCCESS) {
    rc = mdb_txn_commit(transaction);
  } else {
    mdb_txn_abort(transaction);
  }
  if (rc != MDB_SUCCESS) return at_opening(rc, file, "header cannot be written");
  return {};
}

std::unique_ptr<BooksSnapshot> LmdbBooks::snapshot() { return std::make_unique<Snapshot>(*environment_); }

Result<std::unique_ptr<BooksTransaction>> LmdbBooks::begin() {
  // Another process that read the books and was killed would keep its pages from being used again.
  int stale = 0;
  mdb_reader_check(environment_->env, &stale);
  MDB_txn* transaction = nullptr;
  const int rc = mdb_txn_begin(environment_->env, nullptr, 0, &transaction);
  if (rc != MDB_SUCCESS) return error_of(rc);
  return std::make_unique<Transaction>(transaction, *environment_);
}

Result<BooksPosition> LmdbBooks::position() {
  MDB_txn* transaction = nullptr;
  int rc = mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &transaction);
  if (rc != MDB_SUCCESS) return error_of(rc);
  MDB_val key = value_of(kPositionKey);
  MDB_val value;
  rc = mdb_get(transaction, environment_->meta, &key, &value);
  Result<BooksPosition> position = Errc::damaged;
  if (rc == MDB_SUCCESS) position = decode_position(bytes_of(value), environment_->folder_id);
  mdb_txn_abort(transaction);
  if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) return error_of(rc);
  return position;
}

Result<void> LmdbBooks::check_rows_with(RowCheck check) {
  const char* directory = nullptr;
  mdb_env_get_path(environment_->env, &directory);
  environment_->path = std::string(directory) + "/data.mdb";
  RealFileSystem files;
  auto file = files.open(environment_->path, FileSystem::Access::read);
  if (!file) return file.error();
  environment_->file = std::move(*file);
  environment_->row_check = std::move(check);
  return {};
}

LmdbBooks::View::~View() {
  if (transaction_ != nullptr) mdb_txn_abort(static_cast<MDB_txn*>(transaction_));
}
std::uint64_t LmdbBooks::View::transaction() const noexcept {
  return mdb_txn_id(static_cast<MDB_txn*>(transaction_));
}
Result<LmdbBooks::View> LmdbBooks::view() {
  MDB_txn* transaction = nullptr;
  const int rc = mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &transaction);
  if (rc != MDB_SUCCESS) return error_of(rc);
  return View(transaction);
}

std::uint64_t LmdbBooks::rows(Table table) {
  MDB_txn* transaction = nullptr;
  if (mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &transaction) != MDB_SUCCESS) return 0;
  MDB_stat stat{};
  mdb_stat(transaction, environment_->tables[static_cast<std::size_t>(table)], &stat);
  mdb_txn_abort(transaction);
  return stat.ms_entries;
}

std::uint64_t LmdbBooks::used_bytes() {
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(environment_->env, &info);
  mdb_env_stat(environment_->env, &stat);
  return (info.me_last_pgno + 1) * stat.ms_psize;
}

}  // namespace recharge
