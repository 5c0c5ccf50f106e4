#include "tests/crash/disk_recording.h"

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace recharge::testing {
namespace {

struct __attribute__((packed)) Header {
  char kind;
  std::uint32_t path_bytes;
  std::uint64_t offset;
  std::uint64_t data_bytes;
};
static_assert(sizeof(Header) == 21);

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("the recording: " + what); }

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail("cannot open " + path);
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Locks hold no content that outlives their process.
bool is_lock(std::string_view path) { return path.ends_with("/lock.mdb") || path.ends_with("/LOCK"); }

template <class T>
T expect(Result<T> result, const DiskEvent& event) {
  if (!result) fail(std::string(1, event.kind) + " " + event.path + ": " + result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

DiskRecording::DiskRecording(const std::string& file, std::string root, std::string image_root)
    : bytes_(read_file(file)), image_root_(std::move(image_root)) {
  parse(root);
}

void DiskRecording::parse(const std::string& root) {
  for (std::size_t at = 0; at < bytes_.size();) {
    Header header;
    if (bytes_.size() - at < sizeof header) fail("it ends within an event");
    std::memcpy(&header, bytes_.data() + at, sizeof header);
    at += sizeof header;
    if (bytes_.size() - at < header.path_bytes + header.data_bytes) fail("it ends within an event");
    std::string path(reinterpret_cast<const char*>(bytes_.data() + at), header.path_bytes);
    const std::span data(bytes_.data() + at + header.path_bytes, header.data_bytes);
    at += header.path_bytes + header.data_bytes;
    if (header.kind == 'S') {
      note_reply({reinterpret_cast<const char*>(data.data()), data.size()});
      continue;
    }
    if (!path.starts_with(root)) fail("a path beyond its root: " + path);
    path.replace(0, root.size(), image_root_);
    if (is_lock(path) && std::string_view("WYFT").find(header.kind) != std::string_view::npos) continue;
    if (header.kind == 'T') fail("a file was cut or grown without a write: " + path);
    add(header.kind == 'Y' ? 'W' : header.kind, path, header.offset, data);
    // A write that is durable of itself: as a write and a flush, which must not cover more than it.
    if (header.kind == 'Y') add('F', path, 0, {});
  }
  if (events_.empty()) fail("it is empty");
}

void DiskRecording::add(char kind, std::string path, std::uint64_t offset, std::span<const std::byte> data) {
  DiskEvent event{kind, std::move(path), offset, data, false};
  auto& dirty = dirty_[event.path];
  if (kind == 'W' && event.path.ends_with("/data.mdb") && data.size() < 512 && dirty) {
    fail("the head of the books was written before what it names was flushed");
  }
  // Zeros are written by preparation and by recovery; a group never begins with one.
  const bool group = event.path.ends_with(".journal");
  event.of_group = group && (kind == 'F' ? dirty : kind == 'W' && data[0] != std::byte{0});
  if (event.of_group && kind == 'W') ++groups_;
  if (kind == 'W') dirty = true;
  if (kind == 'F') dirty = false;
  events_.push_back(std::move(event));
}

void DiskRecording::note_reply(std::string_view reply) {
  constexpr std::string_view kName = "X-Request-Id: ";
  if (!reply.starts_with("HTTP/1.1 200 ")) return;
  const auto begin = reply.find(kName);
  if (begin == std::string_view::npos) fail("a reply without X-Request-Id");
  const auto id = reply.substr(begin + kName.size());
  acknowledged_.emplace(id.substr(0, id.find('\r')), events_.size());
}

std::unique_ptr<SimulatedFileSystem> DiskRecording::empty_disk() const {
  auto disk = std::make_unique<SimulatedFileSystem>();
  for (std::size_t end = image_root_.find('/', 1);; end = image_root_.find('/', end + 1)) {
    const auto folder = image_root_.substr(0, end);
    if (!disk->make_directory(folder) ||
        !disk->sync_directory(parent_of(folder).empty() ? "/" : parent_of(folder)))
      fail("its root cannot be made");
    if (end == std::string::npos) return disk;
  }
}

void DiskRecording::replay(const DiskEvent& event, LeaveOut leave_out, SimulatedFileSystem& disk) {
  switch (event.kind) {
    case 'C':
      expect(disk.create(event.path), event);
      return;
    case 'W': {
      const auto file = expect(disk.open(event.path, FileSystem::Access::read_write), event);
      return expect(file->write_at(event.offset, event.data), event);
    }
    case 'F': {
      const bool journal = event.path.find("/journal") != std::string::npos;
      const bool books = event.path.find("/books") != std::string::npos;
      if (leave_out == LeaveOut::journal_flushes && journal) return;
      if (leave_out == LeaveOut::books_flushes && books) return;
      if (leave_out == LeaveOut::base_flushes && event.path.find("/data/base") != std::string::npos) return;
      auto file = disk.open(event.path, FileSystem::Access::read_write);
      return expect(file ? (*file)->sync() : disk.sync_directory(event.path), event);
    }
    case 'R': {
      std::string to(event.text());
      to.replace(0, parent_of(to).size(), parent_of(event.path));  // within its folder
      return expect(disk.rename(event.path, to), event);
    }
    case 'U':
      return expect(disk.remove(event.path), event);
    case 'M':
      expect(disk.make_directory(event.path), event);
      return;
    default:
      fail(std::string("an event of an unknown kind: ") + event.kind);
  }
}

}  // namespace recharge::testing
