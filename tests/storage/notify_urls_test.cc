// Addresses of orders are found by a reader of the events whatever the books have by then: before the first
// checkpoint, after it, over a restart without one, and after the books were made anew.
#include "storage/notify_urls.h"

#include <lmdb.h>

#include "storage/event_reader.h"
#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

class NotifyUrlsTest : public testing::StoreTest {
 protected:
  static std::string url_of(unsigned number) { return "https://shop.example/" + std::to_string(number); }

  OrderId place_told(unsigned number) {
    auto command = commands.place(kUser);
    const std::string url = url_of(number);
    command.notify_url = url;
    EXPECT_EQ(run(command), OutcomeCode::order_placed);
    owners->flush();
    return command.order_id;
  }
  EventJournal journal() {
    EventJournal result;
    result.files = &files;
    result.options.directory = store->journal_directory();
    result.options.folder_id = store->format().folder_id;
    result.durable_end = [this] { return store->journal().durable_position(); };
    return result;
  }
  NotifyUrls urls() { return {store->books(), store->codec(), store->books_file()}; }
  static std::string found(NotifyUrls& urls, const OrderId& id) {
    const auto url = urls.find(id);
    EXPECT_TRUE(url.has_value()) << url.error().to_text();
    return url && *url ? std::string((*url)->view()) : "none";
  }
  void drop_table(Table table) {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, kTables + 1);
    ASSERT_EQ(mdb_env_open(env, (data() + "/books").c_str(), MDB_NOTLS, 0600), 0);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    ASSERT_EQ(mdb_dbi_open(txn, kTableNames[static_cast<std::size_t>(table)].data(), 0, &dbi), 0);
    ASSERT_EQ(mdb_drop(txn, dbi, 1), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  }
  // As a subscriber that goes on behind `after`: the address of each event behind it.
  std::vector<std::string> told_after(const EventId& after) {
    const EventJournal from = journal();
    NotifyUrls addresses = urls();
    EventReader reader(from);
    const auto begin = addresses.begin(after);
    EXPECT_TRUE(begin.has_value() && *begin <= after);
    EXPECT_TRUE(reader.seek(*begin).has_value());
    std::vector<std::string> told;
    for (;;) {
      const auto event = reader.next();
      EXPECT_TRUE(event.has_value());
      if (!event || *event == nullptr) break;
      if (const auto* placed = std::get_if<NotifyAddress>(&(*event)->detail))
        addresses.remember(*placed, (*event)->id);
      if ((*event)->id > after) told.push_back(found(addresses, order_of(**event)));
    }
    EXPECT_TRUE(addresses.rest().has_value());
    return told;
  }
};

TEST_F(NotifyUrlsTest, AreFoundBeforeAndAfterACheckpoint) {
  open();
  const OrderId told = place_told(1);
  const OrderId silent = place();
  owners->flush();
  const EventId behind_placing = latest_place(journal());
  run(commands.pay(told, "t-1"));
  run(commands.pay(silent, "t-2"));
  owners->flush();
  NotifyUrls early = urls();
  EXPECT_EQ(found(early, told), "none") << "nothing of it is in the books yet";
  const std::vector<std::string> expected = {url_of(1), "none"};
  EXPECT_EQ(told_after(behind_placing), expected);
  checkpoint();
  EXPECT_EQ(told_after(behind_placing), expected);
  NotifyUrls late = urls();
  EXPECT_EQ(found(late, told), url_of(1));
  EXPECT_EQ(found(late, silent), "none");
}

TEST_F(NotifyUrlsTest, AreFoundAfterAnEndWithoutACheckpoint) {
  open();
  const OrderId first = place_told(1);
  checkpoint();
  const OrderId second = place_told(2);
  const EventId behind_placing = latest_place(journal());
  run(commands.pay(first, "t-1"));
  run(commands.pay(second, "t-2"));
  owners->flush();
  const std::vector<std::string> expected = {url_of(1), url_of(2)};
  close();  // as a kill would leave it
  open(1);
  EXPECT_EQ(told_after(behind_placing), expected);
  checkpoint();
  EXPECT_EQ(told_after(behind_placing), expected);
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(NotifyUrlsTest, AreForgottenOnceTheBooksHaveThem) {
  open();
  NotifyUrls addresses = urls();
  ASSERT_TRUE(addresses.begin(latest_place(journal())).has_value());
  const EventJournal from = journal();
  EventReader reader(from);
  ASSERT_TRUE(reader.seek({}));
  std::vector<OrderId> orders;
  for (unsigned i = 0; i < 50; ++i) orders.push_back(place_told(i));
  while (const Event* event = reader.next().value())
    addresses.remember(std::get<NotifyAddress>(event->detail), event->id);
  ASSERT_TRUE(addresses.rest());
  EXPECT_EQ(addresses.remembered(), 50U);
  checkpoint();
  ASSERT_TRUE(addresses.rest());
  EXPECT_EQ(addresses.remembered(), 0U);
  for (unsigned i = 0; i < 50; ++i) EXPECT_EQ(found(addresses, orders[i]), url_of(i));
}

TEST_F(NotifyUrlsTest, StandInTheBooksThatAreMadeAnew) {
  open();
  const OrderId told = place_told(1);
  checkpoint();
  close();
  std::filesystem::remove_all(data() + "/books");
  open();
  checkpoint();
  NotifyUrls addresses = urls();
  EXPECT_EQ(found(addresses, told), url_of(1));
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(NotifyUrlsTest, BooksFromBeforeTheTableAreGoneOnWith) {
  open();
  place();
  checkpoint();
  close();
  drop_table(Table::notify_urls);
  const auto begun = try_open();
  ASSERT_TRUE(begun.has_value()) << begun.error().to_text();
  const OrderId told = place_told(1);
  checkpoint();
  NotifyUrls addresses = urls();
  EXPECT_EQ(found(addresses, told), url_of(1));
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(NotifyUrlsTest, ATableThatWasEverThereIsMissed) {
  open();
  place();
  checkpoint();
  close();
  drop_table(Table::refunds);
  const auto begun = try_open();
  ASSERT_FALSE(begun.has_value());
  EXPECT_TRUE(begun.error().is(Errc::damaged)) << begun.error().to_text();
}

TEST_F(NotifyUrlsTest, AnOrdersRowIsAsSmallAsBefore) {
  open();
  const auto told = place_told(1);
  const auto silent = place();
  checkpoint();
  auto snapshot = store->books().snapshot();
  const auto bytes = [&](const OrderId& id) {
    return snapshot->get(Table::orders, order_key(id)).value().value().size();
  };
  EXPECT_EQ(bytes(told), bytes(silent));
  EXPECT_LT(bytes(told), 400U);
}

}  // namespace
}  // namespace recharge
