// A rebuild makes the books that the journal says, whatever became of the old ones, and never half of them.
#include "storage/rebuild.h"

#include "storage/verify.h"
#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

using testing::write_bytes;

class RebuildTest : public testing::StoreTest {
 protected:
  StorageResult<ReplayReport> rebuild() {
    auto opened = OfflineFolder::open(files, data());
    if (!opened) return opened.error();
    return rebuild_books(files, *opened);
  }
  void expect_clean() {
    const auto report = verify_data_folder(files, {data(), folder.path(), true});
    ASSERT_TRUE(report.has_value()) << report.error().to_text();
    EXPECT_TRUE(report->clean()) << report->findings.front();
  }
};

TEST_F(RebuildTest, DamagedBooksAreMadeAnew) {
  const std::string books = data() + "/books/data.mdb";
  const struct {
    const char* name;
    std::function<void()> damage;
  } cases[] = {
      {"whole", [] {}},
      {"cut", [&] { std::filesystem::resize_file(books, 5000); }},
      {"empty", [&] { write_bytes(books, ""); }},
      {"no database", [&] { write_bytes(books, std::string(100'000, 'x')); }},
      {"missing", [&] { std::filesystem::remove_all(data() + "/books"); }},
      {"marked unfinished", [&] { write_bytes(data() + "/books/unfinished", ""); }},
      {"an attempt before that was cut short",
       [&] {
         std::filesystem::create_directory(data() + "/books.new");
         write_bytes(data() + "/books.new/data.mdb", "half");
         write_bytes(books, "");
       }},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    open();
    any(120);
    checkpoint();
    any(30);
    const auto end = store->journal().durable_position();
    close();
    c.damage();
    const auto done = rebuild();
    ASSERT_TRUE(done.has_value()) << done.error().to_text();
    EXPECT_EQ(done->end, end);
    EXPECT_FALSE(std::filesystem::exists(data() + "/books.new"));
    expect_clean();
    open();
    EXPECT_EQ(store->recovery().records, 0u) << "the books stand at the journal's end";
    EXPECT_EQ(differences_from_model(), "");
    close();
  }
}

TEST_F(RebuildTest, ADamagedJournalLeavesTheBooksAlone) {
  open();
  any(80);
  checkpoint();
  close();
  testing::flip_bit(data() + "/journal/0000000000000001.journal", 200, 3);
  const auto before = testing::bytes_of_file(data() + "/books/data.mdb");
  const auto done = rebuild();
  ASSERT_FALSE(done.has_value());
  EXPECT_TRUE(done.error().is(Errc::damaged));
  EXPECT_EQ(done.error().file, data() + "/journal/0000000000000001.journal");
  EXPECT_TRUE(testing::bytes_of_file(data() + "/books/data.mdb") == before);
}

TEST_F(RebuildTest, ARunningServerIsNotTouched) {
  open();
  any(20);
  const auto done = rebuild();
  ASSERT_FALSE(done.has_value());
  EXPECT_TRUE(done.error().is(Errc::in_use));
}

}  // namespace
}  // namespace recharge
