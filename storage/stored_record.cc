#include "storage/stored_record.h"

#include <sodium.h>

#include <algorithm>

#include "core/check.h"
#include "core/record_fields.h"

namespace recharge {
namespace {

static_assert(crypto_shorthash_BYTES == 8 && crypto_shorthash_KEYBYTES == sizeof(HashKey));
constexpr std::size_t kChecksumBytes = 8;

// An order's texts that come after its placing have their room from the start; longer ones make the row grow
// once.
constexpr std::size_t kTransactionRoom = 40;
constexpr std::size_t kGatewayRoom = 16;
constexpr std::size_t kKeyIdRoom = 16;
constexpr std::size_t kWalletStatuses = 8;  // of orders, in format 1

template <class T, class U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

// Integers of a fixed width, so that a row keeps its size when they change.
template <class Int, class A>
void wide(A& archive, auto& value) noexcept {
  if constexpr (A::kReads) {
    value = static_cast<std::remove_reference_t<decltype(value)>>(archive.template fixed<Int>());
  } else {
    archive.fixed(static_cast<Int>(value));
  }
}
template <class A>
void wide_money(A& archive, auto& money) noexcept {
  if constexpr (A::kReads) {
    money = Money::from_minor_units(static_cast<std::int64_t>(archive.template fixed<std::uint64_t>()));
  } else {
    archive.fixed(static_cast<std::uint64_t>(money.minor_units()));
  }
}

// A text with its length, and room to grow up to `room` bytes.
template <class A>
void roomy(A& archive, auto& text, std::size_t room) noexcept {
  field(archive, text);
  constexpr std::array<char, 64> zeros{};
  for (std::size_t i = text.size(); i < room; ++i) {
    if constexpr (A::kReads) {
      static_cast<void>(archive.take(1));
    } else {
      archive.raw(zeros.data(), 1);
    }
  }
}

template <class A, Is<Order> T>
void stored(A& archive, T& order, std::uint8_t format) noexcept {
  enumerated(archive, order.status, kLastOrderStatus);
  enumerated(archive, order.ended_as, kLastOrderStatus);
  enumerated(archive, order.evidence_scheme, kLastSignatureScheme);
  wide<std::uint16_t>(archive, order.exceptions);
  wide<std::uint16_t>(archive, order.currency.number);
  wide<std::uint32_t>(archive, order.merchant);
  wide_money(archive, order.amount);
  wide_money(archive, order.refunded);
  wide_money(archive, order.refund_reserved);
  wide<std::uint64_t>(archive, order.expires_at.ms);
  wide<std::uint64_t>(archive, order.paid_at.ms);
  wide<std::uint64_t>(archive, order.recharged_at.ms);
  wide<std::uint64_t>(archive, order.ended_at.ms);
  wide<std::uint64_t>(archive, order.evidence_at.ms);
  field(archive, order.evidence);
  field(archive, order.previous);
  field(archive, order.account);
  field(archive, order.subject);
  roomy(archive, order.gateway, kGatewayRoom);
  roomy(archive, order.transaction_id, kTransactionRoom);
  roomy(archive, order.evidence_key, kKeyIdRoom);
  if (format > kWalletStoredFormat) enumerated(archive, order.fulfilment, kLastFulfilment);
}

template <class A, Is<UserAccount> T>
void stored(A& archive, T& account, std::uint8_t) noexcept {
  wide_money(archive, account.balance);
  field(archive, account.newest_order);
  field(archive, account.newest_entry);
  wide<std::uint16_t>(archive, account.currency.number);
  wide<std::uint32_t>(archive, account.merchant);
}

template <class A, class T>
requires Is<T, Transfer> || Is<T, Refund> || Is<T, Debit> || Is<T, IdempotencyRecord> || Is<T, GatewayWork> ||
    Is<T, RechargeAttempt> || Is<T, NotifyAddress>
void stored(A& archive, T& record, std::uint8_t) noexcept { fields(archive, record); }

// In the journal the last two stand in the command of the same record.
template <class A, Is<PaymentException> T>
void stored(A& archive, T& exception, std::uint8_t) noexcept {
  fields(archive, exception);
  field(archive, exception.sent_at);
  enumerated(archive, exception.evidence_scheme, kLastSignatureScheme);
}

template <class A, Is<ExceptionKeyRow> T>
void stored(A& archive, T& row, std::uint8_t) noexcept {
  field(archive, row.key.reference);
  enumerated(archive, row.key.kind, ExceptionKind::balance_limit);
  field(archive, row.key.gateway);
  field(archive, row.key.transaction_id);
  field(archive, row.exception_id);
}

template <class A, Is<HouseAccountRow> T>
void stored(A& archive, T& row, std::uint8_t) noexcept {
  field(archive, row.shard);
  enumerated(archive, row.account.kind, kLastLedgerAccountKind);
  field(archive, row.account.gateway);
  wide_money(archive, row.account.balance);
}

template <class A, Is<ShardTotalsRow> T>
void stored(A& archive, T& row, std::uint8_t format) noexcept {
  field(archive, row.shard);
  for (std::size_t i = 0; i < kWalletStatuses; ++i) wide<std::uint64_t>(archive, row.totals.orders[i]);
  for (auto& count : row.totals.open_exceptions) wide<std::uint64_t>(archive, count);
  wide<std::uint64_t>(archive, row.totals.transfers);
  wide_money(archive, row.totals.users);
  if (format == kWalletStoredFormat) return;
  for (std::size_t i = kWalletStatuses; i < kOrderStatuses; ++i)
    wide<std::uint64_t>(archive, row.totals.orders[i]);
}

// What a build that knows format 1 alone must not misread.
bool is_of_supplier(const Order& order) noexcept { return order.fulfilment != Fulfilment::wallet; }
bool is_of_supplier(const Transfer& transfer) noexcept {
  return transfer.kind > TransferKind::exception_dismissed;
}
bool is_of_supplier(const GatewayWork& work) noexcept { return work.key.kind == GatewayWorkKind::recharge; }
bool is_of_supplier(const HouseAccountRow& row) noexcept {
  return row.account.kind > LedgerAccountKind::spending;
}
bool is_of_supplier(const ShardTotalsRow& row) noexcept {
  return std::any_of(row.totals.orders.begin() + kWalletStatuses, row.totals.orders.end(),
                     [](std::uint64_t count) { return count > 0; });
}
bool is_of_supplier(const RechargeAttempt&) noexcept { return true; }
template <class Other>
bool is_of_supplier(const Other&) noexcept {
  return false;
}

void append(StoredKey& key, const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const std::byte*>(data);
  key.insert(key.end(), bytes, bytes + size);
}
void append(StoredKey& key, std::uint8_t byte) noexcept { key.push_back(std::byte{byte}); }
void append(StoredKey& key, std::string_view text) noexcept { append(key, text.data(), text.size()); }

}  // namespace

StoredKey order_key(const OrderId& id) noexcept {
  StoredKey key;
  append(key, id.bytes.data(), id.bytes.size());
  return key;
}
StoredKey account_key(const Account& account) noexcept {
  StoredKey key;
  append(key, account.view());
  return key;
}
StoredKey transfer_key(const EntryId& id) noexcept {
  StoredKey key;
  append(key, id.bytes.data(), id.bytes.size());
  return key;
}
StoredKey refund_key(const OrderId& order_id, const RefundId& refund_id) noexcept {
  StoredKey key = order_key(order_id);
  append(key, refund_id.view());
  return key;
}
StoredKey debit_key(const Account& account, const DebitId& debit_id) noexcept {
  StoredKey key;
  append(key, static_cast<std::uint8_t>(account.size()));
  append(key, account.view());
  append(key, debit_id.view());
  return key;
}
StoredKey exception_row_key(std::uint8_t shard, const ExceptionId& id) noexcept {
  StoredKey key;
  append(key, shard);
  append(key, id.bytes.data(), id.bytes.size());
  return key;
}
StoredKey exception_key_key(std::uint8_t shard, const ExceptionKey& exception) noexcept {
  StoredKey key;
  append(key, shard);
  append(key, static_cast<std::uint8_t>(exception.reference.size()));
  append(key, exception.reference.view());
  append(key, static_cast<std::uint8_t>(exception.kind));
  append(key, static_cast<std::uint8_t>(exception.gateway.size()));
  append(key, exception.gateway.view());
  append(key, exception.transaction_id.view());
  return key;
}
StoredKey idempotency_key(const IdempotencyKey& idempotency) noexcept {
  StoredKey key;
  append(key, idempotency.bytes.data(), idempotency.bytes.size());
  return key;
}
StoredKey house_key(std::uint8_t shard, LedgerAccountKind kind, const GatewayName& gateway) noexcept {
  StoredKey key;
  append(key, shard);
  append(key, static_cast<std::uint8_t>(kind));
  append(key, gateway.view());
  return key;
}
StoredKey totals_key(std::uint8_t shard) noexcept {
  StoredKey key;
  append(key, shard);
  return key;
}

StoredKey attempt_key(const OrderId& order_id, std::uint16_t number) noexcept {
  StoredKey key = order_key(order_id);
  append(key, static_cast<std::uint8_t>(number >> 8));
  append(key, static_cast<std::uint8_t>(number));
  return key;
}

StoredKey gateway_work_key(std::uint8_t shard, const GatewayWorkKey& work) noexcept {
  StoredKey key;
  append(key, shard);
  append(key, static_cast<std::uint8_t>(work.kind));
  append(key, work.id.data(), work.id.size());
  append(key, static_cast<std::uint8_t>(work.method));
  append(key, work.refund_id.view());
  return key;
}

std::uint64_t RecordCodec::checksum(Table table, Bytes key, Bytes body) const noexcept {
  std::array<std::byte, 1 + kMaxKeyBytes + kMaxValueBytes> text;
  std::size_t size = 0;
  text[size++] = static_cast<std::byte>(table);
  std::memcpy(text.data() + size, key.data(), key.size());
  size += key.size();
  std::memcpy(text.data() + size, body.data(), body.size());
  size += body.size();
  std::array<unsigned char, kChecksumBytes> hash;
  crypto_shorthash(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), size, hash_key_.data());
  std::uint64_t value = 0;
  std::memcpy(&value, hash.data(), sizeof value);
  return value;
}

