// Purpose: records as rows of the books: a key, and a value of a checksum, a format byte and the fields. The
// checksum (SipHash-2-4, keyed by the data folder) covers table, key and value, so that a flipped bit or a
// row in the wrong place is found when it is read. An order has its final size from its placing. Lifetime:
// StoredRow owns its bytes. Errors: Errc::damaged, Errc::newer_format. Formats: storage/README.md.
#pragma once

#include <boost/container/static_vector.hpp>

#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"
#include "storage/books.h"

namespace recharge {

using HashKey = std::array<std::uint8_t, 16>;
constexpr std::size_t kMaxKeyBytes = 256;
constexpr std::size_t kMaxValueBytes = 1024;
using StoredKey = boost::container::static_vector<std::byte, kMaxKeyBytes>;
using StoredValue = boost::container::static_vector<std::byte, kMaxValueBytes>;

// Format 2 holds what recharges by suppliers have added; a row without any of that is of format 1.
constexpr std::uint8_t kStoredFormat = 2;
constexpr std::uint8_t kWalletStoredFormat = 1;

// What the exceptions of one payment are found by.
struct ExceptionKeyRow {
  ExceptionKey key;
  ExceptionId exception_id;
};
struct HouseAccountRow {
  std::uint8_t shard = 0;
  HouseAccount account;
};
struct ShardTotalsRow {
  std::uint8_t shard = 0;
  ShardTotals totals;
};

StoredKey order_key(const OrderId& id) noexcept;
StoredKey account_key(const Account& account) noexcept;
StoredKey transfer_key(const EntryId& id) noexcept;
StoredKey refund_key(const OrderId& order_id, const RefundId& refund_id) noexcept;
StoredKey debit_key(const Account& account, const DebitId& debit_id) noexcept;
StoredKey exception_row_key(std::uint8_t shard, const ExceptionId& id) noexcept;
StoredKey exception_key_key(std::uint8_t shard, const ExceptionKey& key) noexcept;
StoredKey idempotency_key(const IdempotencyKey& key) noexcept;
StoredKey house_key(std::uint8_t shard, LedgerAccountKind kind, const GatewayName& gateway) noexcept;
StoredKey totals_key(std::uint8_t shard) noexcept;
StoredKey attempt_key(const OrderId& order_id, std::uint16_t number) noexcept;
StoredKey gateway_work_key(std::uint8_t shard, const GatewayWorkKey& key) noexcept;

struct StoredRow {
  StoredKey key;
  StoredValue value;
};

class RecordCodec {
 public:
  explicit RecordCodec(const HashKey& hash_key) noexcept : hash_key_(hash_key) {}

  void encode(const Order& record, StoredRow& row) const noexcept;
  void encode(const UserAccount& record, StoredRow& row) const noexcept;
  void encode(const Transfer& record, StoredRow& row) const noexcept;
  void encode(const Refund& record, StoredRow& row) const noexcept;
  void encode(const Debit& record, StoredRow& row) const noexcept;
  void encode(std::uint8_t shard, const PaymentException& record, StoredRow& row) const noexcept;
  void encode(std::uint8_t shard, const ExceptionKeyRow& record, StoredRow& row) const noexcept;
  void encode(const IdempotencyRecord& record, StoredRow& row) const noexcept;
  void encode(const HouseAccountRow& record, StoredRow& row) const noexcept;
  void encode(const ShardTotalsRow& record, StoredRow& row) const noexcept;
  void encode(std::uint8_t shard, const GatewayWork& record, StoredRow& row) const noexcept;
  void encode(const RechargeAttempt& record, StoredRow& row) const noexcept;
  void encode(const NotifyAddress& record, StoredRow& row) const noexcept;

  // The checksum and format of a row alone.
  Result<void> check(Table table, Bytes key, Bytes value) const noexcept;
  Result<void> decode(Bytes key, Bytes value, Order& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, UserAccount& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, Transfer& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, Refund& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, Debit& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, PaymentException& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, ExceptionKeyRow& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, IdempotencyRecord& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, HouseAccountRow& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, ShardTotalsRow& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, GatewayWork& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, RechargeAttempt& record) const noexcept;
  Result<void> decode(Bytes key, Bytes value, NotifyAddress& record) const noexcept;

 private:
  template <class T>
  void encode_row(Table table, StoredKey key, const T& record, StoredRow& row) const noexcept;
  template <class T>
  Result<void> decode_row(Table table, Bytes key, Bytes value, T& record) const noexcept;
  std::uint64_t checksum(Table table, Bytes key, Bytes body) const noexcept;

  HashKey hash_key_;
};

}  // namespace recharge
