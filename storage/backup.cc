#include "storage/backup.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "storage/base.h"
#include "storage/data_folder.h"
#include "storage/journal_reader.h"
#include "storage/live_journal.h"
#include "storage/rebuild.h"
#include "storage/sealed_text.h"

namespace recharge {
namespace {

constexpr std::string_view kTitle = "recharge backup\n";
constexpr std::uint64_t kBackupFormatVersion = 1;
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;
constexpr unsigned kLooksForTheLock = 300;  // a minute: a sealing takes seconds
constexpr std::chrono::milliseconds kBetweenLooks{200};
constexpr const char* kSecretFile = "callback.secret";

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what) {
  return {code, file, 0, what};
}

JournalOptions journal_of(const std::string& directory, const FolderFormat& format) {
  JournalOptions journal;
  journal.directory = directory + "/journal";
  journal.folder_id = format.folder_id;
  return journal;
}

StorageResult<void> make_empty(FileSystem& files, const std::string& directory) {
  auto made = files.make_directory(directory);
  if (!made) return error_of(made.error(), directory, "making the directory");
  auto names = files.list(directory);
  if (!names) return error_of(names.error(), directory, "listing the directory");
  if (!names->empty()) return error_of(Errc::in_use, directory, "the folder is not empty");
  made = files.make_directory(directory + "/journal");
  if (!made) return error_of(made.error(), directory + "/journal", "making the directory");
  return {};
}

// The bytes up to `used`, and zeros behind them.
StorageResult<void> copy_segment(FileSystem& files, const std::string& from, const std::string& to,
                                 std::uint64_t number, std::uint64_t used) {
  auto source = open_segment(files, from, number, FileSystem::Access::read);
  if (!source) return source.error();
  const std::string path = segment_path(to, number);
  auto target = files.create(path);
  if (!target) return error_of(target.error(), path, "creating");
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < source->bytes; at += piece.size()) {
    piece.assign(std::min<std::uint64_t>(kCopyBytes, source->bytes - at), std::byte{0});
    if (at < used) {
      const auto wanted = std::span(piece).first(std::min<std::uint64_t>(piece.size(), used - at));
      if (auto read = source->file->read_at(at, wanted); !read)
        return StorageError{read.error(), source->path, at, "reading a segment"};
    }
    if (auto written = (*target)->write_at(at, piece); !written)
      return StorageError{written.error(), path, at, "writing a segment"};
  }
  if (auto synced = (*target)->sync(); !synced) return error_of(synced.error(), path, "flushing a segment");
  return {};
}

StorageResult<void> copy_journal(FileSystem& files, const std::string& from, const std::string& to,
                                 const JournalPosition& begin, const JournalPosition& end) {
  for (std::uint64_t number = begin.segment; number <= end.segment; ++number) {
    auto copied = copy_segment(files, from + "/journal", to + "/journal", number,
                               number == end.segment ? end.offset : UINT64_MAX);
    if (!copied) return copied.error();
  }
  if (auto synced = files.sync_directory(to + "/journal"); !synced)
    return error_of(synced.error(), to + "/journal", "flushing the directory");
  return {};
}

