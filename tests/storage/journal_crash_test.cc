// Crashes of a journal on a simulated disk. Every seed is one history: groups, rotations, kills, power
// losses, also during recovery; after each restart everything that was acknowledged must be there, in order,
// and nothing else that was not pushed. The same histories over journals that are broken on purpose must lose
// something.
#include <cerrno>
#include <functional>
#include <random>

#include "tests/storage/journal_fixture.h"

namespace recharge {
namespace {

enum class Broken {
  nothing,
  flush_left_out,
  acknowledged_before_flush,
  last_group_not_written_again,
  tail_not_zeroed
};

class FlushLeftOut final : public GroupCommitter {
 public:
  using GroupCommitter::GroupCommitter;
  Result<void> flush(File&) override { return {}; }
};

class AcknowledgedBeforeFlush final : public GroupCommitter {
 public:
  using GroupCommitter::GroupCommitter;
  Result<void> flush(File& file) override {
    publish_durable();
    if (during_flush) during_flush();
    return GroupCommitter::flush(file);
  }
  std::function<void()> during_flush;
};

// A start without the recovery of the tail, or with a part of it.
StorageResult<JournalPosition> broken_recovery(FileSystem& files, const JournalOptions& options,
                                               Broken broken, std::vector<std::string>* records) {
  if (broken != Broken::last_group_not_written_again && broken != Broken::tail_not_zeroed) {
    return recover(files, options, records);
  }
  ReadBack read = read_back(files, options);
  if (read.error) return *read.error;
  *records = read.records;
  if (broken == Broken::tail_not_zeroed) return read.tail.end;
  // Zeroes, but leaves the last group as it was read.
  auto segment =
      open_segment(files, options.directory, read.tail.end.segment, FileSystem::Access::read_write);
  if (!segment) return read.tail.end;
  const std::vector<std::byte> zeros(
      std::min<std::uint64_t>(options.max_group_bytes, segment->bytes - read.tail.end.offset));
  static_cast<void>(segment->file->write_at(read.tail.end.offset, zeros));
  static_cast<void>(segment->file->sync());
  return read.tail.end;
}

struct History {
  explicit History(std::uint64_t seed_in, Broken broken_in)
      : seed(seed_in), broken(broken_in), random(seed_in) {}

  // Empty when every promise was kept.
  std::string run() {
    disk = empty_disk();
    for (int life = 0; life < 4 && failure.empty(); ++life) live();
    if (failure.empty()) check_restart();
    return failure;
  }

 private:
  void fail(const std::string& text) {
    if (failure.empty()) failure = "seed " + std::to_string(seed) + ": " + text;
  }

  // What a restart finds must begin with what is known to be there and go on with what was pushed after.
  std::optional<JournalPosition> check_restart() {
    std::vector<std::string> found;
    auto end = broken_recovery(*disk, options, broken, &found);
    if (!end) {
      fail(end.error().to_text());
      return std::nullopt;
    }
    if (found.size() < acknowledged) fail("an acknowledged record is lost");
    if (found.size() > pushed.size()) fail("a record that nobody pushed");
    for (std::size_t i = 0; i < std::min(found.size(), pushed.size()); ++i) {
      if (found[i] != pushed[i]) fail("record " + std::to_string(i) + " is not the one that was pushed");
    }
    // What was found is served from now on, so that it is as good as acknowledged.
    pushed = found;
    acknowledged = found.size();
    return *end;
  }

  std::unique_ptr<Journal> open_for_life(const JournalPosition& end) {
    if (broken != Broken::flush_left_out && broken != Broken::acknowledged_before_flush) {
      auto journal = Journal::open(*disk, options, end, {});
      if (!journal) fail(journal.error().to_text());
      return journal ? std::move(*journal) : nullptr;
    }
    // The broken committers work on the segments that a sound journal has opened.
    if (!Journal::open(*disk, options, end, {})) return nullptr;
    auto segment = open_segment(*disk, options.directory, end.segment, FileSystem::Access::read_write);
    auto preparer = std::make_unique<SegmentPreparer>(*disk, options, end.segment + 1);
    std::unique_ptr<GroupCommitter> committer;
    if (broken == Broken::flush_left_out) {
      committer =
          std::make_unique<FlushLeftOut>(options, *preparer, std::move(*segment), end, JournalHooks{});
    } else {
      auto early = std::make_unique<AcknowledgedBeforeFlush>(options, *preparer, std::move(*segment), end,
                                                             JournalHooks{});
      early->during_flush = [this, e = early.get()] {
        seen_during_flush = std::max<std::uint64_t>(seen_during_flush, before_life + e->durable(0));
      };
      committer = std::move(early);
    }
    auto next = open_segment(*disk, options.directory, end.segment + 1, FileSystem::Access::read_write);
    if (next) preparer->adopt(std::move(*next));
    return std::make_unique<Journal>(std::move(preparer), std::move(committer));
  }

