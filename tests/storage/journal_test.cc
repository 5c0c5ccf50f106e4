#include "storage/journal.h"

#include <cerrno>
#include <random>

#include "tests/storage/journal_fixture.h"

namespace recharge {
namespace {

using Operation = SimulatedFileSystem::Operation;

TEST(Journal, OneGroupAndOneFlushForEverythingPublished) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal(3);
  std::vector<unsigned> notified;
  std::vector<GroupPart> parts;
  GroupReport report;
  JournalHooks hooks;
  hooks.notify = [&](unsigned producer) { notified.push_back(producer); };
  hooks.on_group = [&](const GroupReport& group) {
    report = group;
    parts.assign(group.parts.begin(), group.parts.end());
  };
  hooks.wall_ms = [] { return std::int64_t{1700000000000}; };
  auto journal = open_journal(*disk, options, {}, hooks);
  ASSERT_EQ(journal->step().value(), 0u) << "nothing to write; prepares the second segment";
  ASSERT_TRUE(push(*journal, 0, "a"));
  ASSERT_TRUE(push(*journal, 0, "b"));
  ASSERT_TRUE(push(*journal, 2, "c"));
  ASSERT_TRUE(push(*journal, 2, "not published"));
  journal->publish(0);
  const std::uint64_t writes = disk->writes();
  const std::uint64_t syncs = disk->syncs();
  ASSERT_EQ(journal->step().value(), 2u);
  EXPECT_EQ(disk->writes(), writes + 1);
  EXPECT_EQ(disk->syncs(), syncs + 1);
  EXPECT_EQ(journal->durable(0), 2u);
  EXPECT_EQ(journal->durable(2), 0u);
  EXPECT_EQ(notified, std::vector<unsigned>{0});

  journal->publish(2);
  ASSERT_EQ(journal->step().value(), 2u);
  EXPECT_EQ(journal->durable(2), 2u);
  EXPECT_EQ(journal->pushed(2), 2u);
  EXPECT_EQ(report.begin, (RecordPosition{1, 512, 2, 0}));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].producer, 2u);
  EXPECT_EQ(parts[0].first_number, 1u);
  EXPECT_EQ(parts[0].count, 2u);
  EXPECT_EQ(journal->durable_position().offset, 1024u);
  EXPECT_EQ(journal->durable_position().sequence, 3u);
  EXPECT_EQ(read_back(*disk, options).records, (std::vector<std::string>{"a", "b", "c", "not published"}));
  EXPECT_EQ(read_back(*disk, options).tail.end, journal->durable_position());
}

// A write of a mebibyte kept the core from the io threads for 2.4 ms, a flush after each of 64 KiB would
// write more.
TEST(Journal, ASegmentIsFilledByShortWritesAndFlushedByMebibytes) {
  auto disk = empty_disk();
  const std::uint64_t writes = disk->writes();
  const std::uint64_t syncs = disk->syncs();
  constexpr std::uint64_t kBytes = (std::uint64_t{3} << 20) + 512;
  ASSERT_TRUE(make_segment(*disk, kJournalDirectory, 1, kBytes).has_value());
  EXPECT_EQ(disk->writes() - writes, 3 * 16 + 1);
  EXPECT_EQ(disk->syncs() - syncs, 3 + 1);
}

TEST(Journal, RecordsOfAllSizesGoRoundThroughManySegments) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal(2);
  auto journal = open_journal(*disk, options);
  EXPECT_TRUE(journal->reserve(0, journal->max_record_bytes() + 1).empty());
  std::vector<std::string> expected;
  std::uint64_t pushed = 0;
  for (std::size_t bytes = 20; bytes <= journal->max_record_bytes(); bytes += 997) {
    const std::string record = record_text(++pushed, bytes);
    if (!push(*journal, 0, record)) {
      // Each step writes one group, and may take the ready segment; the last one prepares another.
      while (journal->step().value() > 0) {
      }
      ASSERT_TRUE(push(*journal, 0, record));
    }
    journal->publish(0);
    expected.push_back(record);
    if (pushed % 3 == 0) {
      ASSERT_TRUE(journal->step().has_value());
    }
  }
  while (journal->step().value() > 0) {
  }
  ASSERT_TRUE(push(*journal, 0, record_text(++pushed, journal->max_record_bytes())));
  expected.push_back(record_text(pushed, journal->max_record_bytes()));
  journal->publish(0);
  while (journal->durable(0) < pushed) ASSERT_TRUE(journal->step().has_value());
  EXPECT_GE(journal->durable_position().segment, 3u);
  EXPECT_EQ(read_back(*disk, options).records, expected);
}

