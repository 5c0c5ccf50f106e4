// Purpose: an opened data folder: its lock, the books, the recovered shards, one group for each io thread,
// and the journal. Owner: the thread that starts the process; then each group belongs to its thread.
// Lifetime: as long as the server runs. Errors: StorageError says which file and why; nothing is served then.
#pragma once

#include <memory>
#include <vector>

#include "core/currency.h"
#include "storage/block_pool.h"
#include "storage/checkpoint.h"
#include "storage/data_folder.h"
#include "storage/journal.h"
#include "storage/lmdb_books.h"
#include "storage/recovery.h"
#include "storage/shard_group.h"

namespace recharge {

struct StoreOptions {
  std::string data_dir;
  Currency currency;
  unsigned threads = 1;
  std::uint64_t segment_bytes = kDefaultSegmentBytes;
  std::size_t checkpoint_bytes = std::size_t{128}
                                 << 20;  // changed records, over all threads, that start a checkpoint
  std::size_t reserve_bytes = 0;         // memory for changed records, touched before
  std::int64_t idempotency_retention_ms = 86'400'000;
  JournalHooks journal_hooks;
};

class Store {
 public:
  static StorageResult<std::unique_ptr<Store>> open(FileSystem& files, const StoreOptions& options);
  ~Store();

  const ShardMap& map() const noexcept { return *map_; }
  const RecordCodec& codec() const noexcept { return *codec_; }
  const FolderFormat& format() const noexcept { return folder_->format(); }
  ShardGroup& group(unsigned thread) noexcept { return *groups_[thread]; }
  unsigned threads() const noexcept { return static_cast<unsigned>(groups_.size()); }
  Journal& journal() noexcept { return *journal_; }
  LmdbBooks& books() noexcept { return *books_; }
  const RecoveryReport& recovery() const noexcept { return report_; }
  const JournalPosition& recovered_position() const noexcept { return recovered_; }
  // That of the books when they were opened.
  std::uint64_t expiry_watermark_ms() const noexcept { return expiry_watermark_ms_; }
  std::uint64_t free_bytes() const;
  const std::string& data_dir() const noexcept { return folder_->path(); }
  std::string journal_directory() const { return folder_->journal_directory(); }
  std::string books_file() const { return folder_->path() + "/books/data.mdb"; }

 private:
  Store(FileSystem& files, std::size_t reserve_bytes) : files_(files), keeper_(reserve_bytes) {}
  StorageResult<void> open_books(const std::string& directory);
  StorageResult<void> start_shards(const StoreOptions& options, const JournalOptions& journal_options);

  FileSystem& files_;
  BlockKeeper keeper_;
  std::optional<DataFolder> folder_;
  std::optional<ShardMap> map_;
  std::optional<RecordCodec> codec_;
  std::unique_ptr<LmdbBooks> books_;
  std::vector<std::unique_ptr<ShardGroup>> groups_;
  std::unique_ptr<Journal> journal_;
  RecoveryReport report_;
  JournalPosition recovered_;
  std::uint64_t expiry_watermark_ms_ = 0;
};

}  // namespace recharge
