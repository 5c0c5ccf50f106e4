// Rows of the books: every kind of record comes back whole, and nothing else passes for one.
#include "storage/stored_record.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "storage/memory_books.h"
#include "tests/storage/commands.h"
#include "tests/storage/machine.h"
#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

using testing::cents;
using testing::hex_of;
using testing::text;

const RecordCodec kCodec{testing::kTestHashKey};

template <class Id>
Id id_of(std::uint8_t number) {
  return Id::make(Time{1'700'000'000'000 + number}, 7, {1, 2, 3, 4, 5, 6, 7, 8, 9, number});
}
Digest digest_from(std::uint8_t first) {
  Digest digest{};
  for (auto& byte : digest) byte = first++;
  return digest;
}

Order placed_order() {
  Order order;
  order.id = id_of<OrderId>(1);
  order.account = text<Account>("13812345678");
  order.amount = cents(5000);
  order.expires_at = Time{1'700'001'800'000};
  order.subject = text<Subject>("Aufladung für Zoë");
  order.previous = id_of<OrderId>(0);
  order.currency = Currency{156};
  order.merchant = 70'000;
  return order;
}

Order full_order() {
  auto order = placed_order();
  order.refunded = cents(1200);
  order.refund_reserved = cents(300);
  order.paid_at = Time{1'700'000'100'000};
  order.recharged_at = Time{1'700'000'100'050};
  order.ended_at = Time{1'700'000'050'000};
  order.transaction_id = text<TransactionId>("4200001234202311141234567890");
  order.gateway = text<GatewayName>("native");
  order.evidence = digest_from(10);
  order.evidence_key = text<KeyId>("2026-01");
  order.evidence_at = Time{1'700'000'100'040};
  order.evidence_scheme = SignatureScheme::both;
  order.ended_as = OrderStatus::failed;
  order.exceptions = 300;
  order.status = OrderStatus::partially_refunded;
  return order;
}

UserAccount user_account() {
  UserAccount account;
  account.account = text<Account>("13812345678");
  account.balance = cents(999'999'999'999'999);
  account.newest_order = id_of<OrderId>(4);
  account.newest_entry = EntryId::make(Time{1'700'000'000'004}, 7, 99);
  account.currency = Currency{156};
  account.merchant = 5;
  return account;
}

Transfer transfer() {
  Transfer record;
  record.id = EntryId::make(Time{1'700'000'000'005}, 7, 100);
  record.kind = TransferKind::exception_credited;
  record.debit = LedgerAccount::of_house(LedgerAccountKind::suspense, text<GatewayName>("native"));
  record.credit = LedgerAccount::of_user(text<Account>("13812345678"));
  record.amount = cents(5000);
  record.debit_balance_after = cents(-12);
  record.credit_balance_after = cents(7000);
  record.order_id = id_of<OrderId>(5);
  record.transaction_id = text<TransactionId>("t-5");
  record.previous = EntryId::make(Time{1'700'000'000'004}, 7, 99);
  record.currency = Currency{156};
  record.merchant = 6;
  return record;
}

Refund refund() {
  return {id_of<OrderId>(6),       text<RefundId>("r-6"),   cents(600),
          Time{1'700'000'000'006}, Time{1'700'000'000'066}, RefundStatus::failed};
}

Debit debit() {
  return {text<Account>("13812345678"), text<DebitId>("d-7"), cents(700), text<Memo>("ride"),
          EntryId::make(Time{1'700'000'000'007}, 7, 107)};
}

PaymentException payment_exception() {
  PaymentException record;
  record.id = id_of<ExceptionId>(8);
  record.kind = ExceptionKind::balance_limit;
  record.reference = text<OrderReference>("ORDER 8");
  record.order_id = id_of<OrderId>(8);
  record.account = text<Account>("13812345678");
  record.gateway = text<GatewayName>("native");
  record.transaction_id = text<TransactionId>("t-8");
  record.amount = cents(800);
  record.paid_at = Time{1'700'000'000'008};
  record.sent_at = Time{1'700'000'000'007};
  record.evidence = digest_from(80);
  record.evidence_key = text<KeyId>("2026-01");
  record.evidence_scheme = SignatureScheme::standard_webhooks;
  record.action = ExceptionAction::superseded;
  record.resolved_at = Time{1'700'000'000'088};
  record.note = text<Note>("checked with the gateway");
  record.currency = Currency{156};
  record.merchant = 8;
  return record;
}

ExceptionKeyRow exception_key_row() {
  return {{text<OrderReference>("ORDER 8"), ExceptionKind::balance_limit, text<GatewayName>("other"),
           text<TransactionId>("t-8")},
          id_of<ExceptionId>(8)};
}

IdempotencyRecord idempotency_record() {
  return {IdempotencyKey::make("13812345678", "app", "key-9"), digest_from(90), id_of<OrderId>(9),
          Time{1'700'000'000'009}};
}

