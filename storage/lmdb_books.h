// Purpose: the books in LMDB: one environment, memory-mapped for reading, written by synchronous
// transactions. Owner: see storage/books.h. Lifetime: longer than its snapshots and transactions; opened once
// in a process. Errors: StorageError at opening names the file. Source: LMDB 0.9.24, lmdb.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "storage/books.h"
#include "storage/journal_options.h"
#include "storage/storage_error.h"

namespace recharge {

// Reserved address space: the largest that the books can become. The file grows with use.
constexpr std::size_t kBooksMapBytes = std::size_t{256} << 30;

class LmdbBooks final : public Books {
 public:
  // fresh: whatever is there is removed first. shared: for reading alone, beside the process that writes
  // them.
  enum class Open { existing, fresh, shared };

  // directory: DATA_DIR/books, made when missing, but not for reading. Errc::not_found where existing books
  // are of before kOldestBooksSchema, missing, or were never completed: they are to be made anew.
  // Errc::damaged where the file is too short for what it holds, or of another data folder.
  static StorageResult<std::unique_ptr<LmdbBooks>> open(const std::string& directory,
                                                        const FolderId& folder_id, Open how);
  ~LmdbBooks() override;

  std::unique_ptr<BooksSnapshot> snapshot() override;
  Result<std::unique_ptr<BooksTransaction>> begin() override;
  Result<BooksPosition> position() override;

  // False for a row that is damaged. With it, an order or account that is not found is looked for again on
  // checked pages, whose rows must all be whole: a damaged page could hide it. Set before the first snapshot.
  using RowCheck = std::function<bool(Table table, Bytes key, Bytes value)>;
  Result<void> check_rows_with(RowCheck check);

  // Keeps the pages of one transaction from being written over, for whoever reads the file by himself. Short:
  // the file grows meanwhile.
  class View {
   public:
    explicit View(void* transaction) noexcept : transaction_(transaction) {}
    View(View&& other) noexcept : transaction_(std::exchange(other.transaction_, nullptr)) {}
    ~View();
    std::uint64_t transaction() const noexcept;

   private:
    void* transaction_;
  };
  Result<View> view();

  struct Environment;  // the implementation's

  std::uint64_t rows(Table table);
  std::uint64_t used_bytes();

 private:
  explicit LmdbBooks(std::unique_ptr<Environment> environment);
  StorageResult<void> check_or_write_header(Open how, const std::string& file);
  StorageResult<void> write_header(const std::string& file);
  std::unique_ptr<Environment> environment_;
};

}  // namespace recharge
