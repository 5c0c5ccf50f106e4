// Any row of any table, with a checksum that fits, is a record or damage; what was read can be written, and
// reads back the same. Without the checksum every row is damage.
#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "storage/stored_record.h"
#include "tests/core/same.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {
namespace {

constexpr HashKey kKey = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
const RecordCodec codec(kKey);

void write(const PaymentException& record, StoredRow& row) { codec.encode(3, record, row); }
void write(const ExceptionKeyRow& record, StoredRow& row) { codec.encode(3, record, row); }
void write(const GatewayWork& record, StoredRow& row) { codec.encode(3, record, row); }
void write(const RechargeAttempt& record, StoredRow& row) { codec.encode(record, row); }
template <class T>
void write(const T& record, StoredRow& row) {
  codec.encode(record, row);
}

template <class T>
void check_row(Table table, std::span<const std::byte> key, std::span<const std::byte> body) {
  // As storage/README.md has it: SipHash-2-4 over table, key and the rest.
  std::vector<std::byte> text{static_cast<std::byte>(table)};
  text.insert(text.end(), key.begin(), key.end());
  text.insert(text.end(), body.begin(), body.end());
  std::vector<std::byte> value(crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(value.data()),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), kKey.data());
  value.insert(value.end(), body.begin(), body.end());
  T record{};
  const bool good = codec.decode(key, value, record).has_value();
  if (value.size() > crypto_shorthash_BYTES) {
    value[0] ^= std::byte{1};
    T forged{};
    RECHARGE_CHECK(!codec.decode(key, value, forged));
  }
  if (!good) return;
  StoredRow row;
  write(record, row);
  T again{};
  RECHARGE_CHECK(codec.decode(row.key, row.value, again).has_value());
  RECHARGE_CHECK(testing::same(record, again));
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  if (bytes.size() < 2) return;
  const auto rest = bytes_of(bytes.subspan(2));
  const auto key = rest.first(std::min<std::size_t>(bytes[1], rest.size()));
  const auto body = rest.subspan(key.size());
  switch (bytes[0] % 13) {
    case 0:
      return check_row<Order>(Table::orders, key, body);
    case 1:
      return check_row<UserAccount>(Table::accounts, key, body);
    case 2:
      return check_row<Transfer>(Table::transfers, key, body);
    case 3:
      return check_row<Refund>(Table::refunds, key, body);
    case 4:
      return check_row<Debit>(Table::debits, key, body);
    case 5:
      return check_row<PaymentException>(Table::exceptions, key, body);
    case 6:
      return check_row<ExceptionKeyRow>(Table::exception_keys, key, body);
    case 7:
      return check_row<IdempotencyRecord>(Table::idempotency, key, body);
    case 8:
      return check_row<HouseAccountRow>(Table::house, key, body);
    case 9:
      return check_row<GatewayWork>(Table::gateway_work, key, body);
    case 10:
      return check_row<RechargeAttempt>(Table::attempts, key, body);
    case 11:
      return check_row<NotifyAddress>(Table::notify_urls, key, body);
    default:
      return check_row<ShardTotalsRow>(Table::totals, key, body);
  }
}

}  // namespace recharge