HouseAccountRow house_row() {
  return {7, {LedgerAccountKind::clearing, text<GatewayName>("native"), cents(-123'456'789)}};
}

ShardTotalsRow totals_row() {
  ShardTotalsRow row;
  row.shard = 7;
  for (std::size_t i = 0; i < 8; ++i) row.totals.orders[i] = 1000 + i;  // none is with a supplier
  for (std::size_t i = 0; i < row.totals.open_exceptions.size(); ++i)
    row.totals.open_exceptions[i] = 2000 + i;
  row.totals.transfers = std::uint64_t{1} << 39;
  row.totals.users = cents(987'654'321);
  return row;
}

// What came with recharges by suppliers: rows of format 2.
Order held_order() {
  Order order = full_order();
  order.status = OrderStatus::recharging;
  order.fulfilment = Fulfilment::amqp;
  return order;
}
GatewayWork recharge_work() {
  GatewayWork work;
  work.key = GatewayWorkKey::of_recharge(id_of<OrderId>(3));
  work.gateway = text<GatewayName>("alipay");
  work.started_at = Time{1'700'000'000'123};
  work.order_id = id_of<OrderId>(3);
  work.amount = cents(5000);
  work.attempts = 258;
  work.failed = true;
  return work;
}
RechargeAttempt attempt() {
  RechargeAttempt made;
  made.order_id = id_of<OrderId>(3);
  made.number = 258;
  made.supplier = text<SupplierName>("acme");
  made.state = AttemptState::failed;
  made.begun_at = Time{1'700'000'000'123};
  made.noted_at = Time{1'700'000'000'456};
  made.calls = 70'000;
  made.ended_at = Time{1'700'000'000'789};
  made.reference = text<TransactionId>("acme-77");
  made.reason = text<AttemptReason>("out of stock");
  return made;
}
NotifyAddress notify_address() {
  return {id_of<OrderId>(3), text<NotifyUrl>("https://shop.example:8443/told?order=77")};
}
HouseAccountRow supplied_row() {
  HouseAccountRow row = house_row();
  row.account.kind = LedgerAccountKind::supplied;
  row.account.gateway = text<SupplierName>("acme");
  return row;
}
ShardTotalsRow recharging_totals_row() {
  ShardTotalsRow row = totals_row();
  row.totals.orders[static_cast<std::size_t>(OrderStatus::recharging)] = 9;
  return row;
}

GatewayWork gateway_work() {
  GatewayWork work;
  work.key = GatewayWorkKey::of_refund(id_of<OrderId>(3), text<RefundId>("r-1"));
  work.gateway = text<GatewayName>("alipay");
  work.started_at = Time{1'700'000'000'123};
  work.pay_text = text<PayText>("https://qr.example/bax01");
  work.pay_text_until = Time{1'700'000'900'000};
  work.gateway_id = text<TransactionId>("pi_1");
  work.order_id = id_of<OrderId>(3);
  work.transaction_id = text<TransactionId>("2026112522001");
  work.refund_id = text<RefundId>("r-1");
  work.amount = cents(100);
  work.total = cents(5000);
  return work;
}

struct Decoded {
  boost::system::error_code code;
  bool same = false;
  bool has_value() const { return !code; }
  boost::system::error_code error() const { return code; }
};

// One kind of row: its bytes, and whether bytes decode (to the same record).
struct Kind {
  std::string name;
  Table table;
  StoredRow row;
  std::function<Decoded(Bytes key, Bytes value)> decodes_to_same;
};

template <class Record>
Kind kind_of(std::string name, Table table, const Record& record) {
  Kind kind{std::move(name), table, {}, {}};
  if constexpr (std::is_same_v<Record, PaymentException> || std::is_same_v<Record, ExceptionKeyRow> ||
                std::is_same_v<Record, GatewayWork>) {
    kCodec.encode(7, record, kind.row);
  } else {
    kCodec.encode(record, kind.row);
  }
  kind.decodes_to_same = [record](Bytes key, Bytes value) -> Decoded {
    Record decoded;
    if (auto done = kCodec.decode(key, value, decoded); !done) return {done.error()};
    return {{}, testing::same(record, decoded)};
  };
  return kind;
}

