// Purpose: the base of a journal whose oldest segments were dropped: books in base/ as of the first kept
// group, and the file BASE that seals them with their digest and position. Whatever is made from the journal
// begins with it. Owner: any thread reads; the one that holds the journal's LOCK writes. Lifetime: values and
// calls. Errors: StorageError names the file; Errc::damaged where the base is not what was sealed. Source of
// the layout: storage/README.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/file.h"
#include "storage/journal_position.h"
#include "storage/lmdb_books.h"
#include "storage/storage_error.h"
#include "storage/stored_record.h"

namespace recharge {

struct BaseSeal {
  JournalPosition position;           // the journal is kept from here on
  std::optional<JournalHash> digest;  // BLAKE2b-256 of base/data.mdb; none while it is carried forward
};

std::string base_directory(const std::string& data_dir);

// None where the journal is whole. data_dir: of a data folder or a backup.
StorageResult<std::optional<BaseSeal>> read_base_seal(FileSystem& files, const std::string& data_dir,
                                                      const FolderId& folder_id);
StorageResult<void> write_base_seal(FileSystem& files, const std::string& data_dir, const FolderId& folder_id,
                                    const BaseSeal& seal);
// Where a walk of the whole journal begins.
StorageResult<JournalPosition> journal_beginning(FileSystem& files, const std::string& data_dir,
                                                 const FolderId& folder_id);

// Held by whoever needs segments and base to stay as they are, and by whoever changes them. Errc::in_use.
StorageResult<std::unique_ptr<FileLock>> lock_journal(FileSystem& files, const std::string& data_dir);

// on_read: called after every piece, with its bytes; false ends the walk with Errc::not_found.
using OnRead = std::function<bool(std::uint64_t bytes)>;
StorageResult<JournalHash> digest_of_base(FileSystem& files, const std::string& data_dir,
                                          const OnRead& on_read = {});
// A sealed base byte by byte; one that is carried forward by its pages and rows.
StorageResult<void> check_base(FileSystem& files, const std::string& data_dir, const BaseSeal& seal,
                               const RecordCodec& codec);

// Copies data.mdb and BASE into a folder that has none; nothing where there is no base.
StorageResult<void> copy_base(FileSystem& files, const std::string& from, const std::string& to,
                              const FolderId& folder_id);
// Books in `directory`, a real one, as they were where the kept journal begins: a copy of the base, which is
// checked, or empty ones. Cut short, they are unfinished.
StorageResult<std::unique_ptr<LmdbBooks>> books_at_beginning(FileSystem& files, const std::string& data_dir,
                                                             const FolderId& folder_id,
                                                             const RecordCodec& codec,
                                                             const std::string& directory);

}  // namespace recharge
