// Purpose: the seam of the books: the records as of a position in the journal, in tables ordered by key. LMDB
// keeps them in the running server, an ordered map in simulation. Written by checkpoints alone, always from
// facts. Owner: Books::write by the checkpoint thread (or recovery); a BooksSnapshot by one io thread.
// Lifetime: bytes read through a snapshot stay valid until it is released. Errors: errno's category for the
// disk (ENOSPC and EDQUOT leave the books as they were), Errc::damaged for what LMDB finds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.h"
#include "storage/journal_position.h"

namespace recharge {

// Named in its order in LMDB of a table: see storage/README.md for the keys and values.
enum class Table : std::uint8_t {
  orders = 0,
  accounts = 1,
  transfers = 2,
  refunds = 3,
  debits = 4,
  exceptions = 5,
  exception_keys = 6,
  idempotency = 7,
  house = 8,
  totals = 9,
  gateway_work = 10,
  attempts = 11,
  notify_urls = 12,
};
constexpr std::size_t kTables = 13;
// From here on tables came without a new schema: books that were made before lack them until they are opened
// to be written.
constexpr std::size_t kFirstLaterTable = 11;
constexpr std::array<std::string_view, kTables> kTableNames = {
    "orders",      "accounts", "transfers", "refunds",      "debits",   "exceptions", "exception_keys",
    "idempotency", "house",    "totals",    "gateway_work", "attempts", "notify_urls"};

using Bytes = std::span<const std::byte>;

// What the books stand for: every fact before the journal position is in them, and some behind it may be.
struct BooksPosition {
  JournalPosition journal;
  std::uint64_t expiry_watermark_ms = 0;  // no order placed before it waits for a payment
  friend bool operator==(const BooksPosition&, const BooksPosition&) noexcept = default;
};

struct BooksRow {
  Bytes key;
  Bytes value;
};

// A consistent view. Acquired at the first read after release(); never held while its thread waits.
class BooksSnapshot {
 public:
  virtual ~BooksSnapshot() = default;
  virtual Result<std::optional<Bytes>> get(Table table, Bytes key) = 0;
  // The last row below the key, and the first at or above it.
  virtual Result<std::optional<BooksRow>> last_before(Table table, Bytes key) = 0;
  virtual Result<std::optional<BooksRow>> first_from(Table table, Bytes key) = 0;
  virtual void release() noexcept = 0;
};

// One transaction. Dropped without commit() it leaves no trace.
class BooksTransaction {
 public:
  virtual ~BooksTransaction() = default;
  virtual Result<void> put(Table table, Bytes key, Bytes value) = 0;
  virtual Result<void> erase(Table table, Bytes key) = 0;  // a missing key is no error
  virtual Result<void> set_position(const BooksPosition& position) = 0;
  virtual Result<void> commit() = 0;  // returns when the changes are on the disk
};

class Books {
 public:
  virtual ~Books() = default;
  virtual std::unique_ptr<BooksSnapshot> snapshot() = 0;
  virtual Result<std::unique_ptr<BooksTransaction>> begin() = 0;
  virtual Result<BooksPosition> position() = 0;
};

}  // namespace recharge
