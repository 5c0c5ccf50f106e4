#include "storage/rebuild.h"

#include <filesystem>

#include "storage/base.h"
#include "storage/journal_recovery.h"
#include "storage/lmdb_books.h"

namespace recharge {
namespace {

StorageError error_of(const std::error_code& code, const std::string& file, const char* what) {
  return {{code.value(), boost::system::generic_category()}, file, 0, what};
}

// The books may stand for the last group only when it is on the disk.
StorageResult<void> make_end_certain(FileSystem& files, const JournalOptions& journal,
                                     const JournalPosition& end) {
  auto reader = JournalReader::open(files, journal, end);
  if (!reader) return reader.error();
  if (auto group = reader->next(); !group) return group.error();
  if (auto recovered = recover_tail(files, journal, *reader); !recovered) return recovered.error();
  return {};
}

// data.mdb is replaced in one step; the lock file of the old environment would not fit the new one.
StorageResult<void> put_into_place(FileSystem& files, const std::string& fresh, const std::string& books) {
  auto made = files.make_directory(books);
  if (!made) return StorageError{made.error(), books, 0, "making the directory"};
  std::error_code failed;
  std::filesystem::remove(books + "/lock.mdb", failed);
  if (!failed) std::filesystem::rename(fresh + "/data.mdb", books + "/data.mdb", failed);
  if (failed) return error_of(failed, books + "/data.mdb", "putting the new books into place");
  if (auto synced = files.sync_directory(books); !synced)
    return StorageError{synced.error(), books, 0, "flushing the directory"};
  std::filesystem::remove(books + "/unfinished", failed);
  if (!failed) std::filesystem::remove_all(fresh, failed);
  if (failed) return error_of(failed, fresh, "removing what is left over");
  if (auto synced = files.sync_directory(books); !synced)
    return StorageError{synced.error(), books, 0, "flushing the directory"};
  return {};
}

}  // namespace

StorageResult<ReplayReport> rebuild_books(FileSystem& files, const OfflineFolder& folder) {
  const std::string fresh = folder.folder.path() + "/books.new";
  std::error_code failed;
  std::filesystem::remove_all(fresh, failed);
  if (failed) return error_of(failed, fresh, "removing what an earlier attempt left");
  StorageResult<ReplayReport> replayed = ReplayReport{};
  {
    auto books =
        books_at_beginning(files, folder.folder.path(), folder.journal.folder_id, folder.codec, fresh);
    if (!books) return books.error();
    auto replica = BooksReplica::open(folder.map, folder.codec, **books, fresh + "/data.mdb");
    if (!replica) return replica.error();
    replayed = replica->replay(files, folder.journal);
  }
  if (!replayed) return replayed.error();
  if (auto certain = make_end_certain(files, folder.journal, replayed->end); !certain) return certain.error();
  if (auto placed = put_into_place(files, fresh, folder.books_directory()); !placed) return placed.error();
  return replayed;
}

}  // namespace recharge
