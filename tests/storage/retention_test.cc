// Segments are dropped only when a sealed base stands for them: cut short anywhere, the folder opens and
// verifies; what was dropped is still in every balance.
#include "storage/retention.h"

#include <lmdb.h>

#include <random>

#include "storage/backup.h"
#include "storage/books_replica.h"
#include "storage/rebuild.h"
#include "storage/scrubber.h"
#include "storage/verify.h"
#include "tests/storage/stopping_files.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/test_seed.h"

namespace recharge {
namespace {

using testing::StoppingFiles;

class RetentionTest : public testing::StoreTest {
 protected:
  // Until the journal's end lies in this segment.
  void fill_to(std::uint64_t segment) {
    while (store->journal().durable_position().segment < segment) {
      for (unsigned i = 0; i < 200; ++i) {
        const auto command = commands.any();
        if (is_change(command)) run(command);
      }
      owners->flush();
    }
  }
  void fill_and_checkpoint(std::uint64_t segment) {
    fill_to(segment);
    checkpoint();
  }
  RetentionOptions options(RetentionLimits limits) const {
    RetentionOptions options;
    options.limits = limits;
    options.checkpointed_segment = [this] { return store->books().position().value().journal.segment; };
    options.wall_ms = [] { return std::int64_t{0}; };
    options.base_share = base_share;
    return options;
  }
  RetainedFolder retained() const {
    JournalOptions journal;
    journal.directory = store->journal_directory();
    journal.folder_id = store->format().folder_id;
    return {store->data_dir(), store->map(), store->codec(), journal};
  }
  StorageResult<std::uint64_t> retain(FileSystem& over, RetentionLimits limits = kNothing) {
    return Retention(over, retained(), options(limits)).run_once();
  }
  std::uint64_t retain() {
    const auto dropped = retain(files);
    EXPECT_TRUE(dropped.has_value()) << dropped.error().to_text();
    return dropped ? *dropped : 0;
  }
  std::vector<std::uint64_t> segments() { return list_segments(files, data() + "/journal").value(); }
  std::optional<BaseSeal> seal() { return read_base_seal(files, data(), store->format().folder_id).value(); }
  VerifyReport verify(const std::string& directory, bool decide = true) {
    const auto report = verify_data_folder(files, {directory, folder.path(), decide});
    EXPECT_TRUE(report.has_value()) << report.error().to_text();
    if (!report) return {};
    EXPECT_TRUE(report->clean()) << report->findings.front();
    return *report;
  }
  // The folder opens, verifies, and holds what the model holds.
  void expect_whole() {
    close();
    verify(data());
    open();
    EXPECT_EQ(differences_from_model(), "");
  }
  void keep_as(const std::string& name) {
    std::filesystem::remove_all(folder.at(name));
    std::filesystem::copy(data(), folder.at(name), std::filesystem::copy_options::recursive);
  }
  void take_back(const std::string& name) {
    std::filesystem::remove_all(data());
    std::filesystem::copy(folder.at(name), data(), std::filesystem::copy_options::recursive);
  }
  std::string base_file() const { return data() + "/base/data.mdb"; }

