// Purpose: the books as ordered maps, for tests and simulation: what a transaction commits, survives; what it
// does not, is gone. Owner: as storage/books.h says, but in one thread. Lifetime: longer than its snapshots
// and transactions.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "storage/books.h"

namespace recharge {

class MemoryBooks final : public Books {
 public:
  std::unique_ptr<BooksSnapshot> snapshot() override;
  Result<std::unique_ptr<BooksTransaction>> begin() override;
  Result<BooksPosition> position() override { return state_.position; }

  using Row = std::vector<std::byte>;
  struct RowLess {
    bool operator()(const Row& a, const Row& b) const noexcept;
  };
  using Rows = std::map<Row, Row, RowLess>;
  struct State {
    std::array<Rows, kTables> tables;
    BooksPosition position;
    friend bool operator==(const State&, const State&) = default;
  };
  const State& state() const noexcept { return state_; }

  // The next commit fails with this, and changes nothing; for tests of full and failing disks.
  void fail_next_commit(boost::system::error_code code) { next_failure_ = code; }

 private:
  friend class MemoryTransaction;
  State state_;
  boost::system::error_code next_failure_;
};

}  // namespace recharge