  // From a start to a crash at the n-th write or flush.
  void live() {
    const auto end = check_restart();
    if (!end || !failure.empty()) return;
    if (random() % 3 == 0) crash();  // between recovery and the first group
    const auto again = check_restart();
    if (!again || !failure.empty()) return;
    before_life = acknowledged;
    seen_during_flush = 0;
    auto journal = open_for_life(*again);
    if (!journal) return;
    const std::uint64_t crash_at = 1 + random() % 14;
    std::uint64_t operations = 0;
    std::unique_ptr<SimulatedFileSystem> after;
    std::size_t acknowledged_at_crash = 0;
    const std::uint64_t fate = random();
    disk->set_observer([&](SimulatedFileSystem::Operation, const std::string&) {
      if (++operations != crash_at) return;
      after = crashed(fate);
      acknowledged_at_crash = std::max<std::size_t>(before_life + journal->durable(0), seen_during_flush);
    });
    if (random() % 3 == 0) {
      disk->inject({SimulatedFileSystem::Operation::sync, 1 + random() % 8, 1, EIO, ".journal"});
    }
    while (!after) {
      const std::uint64_t count = 1 + random() % 3;
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::string record = record_text(++number, 1 + random() % 5000);
        if (push(*journal, 0, record)) pushed.push_back(record);
      }
      journal->publish(0);
      auto stepped = journal->step();
      if (stepped) continue;
      // The flush that was told to fail: the process ends, and its pages stay readable.
      if (stepped.error().code.value() != EIO) fail(stepped.error().to_text());
      acknowledged_at_crash = before_life + journal->durable(0);
      after = disk->after_kill();
    }
    disk->set_observer(nullptr);
    journal.reset();
    if (!after) return;
    acknowledged = std::max(acknowledged, acknowledged_at_crash);
    disk = std::move(after);
  }

  std::unique_ptr<SimulatedFileSystem> crashed(std::uint64_t fate) const {
    if (fate % 4 == 0) return disk->after_kill();
    // Killed first, then the power goes before the new process has done anything.
    if (fate % 4 == 1) return disk->after_kill()->after_power_loss(fate);
    return disk->after_power_loss(fate);
  }
  void crash() { disk = crashed(random()); }

  const std::uint64_t seed;
  const Broken broken;
  std::mt19937_64 random;
  const JournalOptions options = small_journal();
  std::unique_ptr<SimulatedFileSystem> disk;
  std::vector<std::string>
      pushed;                    // in order, those of lost groups removed at the restart that shows the loss
  std::size_t acknowledged = 0;  // of pushed
  std::size_t before_life = 0;
  std::uint64_t seen_during_flush = 0;
  std::uint64_t number = 0;
  std::string failure;
};

constexpr std::uint64_t kSeeds = 2000;

TEST(JournalCrash, NothingAcknowledgedIsEverLost) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) ASSERT_EQ(History(seed, Broken::nothing).run(), "");
}

class BrokenJournal : public ::testing::TestWithParam<std::pair<const char*, Broken>> {};

TEST_P(BrokenJournal, IsCaught) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    if (!History(seed, GetParam().second).run().empty()) return;
  }
  FAIL() << "the histories do not notice: " << GetParam().first;
}

