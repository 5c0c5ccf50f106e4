// verify: a whole folder is clean, every planted difference is found, and no byte of the folder changes.
#include "storage/verify.h"

#include <gtest/gtest.h>

#include "core/journal_record.h"
#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

using testing::cents;
using testing::contents_of;
using testing::text;

class VerifyTest : public testing::StoreTest {
 protected:
  // A folder whose journal has a tail behind the books, or none.
  void fill(bool tail) {
    open();
    any(150);
    const auto kept = commands.pay_unknown(kUser, "t-unknown");
    EXPECT_EQ(run(kept), OutcomeCode::order_not_found);
    paid = place();
    EXPECT_EQ(run(commands.pay(paid, "t-" + paid.to_hex())), OutcomeCode::recharge_succeeded);
    EXPECT_EQ(run(testing::Commands::refund(paid, "r-verify", 100)), OutcomeCode::refund_settled);
    EXPECT_EQ(run(commands.spend(kUser, "d-" + paid.to_hex(), 100)), OutcomeCode::balance_spent);
    owners->flush();
    checkpoint();
    if (tail) any(60);
    close();
  }
  StorageResult<VerifyReport> verify(bool decide = false) {
    return verify_data_folder(files, {data(), folder.path(), decide});
  }
  void expect_found(const std::string& finding, bool decide = false) {
    const auto report = verify(decide);
    ASSERT_TRUE(report.has_value()) << report.error().to_text();
    EXPECT_FALSE(report->clean());
    std::string all;
    for (const auto& line : report->findings) all += line + "\n";
    EXPECT_NE(all.find(finding), std::string::npos) << "expected: " << finding << "\nfound:\n" << all;
  }
  void expect_clean(bool decide = false) {
    const auto report = verify(decide);
    ASSERT_TRUE(report.has_value()) << report.error().to_text();
    std::string all;
    for (const auto& line : report->findings) all += line + "\n";
    EXPECT_TRUE(report->clean()) << all;
  }
  // Changes the closed folder's books behind the back of the journal.
  void tamper(const std::function<void(BooksTransaction&, BooksSnapshot&, const RecordCodec&)>& change) {
    auto format = DataFolder::open(files, data(), testing::kCny, {});
    ASSERT_TRUE(format.has_value());
    const RecordCodec codec(format->format().hash_key);
    auto books = LmdbBooks::open(data() + "/books", format->format().folder_id, LmdbBooks::Open::existing);
    ASSERT_TRUE(books.has_value());
    auto snapshot = (*books)->snapshot();
    auto transaction = (*books)->begin().value();
    change(*transaction, *snapshot, codec);
    snapshot.reset();
    ASSERT_TRUE(transaction->commit().has_value());
  }
  static std::vector<std::byte> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

  OrderId paid;
};

TEST_F(VerifyTest, AWholeFolderIsCleanAndNotChanged) {
  for (bool tail : {false, true}) {
    fill(tail);
    const auto before = contents_of(data());
    const auto sizes = before.size();
    for (bool decide : {false, true}) {
      const auto report = verify(decide);
      ASSERT_TRUE(report.has_value()) << report.error().to_text();
      EXPECT_TRUE(report->clean()) << report->findings.front();
      EXPECT_GT(report->records, 80u);
      EXPECT_GT(report->groups, 5u);
      EXPECT_GT(report->orders, 10u);
      EXPECT_GT(report->accounts, 5u);
      EXPECT_GT(report->transfers, 10u);
      EXPECT_GT(report->rows_compared, report->orders + report->accounts + report->transfers);
      EXPECT_EQ(report->ledger_sum_minor_units, 0);
      EXPECT_FALSE(report->torn_tail);
    }
    const auto after = contents_of(data());
    ASSERT_EQ(after.size(), sizes);
    for (const auto& [name, bytes] : before) EXPECT_TRUE(after.at(name) == bytes) << name;
    std::size_t entries = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) entries += entry.exists();
    EXPECT_EQ(entries, 1u) << "the temporary books are gone";
  }
}

TEST_F(VerifyTest, TheEndIsTheHeadOfTheChain) {
  fill(true);
  open();
  const auto end = store->journal().durable_position();
  close();
  EXPECT_EQ(verify()->end, end);
}

