// Purpose: a data folder opened for work without a server: locked, with what its records are read by.
// Owner: one thread. Lifetime: holds the folder's lock until destroyed. Errors: those of DataFolder, and
// Errc::not_found where there is no FORMAT: nothing is made then.
#pragma once

#include "storage/data_folder.h"
#include "storage/journal_options.h"
#include "storage/shard_map.h"
#include "storage/stored_record.h"

namespace recharge {

struct OfflineFolder {
  DataFolder folder;
  ShardMap map;
  RecordCodec codec;
  JournalOptions journal;

  static StorageResult<OfflineFolder> open(FileSystem& files, const std::string& data_dir);
  std::string books_directory() const { return folder.path() + "/books"; }
};

}  // namespace recharge