INSTANTIATE_TEST_SUITE_P(
    Each, BrokenJournal,
    ::testing::Values(std::pair{"FlushLeftOut", Broken::flush_left_out},
                      std::pair{"AcknowledgedBeforeFlush", Broken::acknowledged_before_flush},
                      std::pair{"LastGroupNotWrittenAgain", Broken::last_group_not_written_again},
                      std::pair{"TailNotZeroed", Broken::tail_not_zeroed}),
    [](const auto& param) { return param.param.first; });

// The last group is readable but its flush failed: a second flush does not put it on the disk, only writing
// it again.
TEST(JournalRecovery, WritesTheLastGroupAgain) {
  const JournalOptions options = small_journal();
  auto disk = empty_disk();
  auto journal = open_journal(*disk, options);
  write_group(*journal, 1, 1);
  disk->inject({SimulatedFileSystem::Operation::sync, 1, 1, 5, ".journal"});
  ASSERT_TRUE(push(*journal, 0, record_text(2, 2000)));
  journal->publish(0);
  ASSERT_FALSE(journal->step().has_value());
  auto restarted = disk->after_kill();
  ASSERT_EQ(restarted->after_power_loss(1)->content("/journal/0000000000000001.journal")[512], std::byte{0})
      << "not on the disk";
  std::vector<std::string> records;
  ASSERT_TRUE(recover(*restarted, options, &records).has_value());
  ASSERT_EQ(records.size(), 2u) << "readable, so it is served";
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(read_back(*restarted->after_power_loss(seed), options).records, records);
  }
}

// Killed between the renaming of segments and the flush of their names: the next life writes into them all
// the same.
TEST(JournalRecovery, FlushesTheNamesOfSegments) {
  const JournalOptions options = small_journal();
  auto disk = empty_disk();
  for (const std::uint64_t number : {1, 2}) {
    const std::string path = segment_path(kJournalDirectory, number);
    auto file = disk->create(path + ".tmp");
    ASSERT_TRUE((*file)->write_at(0, std::vector<std::byte>(options.segment_bytes)));
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(disk->rename(path + ".tmp", path));
  }
  auto restarted = disk->after_kill();
  const auto end = recover(*restarted, options);
  ASSERT_TRUE(end.has_value()) << end.error().to_text();
  auto journal = open_journal(*restarted, options, *end);
  write_group(*journal, 1, 1);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(read_back(*restarted->after_power_loss(seed), options).records,
              std::vector<std::string>{record_text(1)});
  }
}

// What an unfinished group left behind must not lie behind later, shorter groups.
TEST(JournalRecovery, ZeroesTheTornTailBeforeTheNextAppend) {
  const JournalOptions options = small_journal();
  auto disk = empty_disk();
  auto journal = open_journal(*disk, options);
  write_group(*journal, 1, 1);
  write_group(*journal, 2, 4, 3000);
  // The first sectors of the second group were lost.
  disk->overwrite("/journal/0000000000000001.journal", 512, std::vector<std::byte>(1024));
  auto end = recover(*disk, options);
  ASSERT_TRUE(end.has_value()) << end.error().to_text();
  EXPECT_EQ(end->offset, 512u);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto content = disk->after_power_loss(seed)->content("/journal/0000000000000001.journal");
    EXPECT_TRUE(all_zero(std::span(content).subspan(512))) << "on the disk before anything is appended";
  }
  journal = open_journal(*disk, options, *end);
  write_group(*journal, 9, 1);
  EXPECT_EQ(read_back(*disk, options).records, (std::vector<std::string>{record_text(1), record_text(9)}));
}

TEST(JournalRecovery, ReportsAFailingDisk) {
  const JournalOptions options = small_journal();
  for (std::uint64_t nth = 1; nth <= 2; ++nth) {
    for (const auto operation :
         {SimulatedFileSystem::Operation::write, SimulatedFileSystem::Operation::sync}) {
      auto disk = empty_disk();
      auto journal = open_journal(*disk, options);
      write_group(*journal, 1, 1);
      disk->inject({operation, nth, 1, 5, ".journal"});
      auto end = recover(*disk, options);
      ASSERT_FALSE(end.has_value());
      EXPECT_EQ(end.error().code.value(), 5);
      EXPECT_EQ(end.error().file, "/journal/0000000000000001.journal");
    }
  }
}

}  // namespace
}  // namespace recharge