TEST(Journal, GoesOnWhereRecoveryEnded) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  std::vector<std::string> expected;
  for (std::uint64_t run = 0; run < 40; ++run) {
    std::vector<std::string> found;
    auto end = recover(*disk, options, &found);
    ASSERT_TRUE(end.has_value()) << end.error().to_text();
    ASSERT_EQ(found, expected);
    auto journal = open_journal(*disk, options, *end);
    write_group(*journal, run, 1, 3000);
    expected.push_back(record_text(run, 3000));
  }
  EXPECT_EQ(list_segments(*disk, kJournalDirectory).value().size(), 4u);
}

TEST(Journal, RefusesWhenTheRingIsFullAndLosesNothing) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  auto journal = open_journal(*disk, options);
  ASSERT_TRUE(journal->step().has_value());
  std::uint64_t accepted = 0;
  while (push(*journal, 0, record_text(accepted, 1000))) ++accepted;
  EXPECT_GT(accepted, 20u);
  EXPECT_FALSE(journal->storage_full());
  journal->publish(0);
  EXPECT_GT(journal->bytes_in_rings(), 20000u);
  while (journal->durable(0) < accepted) ASSERT_TRUE(journal->step().has_value());
  EXPECT_EQ(journal->bytes_in_rings(), 0u);
  EXPECT_TRUE(push(*journal, 0, "again"));
}

// Whatever was accepted finds its place, however full the disk gets.
TEST(Journal, AFullDiskRefusesReservationsAndNeverAnAcceptedRecord) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto disk = empty_disk();
    const JournalOptions options = small_journal(3);
    auto journal = open_journal(*disk, options);
    disk->set_capacity(2 * options.segment_bytes + 1000);  // no third segment
    std::mt19937_64 random(seed);
    std::uint64_t accepted = 0;
    for (int refused = 0; refused < 50;) {
      const auto producer = static_cast<unsigned>(random() % 3);
      refused += push(*journal, producer, record_text(accepted, 20 + random() % 2000)) ? 0 : 1;
      if (random() % 4 == 0) journal->publish(producer);
      if (random() % 6 == 0) {
        auto stepped = journal->step();
        ASSERT_TRUE(stepped.has_value()) << stepped.error().to_text();
      }
    }
    for (unsigned producer = 0; producer < 3; ++producer) journal->publish(producer);
    while (journal->step().value() > 0) {
    }
    EXPECT_TRUE(journal->storage_full());
    EXPECT_FALSE(journal->failed());
    EXPECT_FALSE(push(*journal, 0, record_text(0, 16000))) << "no room for this";
    accepted = journal->pushed(0) + journal->pushed(1) + journal->pushed(2);
    EXPECT_EQ(journal->durable(0) + journal->durable(1) + journal->durable(2), accepted);
    EXPECT_EQ(read_back(*disk, options).records.size(), accepted);
    EXPECT_GT(journal->durable_position().segment, 1u);
    EXPECT_FALSE(disk->exists(segment_path(kJournalDirectory, 3) + ".tmp").value())
        << "its room is free again";

    disk->set_capacity(10 * options.segment_bytes);
    ASSERT_TRUE(journal->step().has_value());
    EXPECT_FALSE(journal->storage_full());
    EXPECT_TRUE(push(*journal, 0, record_text(0, 2000)));
  }
}

