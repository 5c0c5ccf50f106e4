// Purpose: books that count what is written into them, and whose n-th commit fails, before or after it took
// effect. Lifetime: within the books behind them. Owner: one test.
#pragma once

#include <vector>

#include "storage/books.h"

namespace recharge::testing {

class WatchedBooks final : public Books {
 public:
  explicit WatchedBooks(Books& inner) : inner_(inner) {}

  std::size_t commits = 0;
  std::size_t fail_commit = 0;  // counted from 1; 0: none
  bool commits_anyway = false;  // the failing one: an error says nothing about what is on the disk
  boost::system::error_code error{ENOSPC, boost::system::generic_category()};
  std::vector<std::size_t> rows;            // put or erased by each committed transaction
  std::vector<std::size_t> position_moves;  // which transactions moved the position, counted from 1

  std::unique_ptr<BooksSnapshot> snapshot() override { return inner_.snapshot(); }
  Result<BooksPosition> position() override { return inner_.position(); }
  Result<std::unique_ptr<BooksTransaction>> begin() override {
    auto begun = inner_.begin();
    if (!begun) return begun.error();
    return std::unique_ptr<BooksTransaction>(std::make_unique<Transaction>(*this, std::move(*begun)));
  }

 private:
  class Transaction final : public BooksTransaction {
   public:
    Transaction(WatchedBooks& books, std::unique_ptr<BooksTransaction> inner)
        : books_(books), inner_(std::move(inner)) {}
    Result<void> put(Table table, recharge::Bytes key, recharge::Bytes value) override {
      ++rows_;
      return inner_->put(table, key, value);
    }
    Result<void> erase(Table table, recharge::Bytes key) override {
      ++rows_;
      return inner_->erase(table, key);
    }
    Result<void> set_position(const BooksPosition& position) override {
      moved_ = true;
      return inner_->set_position(position);
    }
    Result<void> commit() override {
      ++books_.commits;
      if (books_.commits == books_.fail_commit) {
        if (books_.commits_anyway) static_cast<void>(inner_->commit());
        return books_.error;
      }
      books_.rows.push_back(rows_);
      if (moved_) books_.position_moves.push_back(books_.commits);
      return inner_->commit();
    }

   private:
    WatchedBooks& books_;
    std::unique_ptr<BooksTransaction> inner_;
    std::size_t rows_ = 0;
    bool moved_ = false;
  };

  Books& inner_;
};

}  // namespace recharge::testing
