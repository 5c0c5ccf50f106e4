#include "storage/data_folder.h"

#include <sodium.h>

#include <charconv>
#include <string_view>

#include "storage/journal_format.h"
#include "storage/segment.h"

namespace recharge {
namespace {

constexpr std::string_view kTitle = "recharge data folder";
constexpr std::size_t kMaxFormatFileBytes = 4096;
constexpr std::size_t kChecksumBytes = 32;

template <std::size_t N>
std::string to_hex(const std::array<std::uint8_t, N>& bytes) {
  std::array<char, 2 * N + 1> text{};
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  return text.data();
}

template <std::size_t N>
bool from_hex(std::string_view text, std::array<std::uint8_t, N>& bytes) {
  std::size_t length = 0;
  return text.size() == 2 * N &&
         sodium_hex2bin(bytes.data(), N, text.data(), text.size(), nullptr, &length, nullptr) == 0 &&
         length == N;
}

std::string checksum_of(std::string_view text) {
  std::array<std::uint8_t, kChecksumBytes> checksum{};
  crypto_generichash(checksum.data(), checksum.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  return to_hex(checksum);
}

bool parse_number(std::string_view text, std::uint32_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size();
}

// Takes the line "NAME VALUE\n" from the front of `rest`.
bool take_line(std::string_view& rest, std::string_view name, std::string_view& value) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos || !rest.starts_with(name) || end <= name.size() ||
      rest[name.size()] != ' ') {
    return false;
  }
  value = rest.substr(name.size() + 1, end - name.size() - 1);
  rest.remove_prefix(end + 1);
  return true;
}

bool checksum_holds(std::string_view text) {
  constexpr std::string_view kName = "checksum ";
  constexpr std::size_t kLineBytes = kName.size() + 2 * kChecksumBytes + 1;
  if (text.size() < kLineBytes || text.back() != '\n') return false;
  const std::string_view line = text.substr(text.size() - kLineBytes);
  const std::string_view covered = text.substr(0, text.size() - kLineBytes);
  return line.starts_with(kName) && line.substr(kName.size(), 2 * kChecksumBytes) == checksum_of(covered);
}

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
  return text + "checksum " + checksum_of(text) + "\n";
}

StorageResult<FolderFormat> parse_format(const std::string& text, const std::string& file) {
  if (!checksum_holds(text)) return error_of(Errc::damaged, file, "the checksum does not fit");
  std::string_view rest = text;
  std::string_view value;
  std::uint32_t version = 0;
  if (!rest.starts_with(std::string(kTitle) + "\n"))
    return error_of(Errc::damaged, file, "not a format file");
  rest.remove_prefix(kTitle.size() + 1);
  if (!take_line(rest, "format", value) || !parse_number(value, version) || version == 0) {
    return error_of(Errc::damaged, file, "the format version is missing");
  }
  if (version > kFolderFormatVersion) return error_of(Errc::newer_format, file, "the data folder");
  FolderFormat format;
  bool fits = take_line(rest, "folder", value) && from_hex(value, format.folder_id);
  fits = fits && take_line(rest, "shards", value) && parse_number(value, format.shard_count);
  fits = fits && format.shard_count == kShardCount;
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

StorageResult<void> DataFolder::read_format() {
  const std::string path = path_ + "/FORMAT";
  auto file = files_->open(path, FileSystem::Access::read);
  if (!file) return error_of(file.error(), path, "opening");
  auto bytes = (*file)->size();
  if (!bytes) return error_of(bytes.error(), path, "asking for the size");
  if (*bytes > kMaxFormatFileBytes) return error_of(Errc::damaged, path, "the file is too long");
  std::string text(*bytes, '\0');
  if (auto read = (*file)->read_at(0, std::as_writable_bytes(std::span(text))); !read) {
    return error_of(read.error(), path, "reading");
  }
  auto format = parse_format(text, path);
  if (!format) return format.error();
  format_ = *format;
  return {};
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
    if (auto read = folder.read_format(); !read) return read.error();
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
  const std::string path = path_ + "/FORMAT";
  const std::string unfinished = path + ".tmp";
  auto leftover = files_->exists(unfinished);
  if (!leftover) return error_of(leftover.error(), unfinished, "looking for the file");
  if (*leftover) {
    if (auto removed = files_->remove(unfinished); !removed)
      return error_of(removed.error(), unfinished, "removing");
  }
  auto file = files_->create(unfinished);
  if (!file) return error_of(file.error(), unfinished, "creating");
  const std::string text = format_text(format_);
  if (auto written = (*file)->write_at(0, std::as_bytes(std::span(text))); !written) {
    return error_of(written.error(), unfinished, "writing");
  }
  if (auto synced = (*file)->sync(); !synced) return error_of(synced.error(), unfinished, "flushing");
  if (auto renamed = files_->rename(unfinished, path); !renamed)
    return error_of(renamed.error(), path, "renaming");
  if (auto synced = files_->sync_directory(path_); !synced)
    return error_of(synced.error(), path_, "flushing");
  first_start_ = false;
  return {};
}

}  // namespace recharge