// While it is held, no segment is dropped. Where nothing can be written, nothing can be dropped either.
StorageResult<std::unique_ptr<FileLock>> keep_segments(FileSystem& files, const std::string& data_dir) {
  for (unsigned look = 0;; ++look) {
    auto lock = lock_journal(files, data_dir);
    if (lock) return std::move(*lock);
    if (lock.error().code == boost::system::errc::read_only_file_system) return std::unique_ptr<FileLock>();
    if (!lock.error().is(Errc::in_use) || look == kLooksForTheLock) return lock.error();
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

// Where the server made its own secret, callbacks on their way are signed with it.
StorageResult<void> copy_secret(FileSystem& files, const std::string& from, const std::string& to) {
  const std::string path = from + "/" + kSecretFile;
  const auto present = files.exists(path);
  if (!present) return error_of(present.error(), path, "looking for the file");
  if (!*present) return {};
  auto text = read_whole(files, path);
  if (!text) return text.error();
  return write_whole(files, to, kSecretFile, *text);
}

std::string manifest_text(const FolderFormat& format, const JournalPosition& end) {
  return sealed(std::string(kTitle) + "format " + std::to_string(kBackupFormatVersion) + "\n" + "folder " +
                to_hex(format.folder_id) + "\n" + "segment " + std::to_string(end.segment) + "\n" +
                "offset " + std::to_string(end.offset) + "\n" + "sequence " + std::to_string(end.sequence) +
                "\n" + "head " + to_hex(end.previous_hash) + "\n");
}

StorageResult<JournalPosition> read_manifest(FileSystem& files, const std::string& directory,
                                             const FolderFormat& format) {
  const std::string path = directory + "/MANIFEST";
  auto text = read_whole(files, path);
  if (!text) return text.error();
  if (!is_sealed(*text) || !text->starts_with(kTitle))
    return error_of(Errc::damaged, path, "the checksum does not fit");
  std::string_view rest = *text;
  rest.remove_prefix(kTitle.size());
  std::string_view value;
  std::uint64_t version = 0;
  if (!take_line(rest, "format", value) || !parse_number(value, version) || version == 0)
    return error_of(Errc::damaged, path, "the format version is missing");
  if (version > kBackupFormatVersion) return error_of(Errc::newer_format, path, "the backup");
  FolderId folder{};
  JournalPosition end;
  bool fits = take_line(rest, "folder", value) && from_hex(value, folder);
  fits = fits && take_line(rest, "segment", value) && parse_number(value, end.segment);
  fits = fits && take_line(rest, "offset", value) && parse_number(value, end.offset);
  fits = fits && take_line(rest, "sequence", value) && parse_number(value, end.sequence);
  fits = fits && take_line(rest, "head", value) && from_hex(value, end.previous_hash);
  if (!fits) return error_of(Errc::damaged, path, "a line is missing or does not fit");
  if (folder != format.folder_id) return error_of(Errc::damaged, path, "of another data folder");
  return end;
}

// Walks a copy that nobody writes to: its base is whole, and it must end exactly at `end`.
StorageResult<BackupReport> walk(FileSystem& files, const std::string& directory, const FolderFormat& format,
                                 const JournalPosition& end) {
  const JournalOptions journal = journal_of(directory, format);
  const auto base = read_base_seal(files, directory, format.folder_id);
  if (!base) return base.error();
  BackupReport report;
  if (*base) {
    report.begin = (*base)->position;
    auto sound = check_base(files, directory, **base, RecordCodec(format.hash_key));
    if (!sound) return sound.error();
  }
  auto reader = JournalReader::open(files, journal, report.begin);
  if (!reader) return reader.error();
  for (;;) {
    auto group = reader->next();
    if (!group) return group.error();
    if (*group == nullptr) break;
    ++report.groups;
    report.records += (*group)->records.size();
  }
  report.end = reader->position();
  if (report.end != end || reader->tail().torn) {
    return StorageError{Errc::damaged, segment_path(journal.directory, report.end.segment), report.end.offset,
                        "the journal does not end where the backup did"};
  }
  auto numbers = list_segments(files, journal.directory);
  if (!numbers) return numbers.error();
  for (const auto number : *numbers) {
    auto segment = open_segment(files, journal.directory, number, FileSystem::Access::read);
    if (!segment) return segment.error();
    report.bytes += segment->bytes;
  }
  return report;
}

}  // namespace

StorageResult<BackupReport> make_backup(FileSystem& files, const std::string& data_dir,
                                        const std::string& to) {
  initialize_hashing();
  auto format = read_format(files, data_dir);
  if (!format) return format.error();
  if (auto made = make_empty(files, to); !made) return made.error();
  const auto kept = keep_segments(files, data_dir);
  if (!kept) return kept.error();
  const auto begin = journal_beginning(files, data_dir, format->folder_id);
  if (!begin) return begin.error();
  auto end = durable_prefix(files, journal_of(data_dir, *format), *begin);
  if (!end) return end.error();
  if (auto copied = copy_base(files, data_dir, to, format->folder_id); !copied) return copied.error();
  if (auto copied = copy_journal(files, data_dir, to, *begin, *end); !copied) return copied.error();
  if (auto copied = copy_secret(files, data_dir, to); !copied) return copied.error();
  if (auto written = write_whole(files, to, "FORMAT", format_text(*format)); !written) return written.error();
  auto report = walk(files, to, *format, *end);
  if (!report) return report.error();
  if (auto written = write_whole(files, to, "MANIFEST", manifest_text(*format, *end)); !written)
    return written.error();
  return report;
}

StorageResult<BackupReport> check_backup(FileSystem& files, const std::string& from) {
  initialize_hashing();
  auto format = read_format(files, from);
  if (!format) return format.error();
  auto end = read_manifest(files, from, *format);
  if (!end) return end.error();
  return walk(files, from, *format, *end);
}

// FORMAT comes last of what is copied: a folder with a journal and without it is not started.
StorageResult<BackupReport> restore_backup(FileSystem& files, const std::string& from,
                                           const std::string& data_dir) {
  auto report = check_backup(files, from);
  if (!report) return report.error();
  if (auto made = make_empty(files, data_dir); !made) return made.error();
  auto format = read_format(files, from);
  if (!format) return format.error();
  if (auto copied = copy_base(files, from, data_dir, format->folder_id); !copied) return copied.error();
  auto copied = copy_journal(files, from, data_dir, report->begin, report->end);
  if (!copied) return copied.error();
  if (auto secret = copy_secret(files, from, data_dir); !secret) return secret.error();
  if (auto written = write_whole(files, data_dir, "FORMAT", format_text(*format)); !written)
    return written.error();
  auto folder = OfflineFolder::open(files, data_dir);
  if (!folder) return folder.error();
  auto rebuilt = rebuild_books(files, *folder);
  if (!rebuilt) return rebuilt.error();
  if (rebuilt->end != report->end) {
    return StorageError{Errc::damaged, data_dir, 0, "the restored journal does not end where the backup did"};
  }
  return report;
}

}  // namespace recharge
