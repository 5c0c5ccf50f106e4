// Purpose: opens the image of a disk with the code that recharged itself starts with, and holds what it shows
// against what an outside client had sent and seen acknowledged: every acknowledged change is there, nothing
// happened twice or without being sent, the ledger adds up, and journal and books agree. Owner: one thread.
// Lifetime: values. Errors: std::runtime_error where the client's list is not understood.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/ledger.h"
#include "core/order.h"
#include "storage/simulated_file.h"
#include "storage/store.h"

namespace recharge::testing {

// One request of the client.
struct SentStep {
  std::string kind;  // place, credit, refund, debit, second
  OrderId order_id;  // nil: its placing was not acknowledged
  Account account;
  std::int64_t effect = 0;  // on the account's balance, minor units
  TransactionId transaction_id;
  std::size_t acknowledged_at = SIZE_MAX;  // how many events of the recording stand before its reply
};

class ImageJudge {
 public:
  // list: a line for each request: its X-Request-Id, kind, order id, account, effect and transaction id, "-"
  // for none. acknowledged: by X-Request-Id. folder: on the real file system, for the books.
  ImageJudge(const std::string& list, const std::unordered_map<std::string, std::size_t>& acknowledged,
             std::string folder);

  std::size_t steps() const noexcept { return steps_.size(); }
  std::size_t acknowledged() const noexcept;  // of them
  enum class BooksFrom { image, last_judged };
  enum class Walk { from_books, whole_journal };
  // What is wrong with the disk as it stood after so many events. Recovery may change the image. The books
  // may be those that the image judged before was left with. A start walks the journal from their position
  // on; to walk the whole of it, as `recharge verify` does, takes about as long as all the rest.
  std::optional<std::string> judge(SimulatedFileSystem& image, std::size_t events, Walk walk,
                                   BooksFrom from = BooksFrom::image);
  // The last judged image's start wrote to the books: then it flushed all of them.
  bool books_were_written() const;

 private:
  void lay_out_books(SimulatedFileSystem& image);
  std::optional<std::string> judge_records(Store& store, std::size_t events) const;
  std::optional<std::string> judge_orders(Store& store, std::size_t events) const;
  std::optional<std::string> judge_balances(Store& store, std::size_t events) const;
  std::optional<std::string> judge_exceptions(Store& store, std::size_t events) const;
  std::optional<std::string> judge_journal(SimulatedFileSystem& image) const;

  std::vector<SentStep> steps_;
  std::string folder_;
  std::map<std::string, std::string> laid_out_;  // the books' files, by name
};

}  // namespace recharge::testing
