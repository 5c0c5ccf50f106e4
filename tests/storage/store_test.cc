// Data folders as a process opens them: first starts, restarts, and everything that must not be started with.
#include "storage/store.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

namespace fs = std::filesystem;
using testing::bytes_of_file;
using testing::rows_of;
using testing::write_bytes;

class StoreOpenTest : public testing::StoreTest {
 protected:
  void expect_refused(Errc code, const std::string& file, unsigned threads = 2) {
    const auto opened = try_open(threads);
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().is(code)) << opened.error().to_text();
    EXPECT_EQ(opened.error().file, file) << opened.error().to_text();
  }
  std::string first_segment() const { return data() + "/journal/0000000000000001.journal"; }
};

TEST_F(StoreOpenTest, AFirstStartMakesTheFolder) {
  open();
  EXPECT_TRUE(fs::exists(data() + "/FORMAT"));
  EXPECT_EQ(store->threads(), 2u);
  EXPECT_EQ(store->map().shards(), kShardCount);
  EXPECT_EQ(store->recovery().records, 0u);
  EXPECT_GT(store->free_bytes(), 0u);
  const auto format = store->format();
  EXPECT_EQ(run(commands.place(kUser)), OutcomeCode::order_placed);
  owners->flush();
  open();
  EXPECT_EQ(store->format(), format);
  EXPECT_EQ(store->recovery().records, 1u);
  EXPECT_EQ(differences_from_model(), "");
}

// Until FORMAT is in place, whatever else is there is left over from a start that was interrupted.
TEST_F(StoreOpenTest, AnInterruptedFirstStartBeginsAnew) {
  open();
  close();
  const auto books = bytes_of_file(data() + "/books/data.mdb");
  struct Row {
    const char* name;
    std::function<void()> leave;
  };
  const Row rows[] = {
      {"nothing", [&] { fs::remove_all(data()); }},
      {"an empty folder, as a mount point is",
       [&] {
         fs::remove_all(data() + "/books"), fs::remove_all(data() + "/journal"), fs::remove(data() + "/LOCK");
       }},
      {"no books", [&] { fs::remove_all(data() + "/books"); }},
      {"an empty books folder", [&] { fs::remove(data() + "/books/data.mdb"); }},
      {"books of no bytes", [&] { write_bytes(data() + "/books/data.mdb", ""); }},
      {"half a page of books", [&] { write_bytes(data() + "/books/data.mdb", books.substr(0, 2048)); }},
      {"books of zeros", [&] { write_bytes(data() + "/books/data.mdb", std::string(books.size(), '\0')); }},
      {"books with their mark", [&] { write_bytes(data() + "/books/unfinished", ""); }},
      {"no journal", [&] { fs::remove_all(data() + "/journal"); }},
      {"an empty journal", [&] { fs::remove(first_segment()); }},
      {"half a segment", [&] { fs::rename(first_segment(), first_segment() + ".tmp"); }},
      {"half a FORMAT", [&] { write_bytes(data() + "/FORMAT.tmp", "recharge da"); }},
      {"all but FORMAT", [] {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    close();
    fs::remove(data() + "/FORMAT");
    fs::remove(data() + "/journal/0000000000000002.journal");  // is prepared after a first start
    row.leave();
    model.reset();
    open();
    EXPECT_EQ(run(commands.place(kUser)), OutcomeCode::order_placed);
    owners->flush();
    open();
    EXPECT_EQ(differences_from_model(), "");
    close();
    fs::remove_all(data());
    open();
  }
}

TEST_F(StoreOpenTest, AJournalWithoutItsFormatIsDamage) {
  open();
  any(20);
  close();
  fs::remove(data() + "/FORMAT");
  expect_refused(Errc::damaged, first_segment());
}

TEST_F(StoreOpenTest, ASecondProcessIsRefused) {
  open();
  const auto second = Store::open(files, options_for(data(), 1));
  ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().is(Errc::in_use)) << second.error().to_text();
  EXPECT_EQ(run(commands.place(kUser)), OutcomeCode::order_placed) << "the first goes on";
}

TEST_F(StoreOpenTest, AnyNumberOfThreadsFindsTheSameBooks) {
  for (unsigned threads : {2u, 1u, 4u, 3u, 64u, 1u}) {
    SCOPED_TRACE(threads);
    open(threads);
    any(120);
    if (threads % 2 == 0) {
      checkpoint();
      any(30);
    }
  }
  open();
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(StoreOpenTest, AKilledProcessLeavesAFolderThatOpens) {
  open();
  any(200);
  checkpoint();
  any(60);
  // The files as they are while the process still runs.
  fs::copy(data(), folder.at("copy"), fs::copy_options::recursive);
  auto copy = Store::open(files, options_for(folder.at("copy"), 4));
  ASSERT_TRUE(copy.has_value()) << copy.error().to_text();
  testing::DirectOwners others(**copy);
  Checkpointer checkpointer(**copy, others, checkpointer_options());
  ASSERT_TRUE(checkpointer.run_once().has_value());
  EXPECT_EQ(testing::differences(model->rows(), rows_of((*copy)->books())), "");
}

TEST_F(StoreOpenTest, AnotherCurrencyIsRefused) {
  open();
  close();
  auto options = options_for(data(), 1);
  options.currency = currency_from_code("EUR").value();
  const auto opened = Store::open(files, options);
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::out_of_range));
  EXPECT_EQ(opened.error().file, data() + "/FORMAT");
  EXPECT_NE(opened.error().what.find("CNY"), std::string::npos);
}