std::vector<Kind> all_kinds() {
  return {kind_of("order_placed", Table::orders, placed_order()),
          kind_of("order_full", Table::orders, full_order()),
          kind_of("account", Table::accounts, user_account()),
          kind_of("transfer", Table::transfers, transfer()),
          kind_of("refund", Table::refunds, refund()),
          kind_of("debit", Table::debits, debit()),
          kind_of("exception", Table::exceptions, payment_exception()),
          kind_of("exception_key", Table::exception_keys, exception_key_row()),
          kind_of("idempotency", Table::idempotency, idempotency_record()),
          kind_of("house", Table::house, house_row()),
          kind_of("totals", Table::totals, totals_row()),
          kind_of("gateway_work", Table::gateway_work, gateway_work()),
          kind_of("order_held", Table::orders, held_order()),
          kind_of("gateway_work_recharge", Table::gateway_work, recharge_work()),
          kind_of("attempt", Table::attempts, attempt()),
          kind_of("notify_address", Table::notify_urls, notify_address()),
          kind_of("house_supplied", Table::house, supplied_row()),
          kind_of("totals_recharging", Table::totals, recharging_totals_row())};
}

TEST(StoredRecord, EveryKindComesBackWhole) {
  for (const auto& kind : all_kinds()) {
    const auto same = kind.decodes_to_same(kind.row.key, kind.row.value);
    ASSERT_TRUE(same.has_value()) << kind.name << ": " << same.error().message();
    EXPECT_TRUE(same.same) << kind.name;
  }
}

TEST(StoredRecord, TheLongestTextsFit) {
  const auto longest = [](auto record_text) {
    using Text = decltype(record_text);
    return text<Text>(std::string(Text::kCapacity, 'x'));
  };
  auto order = full_order();
  order.account = longest(Account());
  order.subject = longest(Subject());
  order.gateway = longest(GatewayName());
  order.transaction_id = longest(TransactionId());
  order.evidence_key = longest(KeyId());
  auto exception = payment_exception();
  exception.reference = longest(OrderReference());
  exception.account = longest(Account());
  exception.gateway = longest(GatewayName());
  exception.transaction_id = longest(TransactionId());
  exception.evidence_key = longest(KeyId());
  exception.note = longest(Note());
  auto spent = debit();
  spent.account = longest(Account());
  spent.debit_id = longest(DebitId());
  spent.memo = longest(Memo());
  auto work = gateway_work();
  work.key.refund_id = work.refund_id = longest(RefundId());
  work.gateway = longest(GatewayName());
  work.pay_text = longest(PayText());
  work.gateway_id = work.transaction_id = longest(TransactionId());
  const NotifyAddress address{id_of<OrderId>(3), longest(NotifyUrl())};
  const ExceptionKeyRow key{{longest(OrderReference()), ExceptionKind::late_payment, longest(GatewayName()),
                             longest(TransactionId())},
                            id_of<ExceptionId>(1)};
  for (const auto& kind :
       {kind_of("order", Table::orders, order), kind_of("exception", Table::exceptions, exception),
        kind_of("debit", Table::debits, spent), kind_of("exception key", Table::exception_keys, key),
        kind_of("notify address", Table::notify_urls, address),
        kind_of("gateway work", Table::gateway_work, work)}) {
    const auto same = kind.decodes_to_same(kind.row.key, kind.row.value);
    EXPECT_TRUE(same.same) << kind.name;
  }
}

TEST(StoredRecord, AnOrderKeepsItsSizeOverItsWholeLife) {
  StoredRow row;
  kCodec.encode(placed_order(), row);
  const auto placed = row.value.size();
  kCodec.encode(full_order(), row);
  EXPECT_EQ(row.value.size(), placed);

  // And as the rules change it.
  testing::Commands commands;
  testing::Model model(ShardMap(testing::kTestHashKey, testing::kTestShards));
  const auto place = commands.place("13812345678");
  const auto id = place.order_id;
  auto failure = commands.pay(id, "t-1");
  failure.success = false;
  auto wrong = commands.pay(id, "t-1", 1);
  std::size_t size = 0;
  for (const Command& command : std::vector<Command>{
           place, failure, wrong, commands.pay(id, "4200001234202311141234567890"), commands.pay(id, "t-2"),
           commands.refund(id, "r-1", 100, false), SettleRefund{id, text<RefundId>("r-1"), true},
           commands.refund(id, "r-2", 4900)}) {
    model.execute(command, commands.now);
    const auto stored = model.rows().at("0 " + hex_of(order_key(id)));
    if (size == 0) size = stored.size();
    EXPECT_EQ(stored.size(), size) << "command " << command.index();
    commands.now.ms += 12'345;
  }
}

TEST(StoredRecord, AnAccountKeepsItsSizeWithItsBalance) {
  StoredRow row;
  auto account = user_account();
  kCodec.encode(account, row);
  const auto size = row.value.size();
  account.balance = {};
  account.newest_order = {};
  account.newest_entry = {};
  kCodec.encode(account, row);
  EXPECT_EQ(row.value.size(), size);
}