  static constexpr RetentionLimits kNothing{{}, 0};
  std::uint64_t base_share = 1000;  // as good as not to wait
};

TEST_F(RetentionTest, DropsWhatTheBaseStandsFor) {
  open();
  fill_and_checkpoint(3);
  const auto whole = verify_data_folder(files, {data(), folder.path(), false});
  EXPECT_TRUE(whole.has_error()) << "in use";
  EXPECT_EQ(retain(), 2u);
  EXPECT_EQ(segments().front(), 3u);
  ASSERT_TRUE(seal() && seal()->digest);
  EXPECT_EQ(seal()->position.segment, 3u);
  EXPECT_EQ(seal()->position.offset, 0u);
  EXPECT_EQ(retain(), 0u) << "nothing more";
  expect_whole();
  close();
  EXPECT_EQ(verify(data()).base->segment, 3u);
}

TEST_F(RetentionTest, WaitsForSubscribers) {
  open();
  fill_and_checkpoint(5);
  std::uint64_t needed = 1;
  const auto retain_for = [&] {
    auto held = options(kNothing);
    held.first_needed = [&](std::uint64_t wanted) { return std::min(wanted, needed); };
    return Retention(files, retained(), held).run_once().value();
  };
  EXPECT_EQ(retain_for(), 0U);
  needed = 3;
  EXPECT_EQ(retain_for(), 2U);
  EXPECT_EQ(segments().front(), 3U);
  EXPECT_EQ(seal()->position.segment, 3U);
  EXPECT_EQ(retain_for(), 0U);
  needed = 100;
  EXPECT_EQ(retain_for(), 2U);
  EXPECT_EQ(segments().front(), 5U);
  expect_whole();
}

// The bound, and what there is without it.
TEST_F(RetentionTest, GrowthIsBounded) {
  base_share = RetentionOptions().base_share;
  open();
  constexpr RetentionLimits kTwoSegments{{}, 2 * testing::kStoreSegmentBytes};
  std::size_t most = 0;
  for (std::uint64_t segment = 2; segment <= 7; ++segment) {
    fill_and_checkpoint(segment);
    ASSERT_TRUE(retain(files, kTwoSegments).has_value());
    most = std::max(most, segments().size());
  }
  EXPECT_LE(most, 4u) << "two, and the share of the base that is waited for";
  EXPECT_GE(segments().front(), 5u);
  expect_whole();
  const auto before = segments().size();
  for (std::uint64_t segment = 8; segment <= 10; ++segment) {
    fill_and_checkpoint(segment);
    ASSERT_TRUE(retain(files, RetentionLimits{}).has_value());
  }
  EXPECT_GE(segments().size(), before + 3) << "all is kept: without a bound";
}

TEST_F(RetentionTest, OldIsWhatHasOnlyOldRecords) {
  open();
  fill_and_checkpoint(4);
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  const auto retain_at = [&](std::int64_t ms) {
    auto aged = options({3'600'000, {}});
    aged.wall_ms = [ms] { return ms; };
    return Retention(files, retained(), aged).run_once().value();
  };
  EXPECT_EQ(retain_at(now_ms), 0u);
  EXPECT_EQ(retain_at(now_ms + 3'000'000), 0u);
  EXPECT_EQ(retain_at(now_ms + 3'700'000), 3u);
  expect_whole();
}

TEST_F(RetentionTest, WhatTheBooksNeedStays) {
  open();
  fill_and_checkpoint(2);
  fill_to(4);
  EXPECT_EQ(retain(), 1u) << "up to the books' position";
  EXPECT_EQ(segments().front(), 2u);
  expect_whole();
}

// A build that does not ask the books: they do not find their place any more.
TEST_F(RetentionTest, DroppingAheadOfTheBooksIsNoticed) {
  open();
  fill_to(3);
  auto ahead = options(kNothing);
  ahead.checkpointed_segment = [] { return std::uint64_t{3}; };
  ASSERT_EQ(Retention(files, retained(), ahead).run_once().value(), 2u);
  const auto opened = try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::damaged)) << opened.error().to_text();
}

// No checkpoint by this process: what it found may not be on the disk.
TEST_F(RetentionTest, NothingIsDroppedBeforeTheFirstCheckpoint) {
  open();
  fill_and_checkpoint(3);
  auto fresh = options(kNothing);
  fresh.checkpointed_segment = [] { return std::uint64_t{0}; };
  EXPECT_EQ(Retention(files, retained(), fresh).run_once().value(), 0u);
  Checkpointer checkpointer(*store, *owners, checkpointer_options());
  EXPECT_EQ(checkpointer.checkpointed_segment(), 0u);
  ASSERT_TRUE(checkpointer.run_once().has_value());
  EXPECT_EQ(checkpointer.checkpointed_segment(), 3u);
}

TEST_F(RetentionTest, ABackupKeepsEverythingWhileItRuns) {
  open();
  fill_and_checkpoint(3);
  {
    const auto backup = lock_journal(files, data());
    ASSERT_TRUE(backup.has_value());
    EXPECT_EQ(retain(), 0u);
    EXPECT_EQ(segments().front(), 1u);
    EXPECT_FALSE(seal());
  }
  EXPECT_EQ(retain(), 2u);
}