template <class T>
void RecordCodec::encode_row(Table table, StoredKey key, const T& record, StoredRow& row) const noexcept {
  row.key = key;
  row.value.resize(kMaxValueBytes, boost::container::default_init);
  ByteWriter writer(std::span(row.value).subspan(kChecksumBytes));
  const std::uint8_t format = is_of_supplier(record) ? kStoredFormat : kWalletStoredFormat;
  writer.fixed(format);
  stored(writer, record, format);
  RECHARGE_CHECK(writer.ok());
  row.value.resize(kChecksumBytes + writer.size());
  const auto sum = checksum(table, row.key, Bytes(row.value).subspan(kChecksumBytes));
  std::memcpy(row.value.data(), &sum, sizeof sum);
}

Result<void> RecordCodec::check(Table table, Bytes key, Bytes value) const noexcept {
  if (key.empty() || key.size() > kMaxKeyBytes || value.size() <= kChecksumBytes ||
      value.size() > kMaxValueBytes) {
    return Errc::damaged;
  }
  const auto body = value.subspan(kChecksumBytes);
  std::uint64_t sum = 0;
  std::memcpy(&sum, value.data(), sizeof sum);
  if (sum != checksum(table, key, body)) return Errc::damaged;
  const auto format = static_cast<std::uint8_t>(body.front());
  if (format == kStoredFormat || format == kWalletStoredFormat) return {};
  return format > kStoredFormat ? Errc::newer_format : Errc::damaged;
}

