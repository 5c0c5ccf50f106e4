// Purpose: a backup of a data folder that may be in use, and a data folder made from a backup. A backup is a
// durable prefix of the journal, its base where the oldest segments were dropped, what is needed to read it;
// the books are made anew by restore_backup(), so that they cannot be ahead of it. Owner: one thread.
// Lifetime: calls. Errors: StorageError names the file. A backup or a folder that was cut short has no
// MANIFEST or no FORMAT and is not taken for a whole one. Source of the layout: storage/README.md.
#pragma once

#include <string>

#include "storage/file.h"
#include "storage/journal_position.h"
#include "storage/storage_error.h"

namespace recharge {

struct BackupReport {
  JournalPosition begin;  // where the base stands, if there is one
  JournalPosition end;    // its previous_hash is the head of the chain
  std::uint64_t groups = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

// Changes nothing in data_dir, and keeps segments from being dropped meanwhile. `to` must be missing or
// empty.
StorageResult<BackupReport> make_backup(FileSystem& files, const std::string& data_dir,
                                        const std::string& to);

// `data_dir` must be missing or empty. Checks the whole backup before anything is made.
StorageResult<BackupReport> restore_backup(FileSystem& files, const std::string& from,
                                           const std::string& data_dir);

// The backup's base against its BASE, and its journal against its MANIFEST.
StorageResult<BackupReport> check_backup(FileSystem& files, const std::string& from);

}  // namespace recharge
