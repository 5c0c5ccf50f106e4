// Purpose: walks the trees of an LMDB file and checks every page on the way, without LMDB and without mapping
// the file: a page cut off is an error here and no signal. Also of a file that is in use, while the caller
// holds a read transaction. Owner: one thread. Lifetime: within its FileSystem; what is handed to a visitor
// is valid during the call. Errors: Errc::damaged names the file and the page's offset. Units: bytes. Source:
// see storage/lmdb_page.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file.h"
#include "storage/lmdb_page.h"
#include "storage/storage_error.h"

namespace recharge {

class LmdbFile {
 public:
  // offset: of the page that the row lies on. A false return ends the walk.
  using Visit = std::function<bool(Bytes key, Bytes value, std::uint64_t offset)>;
  using VisitTable =
      std::function<bool(std::string_view table, Bytes key, Bytes value, std::uint64_t offset)>;

  // transaction: the one whose view of the file is wanted; none: the newest. Errc::not_found where it is no
  // longer one of the two newest.
  static StorageResult<LmdbFile> open(FileSystem& files, const std::string& path,
                                      std::optional<std::uint64_t> transaction = std::nullopt);
  // The same over a file that is open already; path: for errors.
  static StorageResult<LmdbFile> over(std::shared_ptr<File> file, const std::string& path,
                                      std::optional<std::uint64_t> transaction);

  // Everything: each page is used once, or free; each row is handed over.
  StorageResult<void> check_all(const VisitTable& visit);
  // The rows of a table at or above `from`, and the pages on the way to them. whole_page: also those before
  // it on its page.
  StorageResult<void> scan(std::string_view table, Bytes from, const Visit& visit, bool whole_page = false);
  StorageResult<bool> has_table(std::string_view table);

  std::uint64_t pages_read() const noexcept { return pages_read_; }
  std::uint32_t page_bytes() const noexcept { return meta_.page_bytes; }

 private:
  struct Walk;

  explicit LmdbFile(std::string path) : path_(std::move(path)) {}
  StorageResult<void> read_meta(std::optional<std::uint64_t> transaction);
  StorageResult<std::vector<std::byte>> read_pages(std::uint64_t first, std::uint64_t count);
  StorageResult<std::optional<LmdbTree>> find_table(std::string_view table);
  StorageResult<bool> visit_tree(Walk& walk, const LmdbTree& tree);
  StorageResult<bool> visit_page(Walk& walk, std::uint64_t number, unsigned depth, Bytes low,
                                 std::optional<Bytes> high);
  StorageResult<bool> visit_leaf(Walk& walk, const LmdbPage& page, std::uint64_t number, Bytes low,
                                 std::optional<Bytes> high);
  StorageResult<std::vector<std::byte>> read_long_value(Walk& walk, const LmdbPage& page, std::size_t row,
                                                        std::uint64_t number);
  StorageResult<void> check_free_pages(std::vector<bool>& used);
  StorageResult<void> use(std::vector<bool>& used, std::uint64_t page, std::uint64_t count,
                          std::uint64_t from);
  StorageError damaged(std::uint64_t page, const char* what) const;

  std::string path_;
  std::shared_ptr<File> file_;
  std::uint64_t file_bytes_ = 0;
  LmdbMeta meta_;
  std::uint64_t pages_read_ = 0;
};

}  // namespace recharge
