#include "storage/simulated_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <random>

#include "storage/storage_error.h"

namespace recharge {
namespace {

constexpr std::size_t kDiskSectorBytes = 512;

boost::system::error_code errno_code(int error) { return {error, boost::system::generic_category()}; }

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct SimulatedFileSystem::Inode {
  bool directory = false;
  std::vector<std::byte> content;  // as read
  std::vector<std::byte> durable;  // as found after a crash, if nothing else survives
  // What was given since the last flush, in whole sectors and in order; a later one covers an earlier.
  struct Written {
    std::uint64_t begin = 0;  // of the first sector
    std::vector<std::byte> bytes;
  };
  std::vector<Written> unflushed;

  void note_written(std::uint64_t offset, std::uint64_t end) {
    const std::uint64_t begin = offset / kDiskSectorBytes * kDiskSectorBytes;
    const std::uint64_t sectors_end = (end + kDiskSectorBytes - 1) / kDiskSectorBytes * kDiskSectorBytes;
    const auto from = content.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to =
        content.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(sectors_end, content.size()));
    unflushed.push_back({begin, {from, to}});
  }

  // `bytes` go onto the disk, as far as the file reaches.
  void put_durable(std::uint64_t begin, std::span<const std::byte> bytes) {
    const std::uint64_t end = std::min<std::uint64_t>(begin + bytes.size(), content.size());
    if (end <= begin) return;
    if (durable.size() < end) durable.resize(end);
    std::memcpy(durable.data() + begin, bytes.data(), end - begin);
  }
};

struct SimulatedFileSystem::NameChange {
  std::string parent;
  std::string erased;  // empty: none
  std::string set;     // empty: none
  std::shared_ptr<Inode> inode;
};

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedFileSystem& files, std::string path,
                std::shared_ptr<SimulatedFileSystem::Inode> inode, bool writable)
      : files_(files), path_(std::move(path)), inode_(std::move(inode)), writable_(writable) {}

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard lock(files_.mutex_);
    if (offset + into.size() > inode_->content.size()) return Errc::truncated;
    if (!into.empty()) std::memcpy(into.data(), inode_->content.data() + offset, into.size());
    return {};
  }

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (!writable_) return errno_code(EBADF);
    if (files_.observer_) files_.observer_(SimulatedFileSystem::Operation::write, path_);
    const std::lock_guard lock(files_.mutex_);
    return files_.write(*inode_, path_, offset, bytes);
  }

  Result<void> sync() override {
    if (files_.observer_) files_.observer_(SimulatedFileSystem::Operation::sync, path_);
    const std::lock_guard lock(files_.mutex_);
    return files_.sync(*inode_, path_);
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(files_.mutex_);
    return std::uint64_t{inode_->content.size()};
  }

 private:
  SimulatedFileSystem& files_;
  const std::string path_;
  const std::shared_ptr<SimulatedFileSystem::Inode> inode_;
  const bool writable_;
};

namespace {

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(std::shared_ptr<std::set<std::string>> locks, std::string path)
      : locks_(std::move(locks)), path_(std::move(path)) {}
  ~SimulatedLock() override { locks_->erase(path_); }

 private:
  std::shared_ptr<std::set<std::string>> locks_;
  std::string path_;
};

}  // namespace

SimulatedFileSystem::SimulatedFileSystem()
    : locks_(std::make_shared<std::set<std::string>>()),
      capacity_(std::numeric_limits<std::uint64_t>::max()) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

bool SimulatedFileSystem::is_directory(const std::string& path) const {
  if (path == "/" || path == ".") return true;
  const auto found = names_.find(path);
  return found != names_.end() && found->second->directory;
}

void SimulatedFileSystem::apply(const NameChange& change, Names& names) {
  if (!change.erased.empty()) names.erase(change.erased);
  if (!change.set.empty()) names[change.set] = change.inode;
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::string& path, Access access) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return errno_code(ENOENT);
  if (found->second->directory) return errno_code(EISDIR);
  return std::unique_ptr<File>(
      std::make_unique<SimulatedFile>(*this, path, found->second, access == Access::read_write));
}