TEST_F(RetentionTest, ABackupCarriesTheBase) {
  open();
  fill_and_checkpoint(3);
  retain();
  any(60);
  const auto report = make_backup(files, data(), folder.at("backup"));
  ASSERT_TRUE(report.has_value()) << report.error().to_text();
  EXPECT_EQ(report->begin, seal()->position);
  EXPECT_EQ(report->end, store->journal().durable_position());
  const auto restored = restore_backup(files, folder.at("backup"), folder.at("restored"));
  ASSERT_TRUE(restored.has_value()) << restored.error().to_text();
  EXPECT_EQ(verify(folder.at("restored")).base->segment, 3u);
  // Without its base, or with another's, it is refused; so is any flipped bit of it.
  std::mt19937_64 random(testing::test_seed());
  for (const auto* name : {"/base/data.mdb", "/base/BASE"}) {
    const auto file = folder.at("backup") + name;
    const auto size = std::filesystem::file_size(file);
    for (unsigned i = 0; i < 20; ++i) {
      const auto at = random() % size;
      testing::flip_bit(file, at, i % 8);
      const auto checked = check_backup(files, folder.at("backup"));
      EXPECT_FALSE(checked.has_value()) << name << " offset " << at;
      testing::flip_bit(file, at, i % 8);
    }
  }
  ASSERT_TRUE(check_backup(files, folder.at("backup")).has_value());
  std::filesystem::remove_all(folder.at("backup") + "/base");
  EXPECT_FALSE(check_backup(files, folder.at("backup")).has_value());
  // What was restored is the model's state.
  close();
  std::filesystem::remove_all(data());
  std::filesystem::rename(folder.at("restored"), data());
  open();
  EXPECT_EQ(differences_from_model(), "");
}

TEST_F(RetentionTest, BooksAreMadeAnewFromBaseAndJournal) {
  open();
  fill_and_checkpoint(3);
  retain();
  any(60);
  checkpoint();
  any(20);
  close();
  const std::string books = data() + "/books";
  const std::function<void()> damages[] = {
      [&] { std::filesystem::remove_all(books); },
      [&] { testing::write_bytes(books + "/unfinished", ""); },
  };
  for (const auto& damage : damages) {
    damage();
    open();
    EXPECT_GT(store->recovery().records, 0u) << "from the base on";
    EXPECT_EQ(differences_from_model(), "");
    close();
  }
  testing::write_bytes(books + "/data.mdb", std::string(100'000, 'x'));
  {
    auto opened = OfflineFolder::open(files, data());
    ASSERT_TRUE(opened.has_value());
    const auto rebuilt = rebuild_books(files, *opened);
    ASSERT_TRUE(rebuilt.has_value()) << rebuilt.error().to_text();
  }
  open();
  expect_whole();
}

TEST_F(RetentionTest, ADamagedBaseIsFoundAndNamed) {
  open();
  fill_and_checkpoint(3);
  retain();
  any(20);
  std::vector<StorageError> found;
  ScrubberOptions scrubbing;
  scrubbing.bytes_per_second = std::uint64_t{1} << 40;
  scrubbing.on_damage = [&found](const StorageError& error) { found.push_back(error); };
  EXPECT_TRUE(Scrubber(files, *store, scrubbing).run_once()) << found.front().to_text();
  std::mt19937_64 random(testing::test_seed());
  for (const auto& file : {base_file(), data() + "/base/BASE"}) {
    const auto size = std::filesystem::file_size(file);
    for (unsigned i = 0; i < 20; ++i) {
      const auto at = random() % size;
      SCOPED_TRACE(file + " offset " + std::to_string(at));
      testing::flip_bit(file, at, i % 8);
      found.clear();
      EXPECT_FALSE(Scrubber(files, *store, scrubbing).run_once());
      EXPECT_EQ(found.front().file, file);
      EXPECT_TRUE(found.front().is(Errc::damaged) || found.front().is(Errc::newer_format));
      const auto backup = make_backup(files, data(), folder.at("backup"));
      EXPECT_FALSE(backup.has_value());
      std::filesystem::remove_all(folder.at("backup"));
      testing::flip_bit(file, at, i % 8);
    }
  }
  // Nothing is built on it: the journal stays, and verify names it.
  fill_and_checkpoint(5);
  testing::flip_bit(base_file(), std::filesystem::file_size(base_file()) / 2, 3);
  const auto kept = segments();
  const auto refused = retain(files);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().file, base_file());
  EXPECT_EQ(segments(), kept);
  close();
  const auto report = verify_data_folder(files, {data(), folder.path(), false});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().file, base_file());
  open();
  EXPECT_EQ(differences_from_model(), "") << "the books themselves are whole";
}

