#include "storage/base.h"

#include <sodium.h>

#include <algorithm>
#include <vector>

#include "storage/books_check.h"
#include "storage/real_file.h"
#include "storage/sealed_text.h"

namespace recharge {
namespace {

constexpr std::string_view kTitle = "recharge base\n";
constexpr std::uint64_t kBaseFormatVersion = 1;
constexpr std::string_view kCarriedForward = "none";
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what) {
  return {code, file, 0, what};
}

std::string seal_path(const std::string& data_dir) { return base_directory(data_dir) + "/BASE"; }
std::string books_path(const std::string& data_dir) { return base_directory(data_dir) + "/data.mdb"; }

// The bytes of a file in pieces.
StorageResult<void> read_pieces(FileSystem& files, const std::string& path,
                                const std::function<StorageResult<void>(std::uint64_t, Bytes)>& take) {
  auto file = files.open(path, FileSystem::Access::read);
  if (!file) return error_of(file.error(), path, "opening");
  const auto size = (*file)->size();
  if (!size) return error_of(size.error(), path, "asking for the size");
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < *size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPieceBytes, *size - at));
    if (auto read = (*file)->read_at(at, piece); !read)
      return StorageError{read.error(), path, at, "reading"};
    if (auto taken = take(at, piece); !taken) return taken;
  }
  return {};
}

StorageResult<void> copy_file(FileSystem& from_files, const std::string& from, FileSystem& to_files,
                              const std::string& to) {
  auto target = to_files.create(to);
  if (!target) return error_of(target.error(), to, "creating");
  const auto copied =
      read_pieces(from_files, from, [&](std::uint64_t at, Bytes piece) -> StorageResult<void> {
        if (auto written = (*target)->write_at(at, piece); !written)
          return StorageError{written.error(), to, at, "writing"};
        return {};
      });
  if (!copied) return copied;
  if (auto synced = (*target)->sync(); !synced) return error_of(synced.error(), to, "flushing");
  return {};
}

StorageResult<void> flush_directory(FileSystem& files, const std::string& directory) {
  if (auto synced = files.sync_directory(directory); !synced)
    return error_of(synced.error(), directory, "flushing the directory");
  return {};
}

StorageResult<void> remove_if_there(FileSystem& files, const std::string& path) {
  const auto present = files.exists(path);
  if (!present) return error_of(present.error(), path, "looking for the file");
  if (!*present) return {};
  if (auto removed = files.remove(path); !removed) return error_of(removed.error(), path, "removing");
  return {};
}

// As LmdbBooks makes fresh ones: `unfinished` stands beside them until they are whole.
StorageResult<void> copy_as_books(FileSystem& files, const std::string& from, const std::string& directory) {
  RealFileSystem real;  // LMDB's files are, whatever `files` are
  const std::string mark = directory + "/unfinished";
  if (auto made = real.make_directory(directory); !made)
    return error_of(made.error(), directory, "making the directory");
  const auto marked = real.exists(mark);
  if (!marked) return error_of(marked.error(), mark, "looking for the file");
  if (!*marked) {
    if (auto made = real.create(mark); !made) return error_of(made.error(), mark, "creating");
  }
  if (auto flushed = flush_directory(real, directory); !flushed) return flushed;
  for (const char* name : {"/data.mdb", "/lock.mdb"}) {
    if (auto removed = remove_if_there(real, directory + name); !removed) return removed;
  }
  if (auto copied = copy_file(files, from, real, directory + "/data.mdb"); !copied) return copied;
  if (auto flushed = flush_directory(real, directory); !flushed) return flushed;
  if (auto removed = remove_if_there(real, mark); !removed) return removed;
  return flush_directory(real, directory);
}

}  // namespace

std::string base_directory(const std::string& data_dir) { return data_dir + "/base"; }

StorageResult<std::optional<BaseSeal>> read_base_seal(FileSystem& files, const std::string& data_dir,
                                                      const FolderId& folder_id) {
  const std::string path = seal_path(data_dir);
  const auto present = files.exists(path);
  if (!present) return error_of(present.error(), path, "looking for the file");
  if (!*present) return std::optional<BaseSeal>();
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
  if (version > kBaseFormatVersion) return error_of(Errc::newer_format, path, "the base");
  FolderId folder{};
  BaseSeal seal;
  bool fits = take_line(rest, "folder", value) && from_hex(value, folder);
  fits = fits && take_line(rest, "segment", value) && parse_number(value, seal.position.segment);
  fits = fits && take_line(rest, "offset", value) && parse_number(value, seal.position.offset);
  fits = fits && take_line(rest, "sequence", value) && parse_number(value, seal.position.sequence);
  fits = fits && take_line(rest, "head", value) && from_hex(value, seal.position.previous_hash);
  fits = fits && take_line(rest, "digest", value);
  if (fits && value != kCarriedForward) fits = from_hex(value, seal.digest.emplace());
  if (!fits) return error_of(Errc::damaged, path, "a line is missing or does not fit");
  if (folder != folder_id) return error_of(Errc::damaged, path, "of another data folder");
  return std::optional(seal);
}