Result<std::unique_ptr<File>> SimulatedFileSystem::create(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (names_.contains(path)) return errno_code(EEXIST);
  if (!is_directory(parent_of(path))) return errno_code(ENOENT);
  const auto inode = std::make_shared<Inode>();
  changes_.push_back({parent_of(path), "", path, inode});
  apply(changes_.back(), names_);
  return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, path, inode, true));
}

Result<void> SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return errno_code(ENOENT);
  if (parent_of(from) != parent_of(to)) return errno_code(EXDEV);
  changes_.push_back({parent_of(from), from, to, found->second});
  apply(changes_.back(), names_);
  return {};
}

Result<void> SimulatedFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!names_.contains(path)) return errno_code(ENOENT);
  changes_.push_back({parent_of(path), path, "", nullptr});
  apply(changes_.back(), names_);
  return {};
}

Result<void> SimulatedFileSystem::sync_directory(const std::string& path) {
  if (observer_) observer_(Operation::sync, path);
  const std::lock_guard lock(mutex_);
  if (!is_directory(path)) return errno_code(ENOENT);
  if (auto failed = fail_if_injected(Operation::sync, path); !failed) return failed;
  std::vector<NameChange> rest;
  for (NameChange& change : changes_) {
    if (change.parent == path) {
      apply(change, durable_names_);
    } else {
      rest.push_back(std::move(change));
    }
  }
  changes_ = std::move(rest);
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!is_directory(path)) return errno_code(ENOENT);
  std::vector<std::string> entries;
  for (const auto& [name, inode] : names_) {
    if (parent_of(name) == path) entries.push_back(name.substr(name.rfind('/') + 1));
  }
  return entries;
}

Result<bool> SimulatedFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return names_.contains(path) || is_directory(path);
}

Result<bool> SimulatedFileSystem::make_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (is_directory(path)) return false;
  if (names_.contains(path)) return {boost::system::in_place_error, errno_code(EEXIST)};
  if (!is_directory(parent_of(path))) return {boost::system::in_place_error, errno_code(ENOENT)};
  const auto inode = std::make_shared<Inode>();
  inode->directory = true;
  changes_.push_back({parent_of(path), "", path, inode});
  apply(changes_.back(), names_);
  return true;
}

Result<std::uint64_t> SimulatedFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t used = used_bytes();
  return used < capacity_ ? capacity_ - used : 0;
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::lock(const std::string& path) {
  auto exists_already = exists(path);
  if (!*exists_already) {
    if (auto created = create(path); !created) return created.error();
  }
  const std::lock_guard lock(mutex_);
  if (!locks_->insert(path).second) return Errc::in_use;
  return std::unique_ptr<FileLock>(std::make_unique<SimulatedLock>(locks_, path));
}

Result<void> SimulatedFileSystem::fail_if_injected(Operation operation, const std::string& path) {
  for (Fault& fault : faults_) {
    if (fault.operation != operation || path.find(fault.path_contains) == std::string::npos) continue;
    if (fault.nth > 1) {
      --fault.nth;
    } else if (fault.count > 0) {
      --fault.count;
      return errno_code(fault.error);
    }
  }
  return {};
}

std::uint64_t SimulatedFileSystem::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->content.size();
  return used;
}

Result<void> SimulatedFileSystem::write(Inode& inode, const std::string& path, std::uint64_t offset,
                                        std::span<const std::byte> bytes) {
  ++writes_;
  if (auto failed = fail_if_injected(Operation::write, path); !failed) {
    // The first half arrives all the same.
    const std::size_t half = bytes.size() / 2 / kDiskSectorBytes * kDiskSectorBytes;
    const std::size_t inside = offset < inode.content.size() ? inode.content.size() - offset : 0;
    bytes = bytes.first(std::min(half, inside));
    if (bytes.empty()) return failed;
    --writes_;
    auto faults = std::exchange(faults_, {});
    static_cast<void>(write(inode, path, offset, bytes));
    faults_ = std::move(faults);
    return failed;
  }
  const std::uint64_t end = offset + bytes.size();
  if (end > inode.content.size()) {
    if (used_bytes() + (end - inode.content.size()) > capacity_) return errno_code(ENOSPC);
    inode.content.resize(end);
  }
  if (bytes.empty()) return {};
  std::memcpy(inode.content.data() + offset, bytes.data(), bytes.size());
  inode.note_written(offset, end);
  return {};
}

