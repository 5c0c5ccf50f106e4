// Purpose: the real file system up to a number of calls that change something; from then on every call fails,
// as for a process that ends there. Names that were not flushed by then can be lost too. Owner: one test.
// Lifetime: within the file system that it stands before.
#pragma once

#include <cerrno>
#include <filesystem>
#include <functional>

#include "storage/file.h"

namespace recharge::testing {

class StoppingFiles final : public FileSystem {
 public:
  // shadow: a folder of its own, on the same file system.
  StoppingFiles(FileSystem& files, std::string shadow, unsigned calls)
      : files_(files), shadow_(std::move(shadow)), left_(calls) {
    std::filesystem::remove_all(shadow_);
    std::filesystem::create_directory(shadow_);
  }
  bool stopped() const noexcept { return stopped_; }

  // As a loss of power does at worst: what was made, renamed or removed since its directory was flushed.
  void lose_unflushed_names() {
    for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) change->undo();
    changes_.clear();
  }

  Result<std::unique_ptr<File>> open(const std::string& path, Access access) override {
    if (stopped_) return failure();
    auto file = files_.open(path, access);
    if (!file) return file.error();
    return std::make_unique<StoppingFile>(*this, std::move(*file));
  }
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    if (!take_call()) return failure();
    auto file = files_.create(path);
    if (!file) return file.error();
    note(path, [path] { std::filesystem::remove(path); });
    return std::make_unique<StoppingFile>(*this, std::move(*file));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (!take_call()) return failure();
    const auto kept = keep(to);
    auto renamed = files_.rename(from, to);
    if (renamed) {
      note(to, [from, to, kept] {
        std::filesystem::rename(to, from);
        if (!kept.empty()) std::filesystem::rename(kept, to);
      });
    }
    return renamed;
  }
  Result<void> remove(const std::string& path) override {
    if (!take_call()) return failure();
    const auto kept = keep(path);
    auto removed = files_.remove(path);
    if (removed) note(path, [path, kept] { std::filesystem::rename(kept, path); });
    return removed;
  }
  Result<void> sync_directory(const std::string& path) override {
    if (!take_call()) return failure();
    std::erase_if(changes_, [&path](const Change& change) { return change.directory == path; });
    return files_.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    if (stopped_) return failure();
    return files_.list(path);
  }
  Result<bool> exists(const std::string& path) override {
    if (stopped_) return {boost::system::in_place_error, failure()};
    return files_.exists(path);
  }
  Result<bool> make_directory(const std::string& path) override {
    if (!take_call()) return {boost::system::in_place_error, failure()};
    return files_.make_directory(path);
  }
  Result<std::uint64_t> free_bytes(const std::string& path) override { return files_.free_bytes(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    if (stopped_) return failure();
    return files_.lock(path);
  }

 private:
  struct Change {
    std::string directory;
    std::function<void()> undo;
  };
  class StoppingFile final : public File {
   public:
    StoppingFile(StoppingFiles& owner, std::unique_ptr<File> file) : owner_(owner), file_(std::move(file)) {}
    Result<void> read_at(std::uint64_t offset, std::span<std::byte> into) override {
      if (owner_.stopped_) return failure();
      return file_->read_at(offset, into);
    }
    Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      if (!owner_.take_call()) return failure();
      return file_->write_at(offset, bytes);
    }
    Result<void> sync() override {
      if (!owner_.take_call()) return failure();
      return file_->sync();
    }
    Result<std::uint64_t> size() override {
      if (owner_.stopped_) return failure();
      return file_->size();
    }

   private:
    StoppingFiles& owner_;
    std::unique_ptr<File> file_;
  };

  static boost::system::error_code failure() noexcept { return {EIO, boost::system::generic_category()}; }
  bool take_call() noexcept {
    if (left_ == 0) stopped_ = true;
    if (!stopped_) --left_;
    return !stopped_;
  }
  void note(const std::string& path, std::function<void()> undo) {
    changes_.push_back({std::filesystem::path(path).parent_path().string(), std::move(undo)});
  }
  std::string keep(const std::string& path) {
    if (!std::filesystem::exists(path)) return {};
    const auto kept = shadow_ + "/" + std::to_string(kept_++);
    std::filesystem::create_hard_link(path, kept);
    return kept;
  }

  FileSystem& files_;
  const std::string shadow_;
  unsigned left_;
  unsigned kept_ = 0;
  bool stopped_ = false;
  std::vector<Change> changes_;
};

}  // namespace recharge::testing