// Connections may take every descriptor: the next segment waits for one, and the process goes on.
TEST(Journal, WithoutADescriptorTheNextSegmentWaits) {
  for (const int error : {EMFILE, ENFILE, EIO}) {
    for (std::uint64_t nth = 1; nth <= 2;
         ++nth) {  // of the flushes that a segment takes, the directory's last
      auto disk = empty_disk();
      SegmentPreparer preparer(*disk, small_journal(), 1);
      disk->inject({Operation::sync, nth, 1, error, {}});
      const auto first = preparer.prepare_step();
      ASSERT_EQ(first.has_value(), error != EIO) << nth;
      if (error == EIO) continue;
      EXPECT_FALSE(*first);
      EXPECT_FALSE(preparer.storage_full());
      EXPECT_TRUE(preparer.prepare_step().value());
      EXPECT_EQ(preparer.take()->number, 1U);
    }
  }
}

// Through many segments, the promised room must neither leak nor grow.
TEST(Journal, RoomIsNeitherLostNorInventedOverManySegments) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  auto journal = open_journal(*disk, options);
  std::mt19937_64 random(5);
  while (journal->durable_position().segment < 200) {
    ASSERT_TRUE(journal->step().has_value());
    ASSERT_TRUE(push(*journal, 0, record_text(1, 1 + random() % 9000)));
    journal->publish(0);
    ASSERT_TRUE(journal->step().has_value());
  }
}

TEST(Journal, AFailedWriteOrFlushIsFinal) {
  for (const Operation operation : {Operation::write, Operation::sync}) {
    for (const int error : {EIO, ENOSPC}) {
      auto disk = empty_disk();
      std::vector<StorageError> fatal;
      int notified = 0;
      JournalHooks hooks;
      hooks.on_fatal = [&](const StorageError& e) { fatal.push_back(e); };
      hooks.notify = [&](unsigned) { ++notified; };
      auto journal = open_journal(*disk, small_journal(), {}, hooks);
      write_group(*journal, 1, 1);
      ASSERT_EQ(notified, 1);
      disk->inject({operation, 1, 1, error, ".journal"});
      ASSERT_TRUE(push(*journal, 0, "lost"));
      journal->publish(0);
      auto failed = journal->step();
      ASSERT_FALSE(failed.has_value());
      EXPECT_EQ(failed.error().code.value(), error);
      EXPECT_EQ(failed.error().file, segment_path(kJournalDirectory, 1));
      EXPECT_EQ(failed.error().offset, 512u);
      EXPECT_TRUE(journal->failed());
      EXPECT_FALSE(journal->step().has_value()) << "the disk works again, but nothing may go on";
      EXPECT_TRUE(journal->reserve(0, 10).empty());
      EXPECT_EQ(journal->durable(0), 1u);
      EXPECT_EQ(notified, 1);
      EXPECT_EQ(fatal.size(), 1u);
      EXPECT_EQ(journal->durable_position().offset, 512u);
    }
  }
}

TEST(Journal, AFailedEndMarkIsFinal) {
  auto disk = empty_disk();
  auto journal = open_journal(*disk, small_journal());
  for (int i = 0; i < 4; ++i) write_group(*journal, 1, 1, 15000);
  disk->inject({Operation::sync, 1, 1, EIO, segment_name(1)});
  ASSERT_TRUE(push(*journal, 0, record_text(2, 15000)));
  journal->publish(0);
  EXPECT_FALSE(journal->step().has_value());
  EXPECT_EQ(journal->durable(0), 4u);
}

TEST(Journal, AFailingDiskDuringPreparationIsFinal) {
  auto disk = empty_disk();
  int fatal = 0;
  JournalHooks hooks;
  hooks.on_fatal = [&](const StorageError& error) {
    ++fatal;
    EXPECT_NE(error.file.find(".tmp"), std::string::npos) << error.to_text();
  };
  auto journal = open_journal(*disk, small_journal(), {}, hooks);
  disk->inject({Operation::write, 1, 1, EIO, ".tmp"});
  EXPECT_FALSE(journal->step().has_value());
  EXPECT_EQ(fatal, 1);
  EXPECT_TRUE(journal->failed());
}