Result<void> SimulatedFileSystem::sync(Inode& inode, const std::string& path) {
  ++syncs_;
  auto failed = fail_if_injected(Operation::sync, path);
  if (failed) {
    for (const auto& written : inode.unflushed) inode.put_durable(written.begin, written.bytes);
    inode.durable.resize(inode.content.size());
  }
  // After a failure too: the pages count as clean then, and no later flush writes them.
  inode.unflushed.clear();
  return failed;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_power_loss(std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed);
  // Nothing, everything, and all between get their share.
  const std::uint64_t kept_of_16 = random() % 17;
  const auto keep = [&] { return random() % 16 < kept_of_16; };
  auto image = std::make_unique<SimulatedFileSystem>();
  Names names = durable_names_;
  for (const NameChange& change : changes_) {
    if (keep()) apply(change, names);
  }
  for (const auto& [name, inode] : names) {
    const auto survivor = std::make_shared<Inode>();
    survivor->directory = inode->directory;
    survivor->durable = inode->durable;
    if (!inode->unflushed.empty()) survivor->content = inode->content;  // bounds put_durable
    for (const auto& written : inode->unflushed) {
      const std::span<const std::byte> bytes(written.bytes);
      for (std::size_t at = 0; at < bytes.size(); at += kDiskSectorBytes) {
        const auto sector = bytes.subspan(at, std::min(kDiskSectorBytes, bytes.size() - at));
        if (keep()) survivor->put_durable(written.begin + at, sector);
      }
    }
    survivor->content = survivor->durable;
    image->names_[name] = survivor;
  }
  // A file whose directory did not survive is gone with it.
  std::erase_if(image->names_,
                [&](const auto& entry) { return !image->is_directory(parent_of(entry.first)); });
  image->durable_names_ = image->names_;
  image->capacity_ = capacity_;
  return image;
}

std::unique_ptr<SimulatedFileSystem> SimulatedFileSystem::after_kill() const {
  const std::lock_guard lock(mutex_);
  auto image = std::make_unique<SimulatedFileSystem>();
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy_of = [&](const std::shared_ptr<Inode>& inode) {
    auto& copy = copies[inode.get()];
    if (!copy && inode) copy = std::make_shared<Inode>(*inode);
    return copy;
  };
  for (const auto& [name, inode] : names_) image->names_[name] = copy_of(inode);
  for (const auto& [name, inode] : durable_names_) image->durable_names_[name] = copy_of(inode);
  for (const NameChange& change : changes_) {
    image->changes_.push_back({change.parent, change.erased, change.set, copy_of(change.inode)});
  }
  image->capacity_ = capacity_;
  return image;
}

void SimulatedFileSystem::inject(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void SimulatedFileSystem::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void SimulatedFileSystem::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void SimulatedFileSystem::set_observer(std::function<void(Operation, const std::string&)> observer) {
  observer_ = std::move(observer);
}

std::uint64_t SimulatedFileSystem::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

std::uint64_t SimulatedFileSystem::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

void SimulatedFileSystem::overwrite(const std::string& path, std::uint64_t offset,
                                    std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *names_.at(path);
  RECHARGE_STORAGE_INVARIANT(offset + bytes.size() <= inode.content.size());
  std::memcpy(inode.content.data() + offset, bytes.data(), bytes.size());
  if (inode.durable.size() >= offset + bytes.size()) {
    std::memcpy(inode.durable.data() + offset, bytes.data(), bytes.size());
  }
}

void SimulatedFileSystem::truncate(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  Inode& inode = *names_.at(path);
  inode.content.resize(bytes);
  inode.durable.resize(std::min<std::size_t>(inode.durable.size(), bytes));
  std::erase_if(inode.unflushed, [&](const auto& written) { return written.begin >= bytes; });
}

std::vector<std::byte> SimulatedFileSystem::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  return found == names_.end() ? std::vector<std::byte>() : found->second->content;
}

}  // namespace recharge