template <class T>
Result<void> RecordCodec::decode_row(Table table, Bytes key, Bytes value, T& record) const noexcept {
  if (auto checked = check(table, key, value); !checked) return checked;
  ByteReader reader(value.subspan(kChecksumBytes + 1));
  stored(reader, record, static_cast<std::uint8_t>(value[kChecksumBytes]));
  if (!reader.at_end()) return Errc::damaged;
  return {};
}

void RecordCodec::encode(const Order& r, StoredRow& row) const noexcept {
  encode_row(Table::orders, order_key(r.id), r, row);
}
void RecordCodec::encode(const UserAccount& r, StoredRow& row) const noexcept {
  encode_row(Table::accounts, account_key(r.account), r, row);
}
void RecordCodec::encode(const Transfer& r, StoredRow& row) const noexcept {
  encode_row(Table::transfers, transfer_key(r.id), r, row);
}
void RecordCodec::encode(const Refund& r, StoredRow& row) const noexcept {
  encode_row(Table::refunds, refund_key(r.order_id, r.refund_id), r, row);
}
void RecordCodec::encode(const Debit& r, StoredRow& row) const noexcept {
  encode_row(Table::debits, debit_key(r.account, r.debit_id), r, row);
}
void RecordCodec::encode(std::uint8_t shard, const PaymentException& r, StoredRow& row) const noexcept {
  encode_row(Table::exceptions, exception_row_key(shard, r.id), r, row);
}
void RecordCodec::encode(std::uint8_t shard, const ExceptionKeyRow& r, StoredRow& row) const noexcept {
  encode_row(Table::exception_keys, exception_key_key(shard, r.key), r, row);
}
void RecordCodec::encode(const IdempotencyRecord& r, StoredRow& row) const noexcept {
  encode_row(Table::idempotency, idempotency_key(r.key), r, row);
}
void RecordCodec::encode(const HouseAccountRow& r, StoredRow& row) const noexcept {
  encode_row(Table::house, house_key(r.shard, r.account.kind, r.account.gateway), r, row);
}
void RecordCodec::encode(const ShardTotalsRow& r, StoredRow& row) const noexcept {
  encode_row(Table::totals, totals_key(r.shard), r, row);
}