TEST(StoredRecord, EveryFlippedBitIsDamage) {
  for (const auto& kind : all_kinds()) {
    for (bool in_key : {true, false}) {
      const std::size_t bytes = in_key ? kind.row.key.size() : kind.row.value.size();
      for (std::size_t bit = 0; bit < 8 * bytes; ++bit) {
        auto row = kind.row;
        auto& byte = in_key ? row.key[bit / 8] : row.value[bit / 8];
        byte ^= std::byte{1} << bit % 8;
        const auto same = kind.decodes_to_same(row.key, row.value);
        ASSERT_FALSE(same.has_value()) << kind.name << (in_key ? " key" : " value") << " bit " << bit;
        ASSERT_TRUE(same.error() == Errc::damaged) << kind.name << " bit " << bit;
      }
    }
  }
}

TEST(StoredRecord, EveryOtherLengthIsDamage) {
  for (const auto& kind : all_kinds()) {
    for (std::size_t size = 0; size < kind.row.value.size(); ++size) {
      const auto same = kind.decodes_to_same(kind.row.key, Bytes(kind.row.value).first(size));
      ASSERT_TRUE(!same.has_value() && same.error() == Errc::damaged) << kind.name << " " << size;
    }
    for (std::size_t size = kind.row.value.size() + 1; size < 1100; ++size) {
      std::vector<std::byte> longer(kind.row.value.begin(), kind.row.value.end());
      longer.resize(size);
      const auto same = kind.decodes_to_same(kind.row.key, longer);
      ASSERT_TRUE(!same.has_value() && same.error() == Errc::damaged) << kind.name << " " << size;
    }
    std::vector<std::byte> long_key(400);
    EXPECT_FALSE(kind.decodes_to_same(long_key, kind.row.value).has_value()) << kind.name;
    EXPECT_FALSE(kind.decodes_to_same({}, kind.row.value).has_value()) << kind.name;
  }
}

TEST(StoredRecord, ARowOfAnotherTableKeyOrFolderIsDamage) {
  const auto kinds = all_kinds();
  for (const auto& reader : kinds) {
    for (const auto& written : kinds) {
      if (reader.table == written.table) continue;
      EXPECT_FALSE(reader.decodes_to_same(written.row.key, written.row.value).has_value())
          << written.name << " read as " << reader.name;
    }
  }
  StoredRow other;
  auto moved = user_account();
  moved.account = text<Account>("13812345679");
  kCodec.encode(moved, other);
  UserAccount decoded;
  StoredRow own;
  kCodec.encode(user_account(), own);
  EXPECT_EQ(kCodec.decode(other.key, own.value, decoded).error(), Errc::damaged);
  auto hash_key = testing::kTestHashKey;
  hash_key[0] ^= 1;
  EXPECT_EQ(RecordCodec(hash_key).decode(own.key, own.value, decoded).error(), Errc::damaged);
}

// Two tables whose keys and bodies have the same bytes are told apart by the checksum alone.
TEST(StoredRecord, TheTableIsPartOfTheChecksum) {
  StoredRow refund_row;
  kCodec.encode(refund(), refund_row);
  Debit as_debit;
  const auto done = kCodec.decode(refund_row.key, refund_row.value, as_debit);
  EXPECT_EQ(done.error(), Errc::damaged);
}

TEST(StoredRecord, ANewerFormatIsSaidToBeNewer) {
  StoredRow row;
  kCodec.encode(user_account(), row);
  // Sealed anew, as a newer version would.
  for (const auto& [format, error] : {std::pair{kStoredFormat + 1, Errc::newer_format},
                                      std::pair{255, Errc::newer_format}, std::pair{0, Errc::damaged}}) {
    std::vector<std::byte> text{std::byte{static_cast<unsigned char>(Table::accounts)}};
    text.insert(text.end(), row.key.begin(), row.key.end());
    auto value = row.value;
    value[8] = static_cast<std::byte>(format);
    text.insert(text.end(), value.begin() + 8, value.end());
    crypto_shorthash(reinterpret_cast<unsigned char*>(value.data()),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     testing::kTestHashKey.data());
    UserAccount decoded;
    EXPECT_EQ(kCodec.decode(row.key, value, decoded).error(), error) << format;
  }
}

// Stored rows outlive the build that wrote them. A change of these files is a change of kBooksSchema; then
// RECHARGE_WRITE_GOLDEN=1 in the environment of this test writes them anew.
TEST(StoredRecord, GoldenFilesStayAsTheyAre) {
  const std::string folder = RECHARGE_SOURCE_DIR "/tests/storage/golden";
  const bool write = std::getenv("RECHARGE_WRITE_GOLDEN") != nullptr;
  for (const auto& kind : all_kinds()) {
    const auto path = folder + "/" + kind.name + ".hex";
    const auto hex = hex_of(kind.row.key) + "\n" + hex_of(kind.row.value) + "\n";
    if (write) {
      std::filesystem::create_directories(folder);
      testing::write_bytes(path, hex);
    }
    EXPECT_EQ(testing::bytes_of_file(path), hex) << path;
  }
}

}  // namespace
}  // namespace recharge
