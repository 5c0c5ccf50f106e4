#include "storage/data_folder.h"

#include <string_view>

#include "storage/journal_format.h"
#include "storage/sealed_text.h"
#include "storage/segment.h"

namespace recharge {
namespace {

constexpr std::string_view kTitle = "recharge data folder";

std::string parent_of(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  const std::size_t slash = last == std::string::npos ? std::string::npos : path.rfind('/', last);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what) {
  return {code, file, 0, what};
}

StorageResult<void> make_directory(FileSystem& files, const std::string& path) {
  auto made = files.make_directory(path);
  if (!made) return error_of(made.error(), path, "making the directory");
  // Flushed also when it was there, since an earlier start may have been interrupted before its flush; then
  // without insisting: the parent of a mount point need not be readable.
  if (auto synced = files.sync_directory(parent_of(path)); !synced && *made) {
    return error_of(synced.error(), parent_of(path), "flushing the directory");
  }
  return {};
}

}  // namespace

std::string format_text(const FolderFormat& format) {
  std::string text = std::string(kTitle) + "\n";
  text += "format " + std::to_string(kFolderFormatVersion) + "\n";
  text += "folder " + to_hex(format.folder_id) + "\n";
  text += "shards " + std::to_string(format.shard_count) + "\n";
  text += "hash_key " + to_hex(format.hash_key) + "\n";
  text += "currency " + std::string(currency_code(format.currency)) + "\n";
  return sealed(std::move(text));
}

StorageResult<FolderFormat> parse_format(const std::string& text, const std::string& file) {
  if (!is_sealed(text)) return error_of(Errc::damaged, file, "the checksum does not fit");
  std::string_view rest = text;
  std::string_view value;
  std::uint64_t version = 0;
  std::uint64_t shards = 0;
  if (!rest.starts_with(std::string(kTitle) + "\n"))
    return error_of(Errc::damaged, file, "not a format file");
  rest.remove_prefix(kTitle.size() + 1);
  if (!take_line(rest, "format", value) || !parse_number(value, version) || version == 0) {
    return error_of(Errc::damaged, file, "the format version is missing");
  }
  if (version > kFolderFormatVersion) return error_of(Errc::newer_format, file, "the data folder");
  FolderFormat format;
  bool fits = take_line(rest, "folder", value) && from_hex(value, format.folder_id);
  fits = fits && take_line(rest, "shards", value) && parse_number(value, shards);
  fits = fits && shards == format.shard_count;
  fits = fits && take_line(rest, "hash_key", value) && from_hex(value, format.hash_key);
  fits = fits && take_line(rest, "currency", value);
  if (!fits) return error_of(Errc::damaged, file, "a line is missing or does not fit");
  auto currency = currency_from_code(value);
  if (!currency) return error_of(Errc::damaged, file, "the currency is not known");
  format.currency = *currency;
  if (!take_line(rest, "checksum", value) || !rest.empty())
    return error_of(Errc::damaged, file, "too many lines");
  return format;
}

StorageResult<void> DataFolder::prepare_directories() {
  if (auto made = make_directory(*files_, path_); !made) return made.error();
  auto lock = files_->lock(path_ + "/LOCK");
  if (!lock) return error_of(lock.error(), path_ + "/LOCK", "locking the data folder");
  lock_ = std::move(*lock);
  return make_directory(*files_, journal_directory());
}

StorageResult<FolderFormat> read_format(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/FORMAT";
  auto text = read_whole(files, path);
  if (!text) return text.error();
  return parse_format(*text, path);
}

StorageResult<void> DataFolder::require_unused_journal() const {
  auto numbers = list_segments(*files_, journal_directory());
  if (!numbers) return numbers.error();
  for (const std::uint64_t number : *numbers) {
    auto segment = open_segment(*files_, journal_directory(), number, FileSystem::Access::read);
    if (!segment) return segment.error();
    auto nonzero = first_nonzero(*segment, 0);
    if (!nonzero) return nonzero.error();
    if (*nonzero) {
      return StorageError{Errc::damaged, segment->path, **nonzero,
                          "a journal without the FORMAT file of its folder"};
    }
  }
  return {};
}

StorageResult<DataFolder> DataFolder::open(FileSystem& files, const std::string& path, Currency currency,
                                           const Random& random) {
  initialize_hashing();
  DataFolder folder(files, path);
  if (auto prepared = folder.prepare_directories(); !prepared) return prepared.error();
  auto exists = files.exists(path + "/FORMAT");
  if (!exists) return error_of(exists.error(), path + "/FORMAT", "looking for the file");
  if (*exists) {
    auto format = read_format(files, path);
    if (!format) return format.error();
    folder.format_ = *format;
    return folder;
  }
  if (auto unused = folder.require_unused_journal(); !unused) return unused.error();
  folder.first_start_ = true;
  folder.format_.currency = currency;
  random(folder.format_.folder_id);
  random(folder.format_.hash_key);
  return folder;
}

StorageResult<void> DataFolder::complete_first_start() {
  RECHARGE_STORAGE_INVARIANT(first_start_);
  if (auto written = write_whole(*files_, path_, "FORMAT", format_text(format_)); !written)
    return written.error();
  first_start_ = false;
  return {};
}

}  // namespace recharge
