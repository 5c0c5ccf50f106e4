#include "storage/memory_books.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace recharge {
namespace {

using Row = MemoryBooks::Row;
Row row_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

class MemorySnapshot final : public BooksSnapshot {
 public:
  explicit MemorySnapshot(const MemoryBooks& books) : books_(books) {}

  Result<std::optional<Bytes>> get(Table table, Bytes key) override {
    const auto& rows = rows_of(table);
    const auto found = rows.find(row_of(key));
    if (found == rows.end()) return std::nullopt;
    return Bytes(found->second);
  }
  Result<std::optional<BooksRow>> last_before(Table table, Bytes key) override {
    const auto& rows = rows_of(table);
    auto at = rows.lower_bound(row_of(key));
    if (at == rows.begin()) return std::nullopt;
    --at;
    return BooksRow{at->first, at->second};
  }
  Result<std::optional<BooksRow>> first_from(Table table, Bytes key) override {
    const auto& rows = rows_of(table);
    const auto at = rows.lower_bound(row_of(key));
    if (at == rows.end()) return std::nullopt;
    return BooksRow{at->first, at->second};
  }
  void release() noexcept override {}

 private:
  const MemoryBooks::Rows& rows_of(Table table) const {
    return books_.state().tables[static_cast<std::size_t>(table)];
  }
  const MemoryBooks& books_;
};

}  // namespace

bool MemoryBooks::RowLess::operator()(const Row& a, const Row& b) const noexcept {
  const auto common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  return order != 0 ? order < 0 : a.size() < b.size();
}

class MemoryTransaction final : public BooksTransaction {
 public:
  explicit MemoryTransaction(MemoryBooks& books) : books_(books) {}

  Result<void> put(Table table, Bytes key, Bytes value) override {
    changes_.push_back({table, row_of(key), row_of(value), false});
    return {};
  }
  Result<void> erase(Table table, Bytes key) override {
    changes_.push_back({table, row_of(key), {}, true});
    return {};
  }
  Result<void> set_position(const BooksPosition& position) override {
    position_ = position;
    return {};
  }
  Result<void> commit() override {
    if (const auto failure = std::exchange(books_.next_failure_, {})) return failure;
    for (auto& change : changes_) {
      auto& rows = books_.state_.tables[static_cast<std::size_t>(change.table)];
      if (change.erased) {
        rows.erase(change.key);
      } else {
        rows[change.key] = std::move(change.value);
      }
    }
    if (position_) books_.state_.position = *position_;
    return {};
  }

 private:
  struct Change {
    Table table;
    Row key;
    Row value;
    bool erased;
  };
  MemoryBooks& books_;
  std::vector<Change> changes_;
  std::optional<BooksPosition> position_;
};

std::unique_ptr<BooksSnapshot> MemoryBooks::snapshot() { return std::make_unique<MemorySnapshot>(*this); }

Result<std::unique_ptr<BooksTransaction>> MemoryBooks::begin() {
  return std::unique_ptr<BooksTransaction>(std::make_unique<MemoryTransaction>(*this));
}

}  // namespace recharge
