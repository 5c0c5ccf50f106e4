// Random histories: commands on several threads, checkpoints whenever, a power loss at any write or flush;
// then a start, and a comparison of every record with a model. Builds that are broken on purpose must be
// caught.
#include "storage/recovery.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/storage/replay.h"
#include "tests/storage/watched_books.h"

namespace recharge {
namespace {

using testing::Commands;
using testing::differences;
using testing::Machine;
using testing::Model;
using testing::rows_of;
using testing::WatchedBooks;

constexpr std::uint64_t kHistories = 150;
constexpr std::uint64_t kBrokenHistories = 60;

enum class Broken {
  nothing,
  flush_left_out,
  durable_before_flush,
  checkpoint_before_durable,
  position_too_late,
};

class NoFlush final : public GroupCommitter {
 public:
  using GroupCommitter::GroupCommitter;
  Result<void> flush(File&) override { return {}; }
};
class EarlyDurable final : public GroupCommitter {
 public:
  using GroupCommitter::GroupCommitter;
  Result<void> flush(File& file) override {
    publish_durable();
    return file.sync();
  }
};

testing::MakeCommitter committer_of(Broken broken) {
  return [broken](const JournalOptions& options, SegmentPreparer& preparer, Segment segment,
                  const JournalPosition& end) -> std::unique_ptr<GroupCommitter> {
    if (broken == Broken::flush_left_out)
      return std::make_unique<NoFlush>(options, preparer, std::move(segment), end, JournalHooks{});
    if (broken == Broken::durable_before_flush)
      return std::make_unique<EarlyDurable>(options, preparer, std::move(segment), end, JournalHooks{});
    return std::make_unique<GroupCommitter>(options, preparer, std::move(segment), end, JournalHooks{});
  };
}

struct Executed {
  Command command;
  Time now;
};

// What a power loss at one moment leaves, and what had been acknowledged by then.
struct Crash {
  std::unique_ptr<SimulatedFileSystem> disk;
  MemoryBooks books;
  std::vector<std::uint64_t> acknowledged;  // by thread
};

class History {
 public:
  History(std::uint64_t seed, Broken broken)
      : seed_(seed), broken_(broken), commands_(seed), threads_(1 + static_cast<unsigned>(seed % 3)) {}

  // A sentence for the first promise that was broken; empty where all were kept.
  std::string violation() {
    live();
    return restart();
  }

 private:
  void live() {
    Machine machine(*disk_, watched_, threads_);
    machine.start_fresh(broken_ == Broken::nothing ? testing::MakeCommitter{} : committer_of(broken_));
    executed_.resize(threads_);
    watched_.error = boost::system::error_code(ENOSPC, boost::system::generic_category());
    auto crash_at = 1 + commands_.draw(40);
    disk_->set_observer([&](SimulatedFileSystem::Operation, const std::string&) {
      if (!crash_ && --crash_at == 0) crash_now(machine);
    });
    for (unsigned i = 0; i < 400 && !crash_; ++i) live_on(machine);
    disk_->set_observer({});
    if (!crash_) crash_now(machine);
  }

  void crash_now(Machine& machine) {
    crash_.emplace(Crash{disk_->after_power_loss(seed_), books_, {}});
    for (unsigned thread = 0; thread < threads_; ++thread)
      crash_->acknowledged.push_back(machine.journal->durable(thread));
  }

  void live_on(Machine& machine) {
    const auto what = commands_.draw(20);
    if (what < 15) return execute(machine);
    if (what < 18) return static_cast<void>(machine.journal->step().value());
    if (!pending_) {
      pending_ = machine.freeze();
      return;
    }
    // The frozen sets wait until the journal is durable up to them. Sometimes the disk is full meanwhile.
    if (broken_ != Broken::checkpoint_before_durable) machine.flush();
    if (crash_) return;
    if (broken_ == Broken::position_too_late)
      pending_->position.journal = machine.journal->durable_position();
    watched_.fail_commit = commands_.draw(3) == 0 ? watched_.commits + 1 + commands_.draw(8) : 0;
    watched_.commits_anyway = commands_.draw(2) == 0;
    if (!CheckpointWriter(watched_, testing::kTestCodec, {8, {}}).write(*pending_)) return;
    machine.drop_frozen();
    pending_.reset();
  }