StorageResult<void> write_base_seal(FileSystem& files, const std::string& data_dir, const FolderId& folder_id,
                                    const BaseSeal& seal) {
  const auto& position = seal.position;
  const auto digest = seal.digest ? to_hex(*seal.digest) : std::string(kCarriedForward);
  const auto text =
      sealed(std::string(kTitle) + "format " + std::to_string(kBaseFormatVersion) + "\n" + "folder " +
             to_hex(folder_id) + "\n" + "segment " + std::to_string(position.segment) + "\n" + "offset " +
             std::to_string(position.offset) + "\n" + "sequence " + std::to_string(position.sequence) + "\n" +
             "head " + to_hex(position.previous_hash) + "\n" + "digest " + digest + "\n");
  return write_whole(files, base_directory(data_dir), "BASE", text);
}

StorageResult<JournalPosition> journal_beginning(FileSystem& files, const std::string& data_dir,
                                                 const FolderId& folder_id) {
  auto seal = read_base_seal(files, data_dir, folder_id);
  if (!seal) return seal.error();
  return *seal ? (*seal)->position : JournalPosition{};
}

StorageResult<std::unique_ptr<FileLock>> lock_journal(FileSystem& files, const std::string& data_dir) {
  const std::string path = data_dir + "/journal/LOCK";
  auto lock = files.lock(path);
  if (!lock) return error_of(lock.error(), path, "a backup, or the sealing of the base, is going on");
  return std::move(*lock);
}

StorageResult<JournalHash> digest_of_base(FileSystem& files, const std::string& data_dir,
                                          const OnRead& on_read) {
  const std::string path = books_path(data_dir);
  crypto_generichash_state state;
  JournalHash digest{};
  crypto_generichash_init(&state, nullptr, 0, digest.size());
  const auto read = read_pieces(files, path, [&](std::uint64_t, Bytes piece) -> StorageResult<void> {
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(piece.data()), piece.size());
    if (on_read && !on_read(piece.size())) return error_of(Errc::not_found, path, "stopped");
    return {};
  });
  if (!read) return read.error();
  crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

// Where the digest does not fit, the page is named if it can be told.
StorageResult<void> check_base(FileSystem& files, const std::string& data_dir, const BaseSeal& seal,
                               const RecordCodec& codec) {
  const std::string path = books_path(data_dir);
  if (seal.digest) {
    const auto digest = digest_of_base(files, data_dir);
    if (!digest) return digest.error();
    if (*digest == *seal.digest) return {};
  }
  std::optional<StorageError> found;
  const auto checked = check_books(files, path, codec, [&found](const StorageError& damage) {
    if (!found) found = damage;
  });
  if (!checked) return checked.error();
  if (found) return *found;
  if (seal.digest) return error_of(Errc::damaged, path, "the base is not the one that BASE seals");
  return {};
}

StorageResult<void> copy_base(FileSystem& files, const std::string& from, const std::string& to,
                              const FolderId& folder_id) {
  const auto seal = read_base_seal(files, from, folder_id);
  if (!seal) return seal.error();
  if (!*seal) return {};
  const std::string directory = base_directory(to);
  if (auto made = files.make_directory(directory); !made)
    return error_of(made.error(), directory, "making the directory");
  if (auto copied = copy_file(files, books_path(from), files, books_path(to)); !copied) return copied;
  if (auto written = write_base_seal(files, to, folder_id, **seal); !written) return written;
  return flush_directory(files, to);
}

StorageResult<std::unique_ptr<LmdbBooks>> books_at_beginning(FileSystem& files, const std::string& data_dir,
                                                             const FolderId& folder_id,
                                                             const RecordCodec& codec,
                                                             const std::string& directory) {
  const auto seal = read_base_seal(files, data_dir, folder_id);
  if (!seal) return seal.error();
  if (!*seal) return LmdbBooks::open(directory, folder_id, LmdbBooks::Open::fresh);
  if (auto sound = check_base(files, data_dir, **seal, codec); !sound) return sound.error();
  if (auto copied = copy_as_books(files, books_path(data_dir), directory); !copied) return copied.error();
  auto books = LmdbBooks::open(directory, folder_id, LmdbBooks::Open::existing);
  if (!books) return StorageError{books.error().code, books_path(data_dir), 0, books.error().what};
  const auto position = (*books)->position();
  if (!position || position->journal.sequence < (*seal)->position.sequence ||
      ((*seal)->digest && position->journal != (*seal)->position)) {
    return error_of(Errc::damaged, books_path(data_dir), "the base does not stand where BASE says");
  }
  return books;
}

}  // namespace recharge