TEST(Journal, SegmentsAreZeroAndFlushedBeforeTheyHaveTheirName) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  auto journal = open_journal(*disk, options);
  ASSERT_TRUE(journal->step().has_value());
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    auto image = disk->after_power_loss(seed);
    for (std::uint64_t number : {1, 2}) {
      EXPECT_EQ(image->content(segment_path(kJournalDirectory, number)),
                std::vector<std::byte>(options.segment_bytes));
    }
  }
}

TEST(Journal, RemovesUnfinishedAndMisfitPreparedSegments) {
  auto disk = empty_disk();
  JournalOptions options = small_journal();
  {
    auto journal = open_journal(*disk, options);
    write_group(*journal, 1, 1);
  }
  ASSERT_TRUE(disk->create(segment_path(kJournalDirectory, 3) + ".tmp").has_value());
  options.segment_bytes = 96 * 1024;  // changed between two runs
  auto end = recover(*disk, options);
  auto journal = open_journal(*disk, options, *end);
  EXPECT_FALSE(disk->exists(segment_path(kJournalDirectory, 3) + ".tmp").value());
  EXPECT_FALSE(disk->exists(segment_path(kJournalDirectory, 2)).value());
  for (int i = 0; i < 12; ++i) write_group(*journal, 1, 1, 15000);
  EXPECT_EQ(disk->content(segment_path(kJournalDirectory, 1)).size(), 64u * 1024);
  EXPECT_EQ(disk->content(segment_path(kJournalDirectory, 2)).size(), 96u * 1024);
  EXPECT_EQ(read_back(*disk, options).records.size(), 13u);
}

// Whatever was written before, and whatever the others hold back, a largest record finds room in the end.
TEST(Journal, InTheSmallestSegmentARecordAlwaysFindsRoom) {
  for (const unsigned producers : {1u, 3u, 200u}) {
    JournalOptions options = small_journal(producers);
    options.segment_bytes =
        (GroupCommitter::smallest_segment_bytes(options) + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
    for (std::size_t filler = 1; filler < 16'000; filler += 499) {
      SCOPED_TRACE(std::to_string(producers) + " producers, records of " + std::to_string(filler));
      auto disk = empty_disk();
      auto journal = open_journal(*disk, options);
      ASSERT_TRUE(journal->step().has_value());
      for (unsigned other = 1; other < producers; ++other) {  // asks for much, and is silent from then on
        auto room = journal->reserve(other, journal->max_record_bytes());
        if (room.empty()) break;
        room[0] = std::byte{'x'};
        journal->commit(other, 1);
        journal->publish(other);
        if (other % 8 == 0) {
          ASSERT_TRUE(journal->step().has_value());
        }
      }
      for (unsigned i = 0; i < 120; ++i) {
        ASSERT_TRUE(journal->step().has_value());
        const bool last = i >= 60;
        ASSERT_TRUE(push(*journal, 0, record_text(i, last ? journal->max_record_bytes() : filler))) << i;
        journal->publish(0);
      }
    }
  }
}

TEST(Journal, RefusesSizesThatDoNotFit) {
  auto disk = empty_disk();
  JournalOptions options = small_journal();
  options.segment_bytes = options.max_group_bytes;
  EXPECT_TRUE(Journal::open(*disk, options, {}, {}).error().is(Errc::out_of_range));
  options = small_journal(3);
  options.segment_bytes = GroupCommitter::smallest_segment_bytes(options) / kSectorBytes * kSectorBytes;
  EXPECT_TRUE(Journal::open(*disk, options, {}, {}).error().is(Errc::out_of_range));
  options = small_journal();
  options.producers = 0;
  EXPECT_TRUE(Journal::open(*disk, options, {}, {}).error().is(Errc::out_of_range));
}

}  // namespace
}  // namespace recharge
