// Purpose: a file system in memory that knows what is written and what is on the disk, for simulations: it
// can crash, losing any part of what was not flushed, and fail on request. Owner: any thread; every call
// takes one lock. Lifetime: files opened here must not outlive it. Errors: as in storage/file.h, and the
// injected ones. Units: bytes; the disk writes sectors of 512 bytes whole. What it assumes of a disk: an
// unflushed sector holds, after a crash, any content that it had since the last flush; a name created,
// renamed or removed is certain only after sync_directory; what a failed flush should have written stays
// readable and is lost by a crash, whatever is flushed later.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "storage/file.h"

namespace recharge {

class SimulatedFileSystem final : public FileSystem {
 public:
  SimulatedFileSystem();
  ~SimulatedFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, Access access) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> make_directory(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // The disk as another process finds it after a power loss at this moment: everything that survives is
  // flushed. Which part of the unflushed survives is drawn from the seed, from nothing to everything.
  std::unique_ptr<SimulatedFileSystem> after_power_loss(std::uint64_t seed) const;
  // The disk after the process was killed: all writes are readable, the unflushed ones still not on the disk.
  std::unique_ptr<SimulatedFileSystem> after_kill() const;

  enum class Operation { write, sync };
  struct Fault {
    Operation operation = Operation::write;
    std::uint64_t nth = 1;      // the first operation that fails, counted from now among those that match
    std::uint64_t count = 1;    // how many fail from there on
    int error = 0;              // errno
    std::string path_contains;  // matches every path when empty
  };
  void inject(Fault fault);
  void clear_faults();
  // Bytes that files may take in all; a write beyond fails with ENOSPC. No limit at first.
  void set_capacity(std::uint64_t bytes);
  // Called at the beginning of every write and sync, without the lock. Set before other threads use the file
  // system.
  void set_observer(std::function<void(Operation, const std::string& path)> observer);

  std::uint64_t writes() const;
  std::uint64_t syncs() const;
  // Changes what is on the disk and what is read, as a fault of the medium would.
  void overwrite(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);
  void truncate(const std::string& path, std::uint64_t bytes);
  std::vector<std::byte> content(const std::string& path) const;

 private:
  friend class SimulatedFile;
  struct Inode;
  struct NameChange;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  Result<void> write(Inode& inode, const std::string& path, std::uint64_t offset,
                     std::span<const std::byte> bytes);
  Result<void> sync(Inode& inode, const std::string& path);
  Result<void> fail_if_injected(Operation operation, const std::string& path);
  std::uint64_t used_bytes() const;
  bool is_directory(const std::string& path) const;
  static void apply(const NameChange& change, Names& names);

  mutable std::mutex mutex_;
  Names names_;                      // as seen by the process
  Names durable_names_;              // as found after a crash at the worst moment
  std::vector<NameChange> changes_;  // not flushed yet, in order
  std::shared_ptr<std::set<std::string>> locks_;
  std::vector<Fault> faults_;
  std::uint64_t capacity_;
  std::uint64_t writes_ = 0;
  std::uint64_t syncs_ = 0;
  std::function<void(Operation, const std::string&)> observer_;
};

}  // namespace recharge
