// Purpose: the seam between storage and the file system, so that crashes and failing disks can be simulated.
// Owner: a File is used by one thread at a time; a FileSystem by any thread.
// Lifetime: files and locks are closed by their destructor, and must not outlive their FileSystem.
// Errors: errno in boost's generic category (ENOSPC, EIO, ENOENT and EEXIST can be told apart);
// Errc::truncated when a read meets the end of the file; Errc::in_use for a lock that is held. Units: offsets
// and sizes in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace recharge {

class File {
 public:
  virtual ~File() = default;

  // Reads exactly into.size() bytes.
  [[nodiscard]] virtual Result<void> read_at(std::uint64_t offset, std::span<std::byte> into) = 0;
  // Writes all bytes, or fails; after a failure any part of them may have been written.
  [[nodiscard]] virtual Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Returns when everything written is on the disk. A failure is final: the same bytes must not be trusted to
  // a second call, since the system may have dropped them.
  [[nodiscard]] virtual Result<void> sync() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
};

// Held until destroyed; released by the system when the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class Access { read, read_write };

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, Access access) = 0;
  // Fails with EEXIST when the name is taken. Readable by the owner only.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;
  // A hint: nobody will soon read this file, all of which was flushed; memory may hold other things.
  virtual void forget(const std::string& /*path*/) noexcept {}
  // Makes creations, renames and removals of names in this directory survive a crash.
  [[nodiscard]] virtual Result<void> sync_directory(const std::string& path) = 0;
  // Names of the entries, sorted, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  // Mode 0700, one level; true when it was made, false when it was there.
  [[nodiscard]] virtual Result<bool> make_directory(const std::string& path) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Exclusive; creates the file when it is missing; never waits: Errc::in_use when another holds it.
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace recharge
