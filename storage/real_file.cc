#include "storage/real_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace recharge {
namespace {

boost::system::error_code last_error() noexcept { return {errno, boost::system::generic_category()}; }

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags, mode_t mode = 0) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Descriptor(fd);
    if (errno != EINTR) return last_error();
  }
}

class RealFile final : public File {
 public:
  explicit RealFile(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    while (!into.empty()) {
      const ssize_t got = ::pread(descriptor_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0) {
        if (errno == EINTR) continue;
        return last_error();
      }
      if (got == 0) return Errc::truncated;
      into = into.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0) {
        if (errno == EINTR) continue;
        return last_error();
      }
      if (put == 0) return boost::system::error_code(EIO, boost::system::generic_category());
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  // Not repeated after EINTR or any other error: a second call could report success for bytes that were
  // dropped.
  Result<void> sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return last_error();
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) return last_error();
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Descriptor descriptor_;
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

Result<std::unique_ptr<File>> to_file(Result<Descriptor> opened) {
  if (!opened) return opened.error();
  return std::unique_ptr<File>(std::make_unique<RealFile>(std::move(*opened)));
}

}  // namespace

Result<std::unique_ptr<File>> RealFileSystem::open(const std::string& path, Access access) {
  return to_file(open_descriptor(path, access == Access::read ? O_RDONLY : O_RDWR));
}

Result<std::unique_ptr<File>> RealFileSystem::create(const std::string& path) {
  return to_file(open_descriptor(path, O_RDWR | O_CREAT | O_EXCL, 0600));
}

Result<void> RealFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return last_error();
  return {};
}

Result<void> RealFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return last_error();
  return {};
}

void RealFileSystem::forget(const std::string& path) noexcept {
  const auto opened = open_descriptor(path, O_RDONLY);
  if (opened) ::posix_fadvise(opened->get(), 0, 0, POSIX_FADV_DONTNEED);
}

Result<void> RealFileSystem::sync_directory(const std::string& path) {
  auto directory = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  if (::fsync(directory->get()) != 0) return last_error();
  return {};
}

Result<std::vector<std::string>> RealFileSystem::list(const std::string& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return last_error();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const boost::system::error_code failure = last_error();
  ::closedir(directory);
  if (failure) return failure;
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> RealFileSystem::exists(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  return {boost::system::in_place_error, last_error()};
}

Result<bool> RealFileSystem::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return true;
  const boost::system::error_code failure = last_error();
  struct stat status {};
  if (failure.value() == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    return false;
  return {boost::system::in_place_error, failure};
}

Result<std::uint64_t> RealFileSystem::free_bytes(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return last_error();
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::unique_ptr<FileLock>> RealFileSystem::lock(const std::string& path) {
  auto opened = open_descriptor(path, O_RDWR | O_CREAT, 0600);
  if (!opened) return opened.error();
  while (::flock(opened->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Errc::in_use;
    if (errno != EINTR) return last_error();
  }
  return std::unique_ptr<FileLock>(std::make_unique<RealLock>(std::move(*opened)));
}

}  // namespace recharge
