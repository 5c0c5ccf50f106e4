#include "storage/sealed_text.h"

#include <charconv>

namespace recharge {
namespace {

constexpr std::size_t kMaxBytes = 4096;
constexpr std::size_t kChecksumBytes = 32;
constexpr std::string_view kChecksum = "checksum ";

std::string checksum_of(std::string_view text) {
  std::array<std::uint8_t, kChecksumBytes> checksum{};
  crypto_generichash(checksum.data(), checksum.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  return to_hex(checksum);
}

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what) {
  return {code, file, 0, what};
}

}  // namespace

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size();
}

std::string sealed(std::string lines) {
  const std::string checksum = checksum_of(lines);
  return lines + std::string(kChecksum) + checksum + "\n";
}

bool is_sealed(std::string_view text) {
  constexpr std::size_t kLineBytes = kChecksum.size() + 2 * kChecksumBytes + 1;
  if (text.size() < kLineBytes || text.back() != '\n') return false;
  const std::string_view line = text.substr(text.size() - kLineBytes);
  const std::string_view covered = text.substr(0, text.size() - kLineBytes);
  return line.starts_with(kChecksum) &&
         line.substr(kChecksum.size(), 2 * kChecksumBytes) == checksum_of(covered);
}

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

StorageResult<void> write_whole(FileSystem& files, const std::string& directory, const std::string& name,
                                std::string_view text) {
  const std::string path = directory + "/" + name;
  const std::string unfinished = path + ".tmp";
  auto leftover = files.exists(unfinished);
  if (!leftover) return error_of(leftover.error(), unfinished, "looking for the file");
  if (*leftover) {
    if (auto removed = files.remove(unfinished); !removed)
      return error_of(removed.error(), unfinished, "removing");
  }
  auto file = files.create(unfinished);
  if (!file) return error_of(file.error(), unfinished, "creating");
  if (auto written = (*file)->write_at(0, std::as_bytes(std::span(text))); !written)
    return error_of(written.error(), unfinished, "writing");
  if (auto synced = (*file)->sync(); !synced) return error_of(synced.error(), unfinished, "flushing");
  if (auto renamed = files.rename(unfinished, path); !renamed)
    return error_of(renamed.error(), path, "renaming");
  if (auto synced = files.sync_directory(directory); !synced)
    return error_of(synced.error(), directory, "flushing");
  return {};
}

StorageResult<std::string> read_whole(FileSystem& files, const std::string& path) {
  auto file = files.open(path, FileSystem::Access::read);
  if (!file) return error_of(file.error(), path, "opening");
  auto bytes = (*file)->size();
  if (!bytes) return error_of(bytes.error(), path, "asking for the size");
  if (*bytes > kMaxBytes) return error_of(Errc::damaged, path, "the file is too long");
  std::string text(*bytes, '\0');
  if (auto read = (*file)->read_at(0, std::as_writable_bytes(std::span(text))); !read)
    return error_of(read.error(), path, "reading");
  return text;
}

}  // namespace recharge