  void execute(Machine& machine) {
    const auto command = commands_.any();
    const auto thread = machine.thread_of(command);
    const auto before = machine.journal->pushed(thread);
    machine.execute(command, commands_.now);
    if (machine.journal->pushed(thread) == before) return;
    // A read that met an order past its time has expired it.
    const auto* read = std::get_if<ReadOrder>(&command);
    executed_[thread].push_back(
        {read != nullptr ? Command(ExpireOrder{read->order_id}) : command, machine.groups[thread]->now()});
  }

  std::string restart() {
    Machine machine(*crash_->disk, crash_->books, 1 + static_cast<unsigned>(commands_.draw(4)));
    const auto started = machine.start(commands_.draw(2) == 0 ? 1 << 30 : 10'000);
    if (!started) return "does not start: " + started.error().to_text();
    Model model(machine.map);
    const auto recovered = records_by_thread(machine);
    for (unsigned thread = 0; thread < threads_; ++thread) {
      if (recovered[thread] < crash_->acknowledged[thread]) return "an acknowledged command is lost";
      if (recovered[thread] > executed_[thread].size()) return "a record that nobody wrote";
      for (std::uint64_t i = 0; i < recovered[thread]; ++i)
        model.execute(executed_[thread][i].command, executed_[thread][i].now);
    }
    if (auto broken = compare(machine, model, "after the start"); !broken.empty()) return broken;
    // Life goes on, and the records with it.
    for (unsigned i = 0; i < 40; ++i) {
      auto command = commands_.any();
      if (!is_change(command)) continue;
      const auto thread = machine.thread_of(command);
      machine.execute(command, commands_.now);
      model.execute(command, machine.groups[thread]->now());
      if (i % 8 == 0) machine.flush();
    }
    return compare(machine, model, "in the second life");
  }

  std::vector<std::uint64_t> records_by_thread(Machine& machine) {
    std::vector<std::uint64_t> counts(threads_);
    auto reader = JournalReader::open(machine.disk, machine.options);
    JournalRecord record;
    for (;;) {
      auto group = reader->next();
      if (!group || *group == nullptr) return counts;
      for (const auto bytes : (*group)->records) {
        EXPECT_TRUE(decode_record(bytes, record).has_value());
        ++counts[record.circumstances.shard % threads_];
      }
    }
  }

  std::string compare(Machine& machine, const Model& model, const std::string& when) {
    if (auto written = machine.checkpoint(); !written) return when + ": no checkpoint";
    for (const auto& violation : model.violations()) return when + ": " + violation;
    if (auto text = differences(model.rows(), rows_of(crash_->books)); !text.empty())
      return when + ":\n" + text;
    const auto from = testing::positions(machine.disk, machine.options);
    auto again =
        testing::replayed(machine.disk, machine.options, from[commands_.draw(from.size())], crash_->books);
    if (!again) return when + ": cannot be replayed: " + again.error().message();
    if (auto text = differences(rows_of(crash_->books), *again); !text.empty())
      return when + ", replayed:\n" + text;
    return {};
  }

  const std::uint64_t seed_;
  const Broken broken_;
  Commands commands_;
  const unsigned threads_;
  std::unique_ptr<SimulatedFileSystem> disk_ = empty_disk();
  MemoryBooks books_;
  WatchedBooks watched_{books_};
  std::vector<std::vector<Executed>> executed_;  // by thread: one for each of its records
  std::optional<CheckpointInput> pending_;
  std::optional<Crash> crash_;
};

TEST(Recovery, RandomHistoriesEndInTheRecordsOfTheModel) {
  for (std::uint64_t seed = 1; seed <= kHistories; ++seed) {
    ASSERT_EQ(History(seed, Broken::nothing).violation(), "") << "seed " << seed;
  }
}

class BrokenBuild : public ::testing::TestWithParam<std::pair<const char*, Broken>> {};

TEST_P(BrokenBuild, IsCaught) {
  unsigned caught = 0;
  for (std::uint64_t seed = 1; seed <= kBrokenHistories; ++seed) {
    caught += !History(seed, GetParam().second).violation().empty();
  }
  EXPECT_GT(caught, 0u);
}

INSTANTIATE_TEST_SUITE_P(Recovery, BrokenBuild,
                         ::testing::Values(std::pair{"FlushLeftOut", Broken::flush_left_out},
                                           std::pair{"DurableBeforeTheFlush", Broken::durable_before_flush},
                                           std::pair{"CheckpointBeforeTheJournalIsDurable",
                                                     Broken::checkpoint_before_durable},
                                           std::pair{"PositionTooLate", Broken::position_too_late}),
                         [](const auto& tested) { return tested.param.first; });

// A recovery that leaves out the facts of one kind.
TEST(Recovery, AKindOfFactThatIsNotAppliedIsCaught) {
  std::array<unsigned, std::variant_size_v<Fact>> caught{};
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    auto disk = empty_disk();
    MemoryBooks books;
    Commands commands(seed);
    Machine machine(*disk, books, 2);
    Model model(machine.map);
    machine.start_fresh();
    for (int i = 0; i < 250; ++i) {
      const auto command = commands.any();
      if (!is_change(command)) continue;
      machine.execute(command, commands.now);
      model.execute(command, machine.groups[machine.thread_of(command)]->now());
      if (i % 10 == 0) machine.flush();
    }
    machine.flush();
    const auto right = testing::replayed(*disk, machine.options, {}, MemoryBooks());
    ASSERT_TRUE(right.has_value());
    ASSERT_EQ(differences(model.rows(), *right), "") << seed;
    for (std::size_t kind = 0; kind < caught.size(); ++kind) {
      const auto broken = testing::replayed(*disk, machine.options, {}, MemoryBooks(),
                                            [kind](const Fact& fact, ShardRecords& records) {
                                              if (fact.index() != kind) testing::apply_rightly(fact, records);
                                            });
      caught[kind] += !broken.has_value() || *broken != *right;
    }
  }
  for (std::size_t kind = 0; kind < caught.size(); ++kind)
    EXPECT_GT(caught[kind], 0u) << "fact kind " << kind;
}

// --- The last group: its flush failed, its bytes are readable, and a later flush would not save them.

enum class LastGroup { written_again, left_alone };

unsigned lost_after_second_crash(LastGroup how) {
  unsigned lost = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    auto disk = empty_disk();
    MemoryBooks books;
    Commands commands(seed);
    std::vector<OrderId> placed;
    {
      Machine machine(*disk, books);
      machine.start_fresh();
      for (int i = 0; i < 12; ++i) {
        const auto command = commands.place("user-" + std::to_string(i));
        machine.execute(command, commands.now);
        placed.push_back(command.order_id);
        if (i % 4 == 3 && i < 8) machine.flush();
      }
      disk->inject({SimulatedFileSystem::Operation::sync, 1, 1, EIO, ".journal"});
      EXPECT_FALSE(machine.journal->step().has_value());
      EXPECT_EQ(machine.journal->durable(0), 8u) << "nothing is acknowledged after a failed flush";
    }
    auto killed = disk->after_kill();
    Machine second(*killed, books);
    if (how == LastGroup::written_again) {
      EXPECT_TRUE(second.start().has_value());
    } else {
      second.options.max_group_bytes = small_journal().max_group_bytes;
      auto all = second.load();
      auto reader = JournalReader::open(*killed, second.options, JournalPosition{});
      JournalRecord record;
      for (auto group = reader->next(); *group != nullptr; group = reader->next()) {
        for (const auto bytes : (*group)->records) {
          EXPECT_TRUE(decode_record(bytes, record).has_value());
          EXPECT_TRUE(apply_record(record, *all).has_value());
        }
      }
      second.groups.push_back(std::move(all));
    }
    std::vector<OrderId> shown;  // to clients of the second life
    for (const auto& id : placed) {
      if (second.groups[0]->execute(ReadOrder{id}, second.outcome) == 0 &&
          second.outcome.code == OutcomeCode::found) {
        shown.push_back(id);
      }
    }
    auto dark = killed->after_power_loss(seed);
    Machine third(*dark, books);
    EXPECT_TRUE(third.start().has_value());
    for (const auto& id : shown) lost += third.run(ReadOrder{id}, commands.now) != OutcomeCode::found;
  }
  return lost;
}

TEST(Recovery, TheLastGroupIsWrittenAgainBeforeItIsServed) {
  EXPECT_EQ(lost_after_second_crash(LastGroup::written_again), 0u);
  EXPECT_GT(lost_after_second_crash(LastGroup::left_alone), 0u) << "the check cannot see what it is for";
}

// --- What is refused

class RecoveryTest : public ::testing::Test {
 protected:
  RecoveryTest() {
    machine.start_fresh();
    for (int i = 0; i < 30; ++i) {
      machine.execute(commands.place("user-" + std::to_string(i % 7)), commands.now);
      if (i % 3 == 0) machine.flush();
    }
    machine.flush();
  }
  void set_position(const JournalPosition& position) {
    auto transaction = books.begin().value();
    ASSERT_TRUE(transaction->set_position({position, 0}).has_value());
    ASSERT_TRUE(transaction->commit().has_value());
  }
  std::unique_ptr<SimulatedFileSystem> disk = empty_disk();
  MemoryBooks books;
  Commands commands;
  Machine machine{*disk, books};
};

TEST_F(RecoveryTest, BooksAheadOfTheJournalAreDamage) {
  ASSERT_TRUE(machine.checkpoint().has_value());
  const auto end = machine.journal->durable_position();
  struct Row {
    const char* name;
    JournalPosition position;
  };
  auto ahead = end;
  ahead.offset += 512;
  ahead.sequence += 1;
  auto far = end;
  far.segment += 3;
  far.offset = 0;
  auto other_chain = end;
  other_chain.previous_hash[0] ^= 1;
  auto other_sequence = end;
  other_sequence.sequence -= 1;
  for (const Row& row : {Row{"one group ahead", ahead}, Row{"a segment ahead", far},
                         Row{"another chain", other_chain}, Row{"another sequence", other_sequence}}) {
    set_position(row.position);
    Machine restarted(*disk, books);
    const auto started = restarted.start();
    ASSERT_FALSE(started.has_value()) << row.name;
    EXPECT_TRUE(started.error().is(Errc::damaged)) << row.name << ": " << started.error().to_text();
  }
  set_position(end);
  Machine restarted(*disk, books);
  EXPECT_TRUE(restarted.start().has_value());
}

TEST_F(RecoveryTest, FactsThatDoNotFitTheBooksNameTheirPlace) {
  ASSERT_TRUE(machine.checkpoint().has_value());
  const auto id = commands.place("user-1");
  machine.execute(id, commands.now);
  machine.flush();
  const auto before = machine.journal->durable_position();
  ASSERT_TRUE(machine.checkpoint().has_value());
  machine.execute(CloseOrder{id.order_id}, commands.now);
  machine.flush();
  auto transaction = books.begin().value();
  ASSERT_TRUE(transaction->erase(Table::orders, order_key(id.order_id)).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  Machine restarted(*disk, books);
  const auto started = restarted.start();
  ASSERT_FALSE(started.has_value());
  EXPECT_TRUE(started.error().is(Errc::damaged));
  EXPECT_EQ(started.error().file, segment_path(machine.options.directory, before.segment));
  EXPECT_EQ(started.error().offset, before.offset);
}

TEST_F(RecoveryTest, ARecordOfAnUnknownShardIsDamage) {
  JournalRecord record;
  record.circumstances.shard = testing::kTestShards;
  auto all = machine.load();
  EXPECT_EQ(apply_record(record, *all).error(), Errc::damaged);
}

TEST_F(RecoveryTest, TheReportSaysWhatWasDone) {
  Machine restarted(*disk, books);
  const auto report = restarted.start(2000);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->records, 30u);
  EXPECT_EQ(report->groups, 11u);
  EXPECT_GT(report->checkpoints, 0u) << "the changed records were over their limit";
  EXPECT_EQ(report->last, commands.now);
  EXPECT_FALSE(report->torn_tail);
  EXPECT_EQ(restarted.groups[0]->now(), commands.now) << "time does not go behind the newest record";
}

// The checkpoint of a long recovery stays behind what is certain: the group before the newest.
TEST_F(RecoveryTest, ACheckpointDuringRecoveryLeavesOutTheLastGroup) {
  const auto all = testing::positions(*disk, machine.options);
  Machine restarted(*disk, books);
  ASSERT_TRUE(restarted.start(0).has_value());
  EXPECT_EQ(books.position()->journal, all[all.size() - 2]) << "where the last group begins";
}

}  // namespace
}  // namespace recharge
