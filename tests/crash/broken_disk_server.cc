// Purpose: recharged over a disk seam that is broken on purpose, for fault tests that must notice it. The one
// argument taken from the environment, BROKEN_DISK, says how:
//   write_late      a group is written when the next one comes: replies go out before the write
//   flush_late      a flush returns at once and is done before the next write: replies go out before the
//   flush swallow_errors  a failed write or flush counts as done no_lock         the data folder's lock is
//   always granted hoard           every flush keeps 4 MiB of memory for good
// Owner, lifetime, errors: as recharged.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "server/application.h"
#include "storage/real_file.h"

namespace recharge {
namespace {

constexpr std::size_t kHoardedBytes = std::size_t{4} << 20;

enum class Breakage { write_late, flush_late, swallow_errors, no_lock, hoard };

Breakage breakage_from_environment() {
  const char* text = std::getenv("BROKEN_DISK");
  const std::string_view name = text == nullptr ? "" : text;
  if (name == "write_late") return Breakage::write_late;
  if (name == "flush_late") return Breakage::flush_late;
  if (name == "swallow_errors") return Breakage::swallow_errors;
  if (name == "no_lock") return Breakage::no_lock;
  if (name == "hoard") return Breakage::hoard;
  throw std::runtime_error("BROKEN_DISK must name a breakage");
}

class BrokenFile final : public File {
 public:
  BrokenFile(std::unique_ptr<File> file, Breakage breakage) : file_(std::move(file)), breakage_(breakage) {}
  ~BrokenFile() override { static_cast<void>(catch_up()); }

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> into) override {
    if (auto done = catch_up(); !done) return done;
    return file_->read_at(offset, into);
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (auto done = catch_up(); !done) return done;
    if (breakage_ == Breakage::write_late) {
      late_offset_ = offset;
      late_.assign(bytes.begin(), bytes.end());
      return {};
    }
    return judge(file_->write_at(offset, bytes));
  }
  Result<void> sync() override {
    if (breakage_ == Breakage::write_late) return {};
    if (breakage_ == Breakage::flush_late) {
      owes_flush_ = true;
      return {};
    }
    if (breakage_ == Breakage::hoard) std::memset(new std::byte[kHoardedBytes], 1, kHoardedBytes);
    return judge(file_->sync());
  }
  Result<std::uint64_t> size() override {
    if (auto done = catch_up(); !done) return {boost::system::in_place_error, done.error()};
    return file_->size();
  }

 private:
  Result<void> judge(Result<void> done) const {
    return breakage_ == Breakage::swallow_errors ? Result<void>() : done;
  }
  Result<void> catch_up() {
    if (std::exchange(owes_flush_, false)) return file_->sync();
    if (late_.empty()) return {};
    return file_->write_at(late_offset_, std::exchange(late_, {}));
  }

  std::unique_ptr<File> file_;
  Breakage breakage_;
  std::uint64_t late_offset_ = 0;
  std::vector<std::byte> late_;
  bool owes_flush_ = false;
};

class BrokenFileSystem final : public FileSystem {
 public:
  explicit BrokenFileSystem(Breakage breakage) : breakage_(breakage) {}

  Result<std::unique_ptr<File>> open(const std::string& path, Access access) override {
    return broken(real_.open(path, access));
  }
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return broken(real_.create(path));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return real_.remove(path); }
  Result<void> sync_directory(const std::string& path) override { return real_.sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return real_.list(path); }
  Result<bool> exists(const std::string& path) override { return real_.exists(path); }
  Result<bool> make_directory(const std::string& path) override { return real_.make_directory(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override { return real_.free_bytes(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    if (breakage_ == Breakage::no_lock) return std::make_unique<FileLock>();
    return real_.lock(path);
  }

 private:
  Result<std::unique_ptr<File>> broken(Result<std::unique_ptr<File>> opened) const {
    if (!opened) return opened;
    return std::unique_ptr<File>(std::make_unique<BrokenFile>(std::move(*opened), breakage_));
  }

  RealFileSystem real_;
  Breakage breakage_;
};

OpenedEngine open_broken(const Settings& settings, unsigned threads,
                         std::function<void(const std::string&)> on_fatal) {
  static BrokenFileSystem files(breakage_from_environment());
  return open_engine_over(files, settings, threads, std::move(on_fatal));
}

}  // namespace
}  // namespace recharge

int main(int argc, char** argv) { return recharge::run_application(argc, argv, &recharge::open_broken); }