TEST_F(StoreOpenTest, ANewerOrDamagedFormatIsRefused) {
  open();
  close();
  const auto text = bytes_of_file(data() + "/FORMAT");
  auto newer = text.substr(0, text.rfind("checksum "));
  newer.replace(newer.find("format 1"), 8, "format 2");
  std::array<unsigned char, 32> checksum;
  crypto_generichash(checksum.data(), checksum.size(), reinterpret_cast<const unsigned char*>(newer.data()),
                     newer.size(), nullptr, 0);
  newer += "checksum " + testing::hex_of(std::as_bytes(std::span(checksum))) + "\n";
  write_bytes(data() + "/FORMAT", newer);
  expect_refused(Errc::newer_format, data() + "/FORMAT");
  for (std::size_t at = 0; at < text.size(); at += 7) {
    auto flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    write_bytes(data() + "/FORMAT", flipped);
    expect_refused(Errc::damaged, data() + "/FORMAT");
  }
  write_bytes(data() + "/FORMAT", text);
  open();
}

TEST_F(StoreOpenTest, DamageInTheMiddleOfTheJournalIsNamedByFileAndOffset) {
  for (bool behind_the_position : {true, false}) {
    close();
    fs::remove_all(data());
    model.reset();
    open();
    any(100);
    const auto damaged = store->journal().durable_position();
    any(20);
    if (!behind_the_position) checkpoint();
    any(60);
    close();
    testing::flip_bit(first_segment(), damaged.offset + 200, 3);
    const auto opened = try_open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().is(Errc::damaged));
    EXPECT_EQ(opened.error().file, first_segment());
    EXPECT_EQ(opened.error().offset, damaged.offset);
    EXPECT_NE(opened.error().to_text().find(std::to_string(damaged.offset)), std::string::npos);
  }
}

TEST_F(StoreOpenTest, BooksThatAreGoneAreMadeAnewFromTheJournal) {
  const std::function<void()> losses[] = {
      [&] { fs::remove_all(data() + "/books"); },
      [&] { fs::remove(data() + "/books/data.mdb"); },
      [&] { write_bytes(data() + "/books/unfinished", ""), write_bytes(data() + "/books/data.mdb", "half"); },
  };
  for (const auto& lose : losses) {
    open();
    any(80);
    checkpoint();
    any(10);
    close();
    lose();
    open(4);
    EXPECT_GT(store->recovery().records, 0u);
    EXPECT_EQ(differences_from_model(), "");
  }
}

TEST_F(StoreOpenTest, DamagedBooksAreRefused) {
  open();
  any(200);
  checkpoint();
  close();
  const auto books = data() + "/books/data.mdb";
  fs::resize_file(books, fs::file_size(books) / 2);
  expect_refused(Errc::damaged, books);
  fs::remove(books);  // as an operator is told to do
  open();
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(StoreOpenTest, BooksAheadOfTheJournalAreDamage) {
  open();
  any(50);
  close();
  const auto earlier = bytes_of_file(first_segment());
  open();
  any(50);
  checkpoint();
  close();
  write_bytes(first_segment(), earlier);
  const auto opened = try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::damaged)) << opened.error().to_text();
  EXPECT_EQ(opened.error().file, first_segment());
}

TEST_F(StoreOpenTest, BooksOfAnotherFolderAreDamage) {
  open();
  any(20);
  close();
  auto other = Store::open(files, options_for(folder.at("other"), 1));
  ASSERT_TRUE(other.has_value());
  other->reset();
  fs::remove_all(data() + "/books");
  fs::copy(folder.at("other") + "/books", data() + "/books");
  expect_refused(Errc::damaged, data() + "/books/data.mdb");
}

TEST_F(StoreOpenTest, ALongRecoveryKeepsItsMemoryBounded) {
  open();
  any(400);
  close();
  auto options = options_for(data(), 2);
  options.checkpoint_bytes = 20'000;
  auto opened = Store::open(files, options);
  ASSERT_TRUE(opened.has_value());
  EXPECT_GT((*opened)->recovery().checkpoints, 2u);
  opened->reset();
  open();
  EXPECT_EQ(differences_from_model(), "");
}

}  // namespace
}  // namespace recharge