void RecordCodec::encode(std::uint8_t shard, const GatewayWork& r, StoredRow& row) const noexcept {
  encode_row(Table::gateway_work, gateway_work_key(shard, r.key), r, row);
}

void RecordCodec::encode(const RechargeAttempt& r, StoredRow& row) const noexcept {
  encode_row(Table::attempts, attempt_key(r.order_id, r.number), r, row);
}

void RecordCodec::encode(const NotifyAddress& r, StoredRow& row) const noexcept {
  encode_row(Table::notify_urls, order_key(r.order_id), r, row);
}

Result<void> RecordCodec::decode(Bytes key, Bytes value, Order& record) const noexcept {
  if (key.size() != record.id.bytes.size()) return Errc::damaged;
  std::memcpy(record.id.bytes.data(), key.data(), key.size());
  return decode_row(Table::orders, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, UserAccount& record) const noexcept {
  if (!record.account.assign({reinterpret_cast<const char*>(key.data()), key.size()})) return Errc::damaged;
  return decode_row(Table::accounts, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, Transfer& record) const noexcept {
  return decode_row(Table::transfers, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, Refund& record) const noexcept {
  return decode_row(Table::refunds, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, Debit& record) const noexcept {
  return decode_row(Table::debits, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, PaymentException& record) const noexcept {
  return decode_row(Table::exceptions, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, ExceptionKeyRow& record) const noexcept {
  return decode_row(Table::exception_keys, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, IdempotencyRecord& record) const noexcept {
  return decode_row(Table::idempotency, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, HouseAccountRow& record) const noexcept {
  return decode_row(Table::house, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, ShardTotalsRow& record) const noexcept {
  return decode_row(Table::totals, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, GatewayWork& record) const noexcept {
  return decode_row(Table::gateway_work, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, RechargeAttempt& record) const noexcept {
  return decode_row(Table::attempts, key, value, record);
}
Result<void> RecordCodec::decode(Bytes key, Bytes value, NotifyAddress& record) const noexcept {
  return decode_row(Table::notify_urls, key, value, record);
}

}  // namespace recharge
