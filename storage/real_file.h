// Purpose: the file seam on the operating system's files (Linux).
// Owner, lifetime, errors, units: as in storage/file.h. Interrupted calls and short reads and writes are
// continued. Source: POSIX pread, pwrite, fdatasync, rename; flock(2).
#pragma once

#include "storage/file.h"

namespace recharge {

class RealFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Access access) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  void forget(const std::string& path) noexcept override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> make_directory(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
};

}  // namespace recharge
