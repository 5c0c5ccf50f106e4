// Purpose: the data folder as a whole: one process at a time, made completely or not at all, of a known
// format. Owner: the thread that starts the process. Lifetime: holds the lock until destroyed; within its
// FileSystem. Errors: Errc::in_use when another process has it, Errc::newer_format, Errc::damaged; all name
// the file. Source of the FORMAT file: storage/README.md.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/currency.h"
#include "storage/file.h"
#include "storage/journal_position.h"
#include "storage/storage_error.h"

namespace recharge {

inline constexpr std::uint32_t kFolderFormatVersion = 1;
inline constexpr std::uint32_t kShardCount = 64;

// Fixed when the folder is made.
struct FolderFormat {
  FolderId folder_id{};
  std::uint32_t shard_count = kShardCount;
  std::array<std::uint8_t, 16> hash_key{};  // of the SipHash that spreads accounts over shards
  Currency currency;

  friend bool operator==(const FolderFormat&, const FolderFormat&) noexcept = default;
};

class DataFolder {
 public:
  using Random = std::function<void(std::span<std::uint8_t>)>;

  // Makes the folder (mode 0700) and its journal folder when missing, and locks it. Without a FORMAT file a
  // fresh format is drawn from `random` with `currency`, provided that no byte was ever written to a journal
  // segment.
  static StorageResult<DataFolder> open(FileSystem& files, const std::string& path, Currency currency,
                                        const Random& random);

  // True until complete_first_start(): whatever else the folder holds is left over from a start that was
  // interrupted, and must be made anew.
  bool first_start() const noexcept { return first_start_; }
  // The last step of a first start: writes FORMAT and renames it into place.
  StorageResult<void> complete_first_start();

  const FolderFormat& format() const noexcept { return format_; }
  const std::string& path() const noexcept { return path_; }
  std::string journal_directory() const { return path_ + "/journal"; }

 private:
  DataFolder(FileSystem& files, std::string path) : files_(&files), path_(std::move(path)) {}
  StorageResult<void> prepare_directories();
  StorageResult<void> require_unused_journal() const;

  FileSystem* files_;
  std::string path_;
  std::unique_ptr<FileLock> lock_;
  FolderFormat format_;
  bool first_start_ = false;
};

// The text of the FORMAT file, and back. file names it in errors.
std::string format_text(const FolderFormat& format);
StorageResult<FolderFormat> parse_format(const std::string& text, const std::string& file);
// Of the folder, without its lock.
StorageResult<FolderFormat> read_format(FileSystem& files, const std::string& directory);

}  // namespace recharge
