#include "storage/offline_folder.h"

namespace recharge {

StorageResult<OfflineFolder> OfflineFolder::open(FileSystem& files, const std::string& data_dir) {
  const auto present = files.exists(data_dir + "/FORMAT");
  if (!present || !*present)
    return StorageError{Errc::not_found, data_dir + "/FORMAT", 0, "this is no data folder"};
  auto folder = DataFolder::open(files, data_dir, {}, {});
  if (!folder) return folder.error();
  const FolderFormat format = folder->format();
  JournalOptions journal;
  journal.directory = folder->journal_directory();
  journal.folder_id = format.folder_id;
  return OfflineFolder{std::move(*folder), ShardMap(format.hash_key, format.shard_count),
                       RecordCodec(format.hash_key), journal};
}

}  // namespace recharge
