// A backup is a durable prefix of the history, whatever the server does meanwhile; what is less is refused.
#include "storage/backup.h"

#include <random>

#include "storage/verify.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/test_seed.h"

namespace recharge {
namespace {

using testing::bytes_of_file;
using testing::write_bytes;

class BackupTest : public testing::StoreTest {
 protected:
  std::string backup() const { return folder.at("backup"); }
  std::string restored() const { return folder.at("restored"); }
  BackupReport back_up() {
    std::filesystem::remove_all(backup());
    const auto report = make_backup(files, data(), backup());
    EXPECT_TRUE(report.has_value()) << report.error().to_text();
    return report ? *report : BackupReport{};
  }
  StorageResult<BackupReport> restore() {
    std::filesystem::remove_all(restored());
    return restore_backup(files, backup(), restored());
  }
  void expect_clean(const std::string& directory, const JournalPosition& end) {
    const auto report = verify_data_folder(files, {directory, folder.path(), true});
    ASSERT_TRUE(report.has_value()) << report.error().to_text();
    EXPECT_TRUE(report->clean()) << report->findings.front();
    EXPECT_EQ(report->end, end);
  }
  static std::string segment(const std::string& directory, unsigned number = 1) {
    return segment_path(directory + "/journal", number);
  }
};

TEST_F(BackupTest, OfAnOpenFolderIsThatFolderAtItsDurablePosition) {
  open();
  write_bytes(data() + "/callback.secret", "the secret\n");
  for (unsigned round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    any(150);
    if (round % 2 == 0) checkpoint();
    const auto end = store->journal().durable_position();
    const auto report = back_up();
    EXPECT_EQ(report.end, end);
    const auto back = restore();
    ASSERT_TRUE(back.has_value()) << back.error().to_text();
    expect_clean(restored(), end);
    EXPECT_EQ(bytes_of_file(restored() + "/callback.secret"), "the secret\n");
    EXPECT_EQ(store->journal().durable_position(), end) << "the folder goes on";
  }
  EXPECT_GT(store->journal().durable_position().segment, 0u);
  // What is restored is the model's state.
  close();
  std::filesystem::remove_all(data());
  std::filesystem::rename(restored(), data());
  open();
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(BackupTest, OfAnEmptyJournalIsOne) {
  open();
  back_up();
  const auto back = restore();
  ASSERT_TRUE(back.has_value()) << back.error().to_text();
  expect_clean(restored(), {});
}

TEST_F(BackupTest, OfSeveralSegmentsEndsInAnyOfThem) {
  open();
  while (store->journal().durable_position().segment < 3) {
    any(400);
    const auto report = back_up();
    EXPECT_EQ(report.end, store->journal().durable_position());
  }
  const auto back = restore();
  ASSERT_TRUE(back.has_value()) << back.error().to_text();
  expect_clean(restored(), back->end);
}

// Each is a copy as a simpler program would make it.
TEST_F(BackupTest, WhatIsNoWholePrefixIsRefused) {
  open();
  any(100);
  const auto earlier = back_up();
  const auto earlier_segment = bytes_of_file(segment(backup()));
  any(100);
  const auto end = back_up().end;
  ASSERT_LT(earlier.end.sequence, end.sequence);
  const auto whole = testing::contents_of(backup());
  const auto group = bytes_of_file(segment(backup()));
  const struct {
    const char* name;
    std::function<void()> change;
  } cases[] = {
      {"no MANIFEST: the copy was cut short", [&] { std::filesystem::remove(backup() + "/MANIFEST"); }},
      {"no FORMAT", [&] { std::filesystem::remove(backup() + "/FORMAT"); }},
      {"no journal", [&] { std::filesystem::remove(segment(backup())); }},
      {"a journal of an earlier time", [&] { write_bytes(segment(backup()), earlier_segment); }},
      {"cut in the middle of a group",
       [&] {
         std::string cut = group;
         std::fill(cut.begin() + static_cast<std::ptrdiff_t>(end.offset) - 512, cut.end(), '\0');
         write_bytes(segment(backup()), cut);
       }},
      {"cut at a group", [&] { write_bytes(segment(backup()), earlier_segment); }},
      {"a shorter file", [&] { std::filesystem::resize_file(segment(backup()), end.offset); }},
      {"bytes behind the durable position, not bounded",
       [&] {
         std::string longer = group;
         longer.replace(end.offset, 512, group.substr(0, 512));
         write_bytes(segment(backup()), longer);
       }},
      {"the segments in the wrong order: a later one without what came before",
       [&] { std::filesystem::rename(segment(backup()), segment(backup(), 2)); }},
      {"the MANIFEST of another backup",
       [&] {
         std::filesystem::rename(backup(), folder.at("kept"));
         any(20);
         back_up();
         std::filesystem::copy_file(backup() + "/MANIFEST", folder.at("kept") + "/MANIFEST",
                                    std::filesystem::copy_options::overwrite_existing);
         std::filesystem::remove_all(backup());
         std::filesystem::rename(folder.at("kept"), backup());
       }},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    for (const auto& [name, bytes] : whole) write_bytes(backup() + "/" + name, bytes);
    std::filesystem::remove(segment(backup(), 2));
    ASSERT_TRUE(check_backup(files, backup()).has_value());
    c.change();
    EXPECT_FALSE(restore().has_value());
    EXPECT_FALSE(std::filesystem::exists(restored())) << "nothing is made from it";
  }
}

TEST_F(BackupTest, AnyFlippedBitIsRefused) {
  open();
  any(100);
  back_up();
  const auto seed = testing::test_seed();
  std::mt19937_64 random(seed);
  const auto whole = testing::contents_of(backup());
  for (const auto& [name, bytes] : whole) {
    for (unsigned i = 0; i < 40; ++i) {
      const auto at = random() % bytes.size();
      const auto bit = static_cast<unsigned>(random() % 8);
      testing::flip_bit(backup() + "/" + name, at, bit);
      const auto checked = check_backup(files, backup());
      EXPECT_FALSE(checked.has_value()) << name << " offset " << at << " bit " << bit;
      testing::flip_bit(backup() + "/" + name, at, bit);
    }
  }
}

TEST_F(BackupTest, ADamagedJournalIsNotBackedUp) {
  open();
  any(60);
  const auto place = store->journal().durable_position();
  any(60);
  testing::flip_bit(segment(data()), place.offset + 100, 1);
  const auto report = make_backup(files, data(), backup());
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(report.error().is(Errc::damaged));
  EXPECT_EQ(report.error().file, segment(data()));
  EXPECT_EQ(report.error().offset, place.offset);
}

TEST_F(BackupTest, NothingIsOverwritten) {
  open();
  any(20);
  back_up();
  EXPECT_TRUE(make_backup(files, data(), backup()).error().is(Errc::in_use));
  EXPECT_TRUE(restore_backup(files, backup(), data()).error().is(Errc::in_use));
  EXPECT_FALSE(make_backup(files, folder.at("nowhere"), folder.at("other")).has_value());
  EXPECT_FALSE(std::filesystem::exists(folder.at("other")));
}

// Books that stand for more than the journal holds: what a copy of both files, books last, ends in.
TEST_F(BackupTest, BooksAheadOfTheirJournalAreRefused) {
  open();
  any(60);
  back_up();
  any(60);
  checkpoint();
  close();
  ASSERT_TRUE(restore().has_value());
  std::filesystem::copy_file(data() + "/books/data.mdb", restored() + "/books/data.mdb",
                             std::filesystem::copy_options::overwrite_existing);
  const auto report = verify_data_folder(files, {restored(), folder.path(), false});
  EXPECT_FALSE(report.has_value() && report->clean());
  const auto started = Store::open(files, options_for(restored(), 1));
  ASSERT_FALSE(started.has_value());
  EXPECT_TRUE(started.error().is(Errc::damaged)) << started.error().to_text();
}

}  // namespace
}  // namespace recharge