// Each kind of row: altered, and missing. Idempotency keys are forgotten in time, and not compared.
TEST_F(VerifyTest, EveryRowThatIsAlteredOrMissingIsFound) {
  fill(false);
  struct Row {
    Table table;
    const char* name;
  };
  constexpr Row rows[] = {
      {Table::orders, "order "},
      {Table::accounts, "account "},
      {Table::transfers, "transfer "},
      {Table::refunds, "refund "},
      {Table::debits, "debit "},
      {Table::exceptions, "exception "},
      {Table::exception_keys, "exception key "},
      {Table::notify_urls, "notify address "},
  };
  const auto whole = testing::bytes_of_file(data() + "/books/data.mdb");
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    tamper([&](BooksTransaction& transaction, BooksSnapshot& snapshot, const RecordCodec&) {
      const auto first = snapshot.first_from(row.table, {}).value();
      ASSERT_TRUE(first.has_value());
      auto value = copy(first->value);
      value[value.size() / 2] ^= std::byte{1};
      ASSERT_TRUE(transaction.put(row.table, copy(first->key), value).has_value());
    });
    expect_found(row.name);
    expect_found("differs from the journal");
    testing::write_bytes(data() + "/books/data.mdb", whole);
    tamper([&](BooksTransaction& transaction, BooksSnapshot& snapshot, const RecordCodec&) {
      const auto first = snapshot.first_from(row.table, {}).value();
      ASSERT_TRUE(transaction.erase(row.table, copy(first->key)).has_value());
    });
    expect_found(row.name);
    expect_found("is missing in the books");
    testing::write_bytes(data() + "/books/data.mdb", whole);
  }
  expect_clean();
}

// With a checksum that fits: only the journal can tell.
TEST_F(VerifyTest, RowsThatWereForgedWithTheirChecksumAreFound) {
  fill(false);
  const auto whole = testing::bytes_of_file(data() + "/books/data.mdb");
  const auto forge = [&](const char* name, const std::string& finding, const auto& change) {
    SCOPED_TRACE(name);
    tamper([&](BooksTransaction& transaction, BooksSnapshot& snapshot, const RecordCodec& codec) {
      change(transaction, snapshot, codec);
    });
    expect_found(finding);
    testing::write_bytes(data() + "/books/data.mdb", whole);
  };
  StoredRow row;
  forge("a balance", "account 13812345678 differs",
        [&](auto& transaction, auto& snapshot, const auto& codec) {
          UserAccount account;
          const auto key = account_key(text<Account>(kUser));
          ASSERT_TRUE(codec.decode(key, *snapshot.get(Table::accounts, key).value(), account).has_value());
          account.balance = cents(account.balance.minor_units() + 1);
          codec.encode(account, row);
          ASSERT_TRUE(transaction.put(Table::accounts, row.key, row.value).has_value());
        });
  forge("an account too many", "account somebody is in the books and not in the journal",
        [&](auto& transaction, auto&, const auto& codec) {
          UserAccount account;
          account.account = text<Account>("somebody");
          account.balance = cents(100);
          codec.encode(account, row);
          ASSERT_TRUE(transaction.put(Table::accounts, row.key, row.value).has_value());
        });
  forge("an order too many", "is in the books and not in the journal",
        [&](auto& transaction, auto&, const auto& codec) {
          Order order;
          order.id = commands.place(kUser).order_id;
          order.account = text<Account>(kUser);
          codec.encode(order, row);
          ASSERT_TRUE(transaction.put(Table::orders, row.key, row.value).has_value());
        });
  forge("a house account", "house account ", [&](auto& transaction, auto& snapshot, const auto& codec) {
    HouseAccountRow house;
    const auto first = snapshot.first_from(Table::house, {}).value();
    ASSERT_TRUE(codec.decode(first->key, first->value, house).has_value());
    house.account.balance = cents(house.account.balance.minor_units() + 1);
    codec.encode(house, row);
    ASSERT_TRUE(transaction.put(Table::house, row.key, row.value).has_value());
  });
  forge("a count", "totals ", [&](auto& transaction, auto& snapshot, const auto& codec) {
    ShardTotalsRow totals;
    const auto first = snapshot.first_from(Table::totals, {}).value();
    ASSERT_TRUE(codec.decode(first->key, first->value, totals).has_value());
    totals.totals.orders[0] += 1;
    codec.encode(totals, row);
    ASSERT_TRUE(transaction.put(Table::totals, row.key, row.value).has_value());
  });
  expect_clean();
}