// A base that was left in the middle of being carried forward: ahead of what BASE says.
TEST_F(RetentionTest, ABaseThatIsCarriedForwardIsOneToo) {
  open();
  fill_and_checkpoint(3);
  retain();
  fill_to(4);
  const auto middle = store->journal().durable_position();
  fill_and_checkpoint(5);
  const auto sealed = *seal();
  ASSERT_TRUE(write_base_seal(files, data(), store->format().folder_id, {sealed.position, {}}).has_value());
  const auto folder_of = retained();
  {
    auto base =
        LmdbBooks::open(data() + "/base", store->format().folder_id, LmdbBooks::Open::existing).value();
    auto replica = BooksReplica::open(store->map(), store->codec(), *base, base_file()).value();
    ASSERT_TRUE(replica.replay(files, folder_of.journal, middle).has_value());
  }
  const auto report = make_backup(files, data(), folder.at("backup"));
  ASSERT_TRUE(report.has_value()) << report.error().to_text();
  ASSERT_TRUE(restore_backup(files, folder.at("backup"), folder.at("restored")).has_value());
  verify(folder.at("restored"));
  expect_whole();
  EXPECT_EQ(retain(), 2u) << "goes on";
  EXPECT_EQ(segments().front(), 5u);
  expect_whole();
}

// Opening a base adds the tables that came after it: not before BASE says that it is being carried forward.
TEST_F(RetentionTest, ABaseThatLacksATableIsWholeWhereverItIsLeft) {
  open();
  fill_and_checkpoint(2);
  retain();
  fill_and_checkpoint(3);
  {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_env_create(&env), 0);
    mdb_env_set_maxdbs(env, kTables + 1);
    ASSERT_EQ(mdb_env_open(env, (data() + "/base").c_str(), 0, 0600), 0);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
    ASSERT_EQ(mdb_dbi_open(txn, kTableNames[kFirstLaterTable].data(), 0, &dbi), 0);
    ASSERT_EQ(mdb_drop(txn, dbi, 1), 0);
    ASSERT_EQ(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
  }
  const auto digest = digest_of_base(files, data()).value();
  const auto& id = store->format().folder_id;
  ASSERT_TRUE(write_base_seal(files, data(), id, {seal()->position, digest}).has_value());
  for (unsigned calls = 0; calls < 4; ++calls) {
    StoppingFiles stopping(files, folder.at("shadow"), calls);
    ASSERT_FALSE(retain(stopping).has_value());
    stopping.lose_unflushed_names();
    const auto checked = check_base(files, data(), *seal(), store->codec());
    ASSERT_TRUE(checked.has_value()) << calls << ": " << checked.error().to_text();
  }
}

// At each call of the file system the process ends there, or the power fails and unflushed names are lost.
TEST_F(RetentionTest, CutShortAnywhereTheFolderIsWhole) {
  open();
  fill_and_checkpoint(2);
  retain();
  fill_and_checkpoint(4);
  close();
  keep_as("before");
  for (const bool power_loss : {false, true}) {
    bool done = false;
    for (unsigned calls = 0; !done; ++calls) {
      SCOPED_TRACE((power_loss ? "power lost at call " : "killed at call ") + std::to_string(calls));
      take_back("before");
      open();
      StoppingFiles stopping(files, folder.at("shadow"), calls);
      const auto dropped = retain(stopping);
      done = !stopping.stopped();
      EXPECT_EQ(dropped.has_value(), done);
      close();
      if (power_loss) stopping.lose_unflushed_names();
      verify(data(), false);
      open();
      const auto again = retain(files);
      ASSERT_TRUE(again.has_value()) << again.error().to_text();
      EXPECT_EQ(segments().front(), 4u);
      if (calls % 4 == 0 || done) expect_whole();
      close();
      ASSERT_LT(calls, 400u);
    }
  }
}

// A build that drops first and seals then: what a power loss in between leaves does not open, or is short.
TEST_F(RetentionTest, DroppingBeforeTheSealIsNoticed) {
  open();
  fill_and_checkpoint(3);
  close();
  ASSERT_TRUE(remove_segment(files, data() + "/journal", 1).has_value());
  const auto report = verify_data_folder(files, {data(), folder.path(), false});
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(report.error().is(Errc::damaged));
}

}  // namespace
}  // namespace recharge