TEST_F(VerifyTest, AFlippedBitOfTheJournalNamesItsPlace) {
  open();
  any(40);
  const auto group = store->journal().durable_position();
  any(40);
  checkpoint();
  any(40);
  close();
  const auto segment = data() + "/journal/0000000000000001.journal";
  for (std::uint64_t byte : {0u, 70u, 163u, 300u}) {
    testing::flip_bit(segment, group.offset + byte, 5);
    const auto report = verify();
    ASSERT_FALSE(report.has_value()) << byte;
    EXPECT_TRUE(report.error().is(Errc::damaged)) << report.error().to_text();
    EXPECT_EQ(report.error().file, segment);
    EXPECT_EQ(report.error().offset, group.offset);
    testing::flip_bit(segment, group.offset + byte, 5);
  }
  expect_clean();
}

TEST_F(VerifyTest, OneTransactionForTwoOrdersIsReported) {
  open();
  const auto first = place("first");
  const auto second = place("second");
  EXPECT_EQ(run(commands.pay(first, "t-same")), OutcomeCode::recharge_succeeded);
  auto elsewhere = commands.pay(second, "t-same");
  elsewhere.gateway = text<GatewayName>("other");
  EXPECT_EQ(run(elsewhere), OutcomeCode::recharge_succeeded);
  owners->flush();
  checkpoint();
  close();
  expect_clean();  // two gateways may use the same id
  open();
  const auto third = place("third");
  EXPECT_EQ(run(commands.pay(third, "t-same")), OutcomeCode::recharge_succeeded);
  owners->flush();
  close();
  expect_found("transaction t-same paid for two orders, " + first.to_text() + " and " + third.to_text());
}

// Records as only a broken or forged build writes them: applied without question, and found by verify.
class ForgedJournalTest : public VerifyTest {
 protected:
  // Decides the command on an opened folder, changes the facts, and writes them `times` times.
  void forge(const Command& command, const std::function<void(Facts&)>& change, unsigned times = 1) {
    const auto shard = store->map().of_command(command);
    const auto thread = shard % store->threads();
    auto& records = *store->group(thread).shard(shard);
    Outcome made;
    Facts facts;
    decide(command, *gather(command, records), records, {commands.now, shard}, made, facts);
    store->group(thread).release_books();
    change(facts);
    for (unsigned i = 0; i < times; ++i) {
      const auto room = store->journal().reserve(thread, max_record_bytes(command));
      store->journal().commit(thread, *encode_record(command, facts, {commands.now, shard}, room));
    }
    store->journal().publish(thread);
    owners->flush();
    close();
  }
};

TEST_F(ForgedJournalTest, FactsThatTheRulesDoNotMakeAreFoundByDecidingAgain) {
  fill(false);
  open();
  forge(commands.place(kUser, 100),
        [](Facts& facts) { std::get<OrderPlaced>(facts.at(0)).order.amount = cents(100'000); });
  expect_clean(false);
  expect_found("decided again, the command ends in other facts", true);
}

TEST_F(ForgedJournalTest, ABalanceThatIsNotTheSumOfItsTransfersIsFound) {
  open();
  const auto id = place();
  owners->flush();
  forge(commands.pay(id, "t-1"), [](Facts& facts) {
    for (auto& fact : facts) {
      if (auto* posted = std::get_if<TransferPosted>(&fact))
        posted->transfer.credit_balance_after = cents(5001);
    }
  });
  expect_found("account 13812345678 has 50.01, its transfers add up to 50.00");
}

TEST_F(ForgedJournalTest, ALedgerWhoseSumIsNotZeroIsFound) {
  open();
  const auto id = place();
  owners->flush();
  forge(commands.pay(id, "t-1"), [](Facts& facts) {
    for (auto& fact : facts) {
      if (auto* posted = std::get_if<TransferPosted>(&fact)) posted->users_after = cents(5001);
    }
  });
  expect_found("the sum over all accounts is not zero");
}

TEST_F(ForgedJournalTest, AnOrderCreditedTwiceIsFound) {
  open();
  const auto id = place();
  owners->flush();
  forge(
      commands.pay(id, "t-1"), [](Facts&) {}, 2);
  expect_found("order " + id.to_text() + " was credited twice");
}

TEST_F(VerifyTest, WhatCannotBeVerifiedIsAnError) {
  const auto missing = verify();
  ASSERT_FALSE(missing.has_value());
  EXPECT_TRUE(missing.error().is(Errc::not_found));
  EXPECT_FALSE(std::filesystem::exists(data())) << "nothing is made";
  fill(false);
  const auto nowhere = verify_data_folder(files, {data(), folder.at("nowhere"), false});
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().file, folder.at("nowhere"));
  open();
  const auto running = verify();
  ASSERT_FALSE(running.has_value());
  EXPECT_TRUE(running.error().is(Errc::in_use));
}

}  // namespace
}  // namespace recharge
