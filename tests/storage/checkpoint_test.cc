// Checkpoints: cut short anywhere they leave books that the journal completes.
#include "storage/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "storage/lmdb_books.h"
#include "tests/storage/replay.h"
#include "tests/storage/temp_folder.h"
#include "tests/storage/watched_books.h"

namespace recharge {
namespace {

using testing::Commands;
using testing::differences;
using testing::Machine;
using testing::Model;
using testing::rows_of;
using testing::WatchedBooks;

constexpr std::size_t kPerTransaction = 10;
constexpr std::string_view kUser = "13812345678";

// A machine over watched books, and the model of what it was told.
struct Watched {
  std::unique_ptr<SimulatedFileSystem> disk = empty_disk();
  MemoryBooks memory;
  WatchedBooks books{memory};
  Commands commands;
  Machine machine;
  Model model;

  explicit Watched(std::uint64_t seed = 1, unsigned threads = 2)
      : commands(seed), machine(*disk, books, threads), model(machine.map) {
    machine.start_fresh();
  }
  void execute(const Command& command) {
    machine.execute(command, commands.now);
    if (is_change(command)) model.execute(command, machine.groups[machine.thread_of(command)]->now());
  }
  void any(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      auto command = commands.any();
      if (!is_change(command)) continue;
      execute(command);
      if (i % 10 == 0) machine.flush();
    }
    machine.flush();
  }
  Result<CheckpointResult> write(const CheckpointInput& input, CheckpointPace pace = {kPerTransaction, {}}) {
    return CheckpointWriter(books, testing::kTestCodec, std::move(pace)).write(input);
  }
  // What a start finds after a power loss now.
  std::string differences_after_restart() {
    auto image = disk->after_power_loss(1);
    MemoryBooks copy = memory;
    Machine restarted(*image, copy, 1);
    auto started = restarted.start();
    if (!started) return started.error().to_text();
    EXPECT_TRUE(restarted.checkpoint().has_value());
    return differences(model.rows(), rows_of(copy));
  }
};

TEST(Checkpoint, TheBooksAreWhatTheCommandsAmountTo) {
  Watched run;
  for (int round = 0; round < 4; ++round) {
    run.any(100);
    ASSERT_TRUE(run.machine.checkpoint({kPerTransaction, {}}).has_value());
    EXPECT_EQ(differences(run.model.rows(), rows_of(run.books)), "");
    EXPECT_EQ(run.books.position()->journal, run.machine.journal->durable_position());
  }
}

TEST(Checkpoint, TransactionsAreBoundedAndThePositionMovesInTheLast) {
  Watched run;
  run.any(200);
  const auto input = run.machine.freeze();
  unsigned rests = 0;
  const auto written = run.write(input, {kPerTransaction, [&] { ++rests; }});
  ASSERT_TRUE(written.has_value());
  EXPECT_GT(written->transactions, 10u);
  EXPECT_EQ(written->transactions, run.books.commits);
  EXPECT_EQ(rests, run.books.commits - 1) << "a rest between two transactions";
  for (const auto rows : run.books.rows) EXPECT_LE(rows, kPerTransaction);
  std::size_t all = 0;
  for (const auto rows : run.books.rows) all += rows;
  EXPECT_EQ(all, written->records);
  EXPECT_EQ(run.books.position_moves, std::vector<std::size_t>{run.books.commits});
}

TEST(Checkpoint, OrdersTransfersAndAccountsAreWrittenInTheOrderOfTheirKeys) {
  // LMDB appends where keys grow. The watched books see the puts of one checkpoint in order.
  Watched run;
  run.any(200);
  struct Ordered final : Books {
    std::array<std::vector<std::byte>, kTables> last;
    bool ordered = true;
    struct Recording final : BooksTransaction {
      Ordered& books;
      explicit Recording(Ordered& owner) : books(owner) {}
      Result<void> put(Table table, Bytes key, Bytes) override {
        auto& before = books.last[static_cast<std::size_t>(table)];
        const std::vector<std::byte> now(key.begin(), key.end());
        if (table <= Table::transfers && !(before < now)) books.ordered = false;
        before = now;
        return {};
      }
      Result<void> erase(Table, Bytes) override { return {}; }
      Result<void> set_position(const BooksPosition&) override { return {}; }
      Result<void> commit() override { return {}; }
    };
    std::unique_ptr<BooksSnapshot> snapshot() override { return nullptr; }
    Result<std::unique_ptr<BooksTransaction>> begin() override {
      return std::unique_ptr<BooksTransaction>(std::make_unique<Recording>(*this));
    }
    Result<BooksPosition> position() override { return BooksPosition{}; }
  } ordered;
  ASSERT_TRUE(CheckpointWriter(ordered, testing::kTestCodec, {}).write(run.machine.freeze()).has_value());
  EXPECT_TRUE(ordered.ordered);
  EXPECT_FALSE(ordered.last[0].empty());
}

TEST(Checkpoint, CutShortAfterAnyTransactionTheJournalCompletesIt) {
  std::size_t transactions = 0;
  for (bool commits_anyway : {false, true}) {
    for (std::size_t fail = 1; fail == 1 || fail <= transactions; ++fail) {
      SCOPED_TRACE(fail);
      Watched run(3);
      run.any(120);
      ASSERT_TRUE(run.machine.checkpoint({kPerTransaction, {}}).has_value());
      const auto before = run.books.position().value();
      run.any(80);
      const auto input = run.machine.freeze();
      run.any(40);  // what comes after the freezing
      run.books.commits = 0;
      run.books.fail_commit = fail;
      run.books.commits_anyway = commits_anyway;
      ASSERT_FALSE(run.write(input).has_value());
      const bool moved = commits_anyway && fail == transactions;
      if (!moved) {
        EXPECT_EQ(run.books.position().value(), before) << "moves in the last transaction alone";
      }
      EXPECT_EQ(run.differences_after_restart(), "") << "the process ends here";

      // Or it goes on, and tries again.
      run.books.commits = 0;
      run.books.fail_commit = 0;
      const auto written = run.write(input);
      ASSERT_TRUE(written.has_value());
      transactions = written->transactions;
      run.machine.drop_frozen();
      EXPECT_EQ(run.differences_after_restart(), "");
      ASSERT_TRUE(run.machine.checkpoint().has_value());
      EXPECT_EQ(differences(run.model.rows(), rows_of(run.books)), "");
    }
    EXPECT_GT(transactions, 5u);
  }
}

TEST(Checkpoint, AFullDiskKeepsTheFrozenSetsUntilALaterAttempt) {
  Watched run;
  run.any(100);
  const auto rows = rows_of(run.books);
  const auto input = run.machine.freeze();
  for (int attempt = 0; attempt < 3; ++attempt) {
    run.books.fail_commit = run.books.commits + 1;
    const auto written = run.write(input);
    ASSERT_FALSE(written.has_value());
    EXPECT_TRUE(is_disk_full(written.error()));
    EXPECT_EQ(rows_of(run.books), rows);
    run.any(20);  // requests go on
  }
  EXPECT_TRUE(std::any_of(input.shards.begin(), input.shards.end(), [&](const FrozenShard& frozen) {
    return run.machine.groups[frozen.shard % 2]->shard(frozen.shard)->has_frozen();
  }));
  ASSERT_TRUE(run.write(input).has_value());
  run.machine.drop_frozen();
  ASSERT_TRUE(run.machine.checkpoint().has_value());
  EXPECT_EQ(differences(run.model.rows(), rows_of(run.books)), "");
}

// --- The position

enum class PositionOf { before_the_first_freeze, after_the_last };

// Two threads freeze one after another, and both go on with their work.
std::string checkpoint_and_restart(PositionOf when) {
  Watched run;
  run.any(60);
  CheckpointInput input;
  input.position.journal = run.machine.journal->durable_position();
  for (auto& group : run.machine.groups) {
    auto part = Machine::freeze({*group}, {});
    input.shards.insert(input.shards.end(), part.shards.begin(), part.shards.end());
    run.any(30);  // durable, and not in the sets of the threads that are done
  }
  if (when == PositionOf::after_the_last) input.position.journal = run.machine.journal->durable_position();
  EXPECT_TRUE(run.write(input).has_value());
  run.machine.drop_frozen();
  return run.differences_after_restart();
}

TEST(Checkpoint, ThePositionIsTheLowestThatAnyShardStandsFor) {
  EXPECT_EQ(checkpoint_and_restart(PositionOf::before_the_first_freeze), "");
}
TEST(Checkpoint, APositionTakenAfterTheFreezingIsCaught) {
  EXPECT_NE(checkpoint_and_restart(PositionOf::after_the_last), "");
}

TEST(Checkpoint, ReplayFromEveryEarlierPositionEndsInTheSameBooks) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    Watched run(seed);
    run.any(150);
    ASSERT_TRUE(run.machine.checkpoint().has_value());
    const auto expected = rows_of(run.books);
    unsigned caught = 0;
    for (const auto& position : testing::positions(*run.disk, run.machine.options)) {
      const auto rows = testing::replayed(*run.disk, run.machine.options, position, run.memory);
      ASSERT_TRUE(rows.has_value()) << rows.error().message();
      ASSERT_EQ(differences(expected, *rows), "") << "from group " << position.sequence;
      const auto broken = testing::replayed(*run.disk, run.machine.options, position, run.memory,
                                            testing::apply_as_increment);
      caught += !broken.has_value() || *broken != expected;
    }
    EXPECT_GT(caught, 0u) << "facts that were increments are noticed";
  }
}

TEST(Checkpoint, TheWatermarkIsWrittenWithThePosition) {
  Watched run;
  run.any(20);
  auto input = run.machine.freeze();
  input.position.expiry_watermark_ms = 1'234'567;
  ASSERT_TRUE(run.write(input).has_value());
  EXPECT_EQ(run.books.position().value(), input.position);
}

// --- Hand-over

TEST(Checkpoint, AFrozenSetIsImmutable) {
  Watched run;
  run.any(150);
  const auto input = run.machine.freeze();
  MemoryBooks before;
  ASSERT_TRUE(CheckpointWriter(before, testing::kTestCodec, {}).write(input).has_value());
  run.any(150);
  MemoryBooks after;
  ASSERT_TRUE(CheckpointWriter(after, testing::kTestCodec, {}).write(input).has_value());
  EXPECT_EQ(before.state(), after.state());
  EXPECT_NE(run.model.rows(), rows_of(after)) << "the shards themselves went on";
}

enum class HandOver { renewed_then_dropped, dropped_without_renewal };

// A thread holds a snapshot while the checkpoint commits: what it sees after the frozen set is gone.
OrderStatus shown_after(HandOver how) {
  testing::TempFolder folder;
  auto lmdb = LmdbBooks::open(folder.path(), {}, LmdbBooks::Open::fresh).value();
  auto disk = empty_disk();
  Commands commands;
  Machine machine(*disk, *lmdb);
  machine.start_fresh();
  const auto place = commands.place(kUser);
  EXPECT_EQ(machine.run(place, commands.now), OutcomeCode::order_placed);
  EXPECT_TRUE(machine.checkpoint().has_value());
  EXPECT_EQ(machine.run(commands.pay(place.order_id, "t-1"), commands.now), OutcomeCode::recharge_succeeded);
  const auto input = machine.freeze();
  machine.flush();
  // The snapshot is acquired by a read of something else, before the commit.
  EXPECT_EQ(machine.run(Commands::balance_of("somebody"), commands.now), OutcomeCode::found);
  EXPECT_TRUE(CheckpointWriter(*lmdb, testing::kTestCodec, {}).write(input).has_value());
  auto& shard = *machine.groups[0]->shard(place.order_id.shard());
  if (how == HandOver::renewed_then_dropped) machine.groups[0]->release_books();
  shard.drop_frozen();
  EXPECT_EQ(machine.run(ReadOrder{place.order_id}, commands.now), OutcomeCode::found);
  return std::get<Order>(machine.outcome.shown).status;
}

TEST(Checkpoint, AFrozenSetIsDroppedOnlyAfterSnapshotsAreRenewed) {
  EXPECT_EQ(shown_after(HandOver::renewed_then_dropped), OrderStatus::recharged);
  EXPECT_EQ(shown_after(HandOver::dropped_without_renewal), OrderStatus::pending)
      << "the check cannot see what it is for";
}

// --- Idempotency keys

constexpr std::int64_t kRetentionMs = 60'000;

TEST(Checkpoint, IdempotencyKeysAreForgottenAfterTheirRetention) {
  Watched run;
  const auto place = [&](std::string_view key) {
    const auto command = run.commands.place_with_key(kUser, key, kRetentionMs);
    run.execute(command);
    return command;
  };
  const auto checkpoint = [&] {
    const auto input = run.machine.freeze(run.commands.now, kRetentionMs);
    run.machine.flush();
    ASSERT_TRUE(run.write(input).has_value());
    run.machine.drop_frozen();
  };
  const auto stored = [&] {
    return run.memory.state().tables[static_cast<std::size_t>(Table::idempotency)].size();
  };
  place("forgotten");
  place("used anew");
  run.commands.now.ms += 1000;
  place("young");
  checkpoint();
  EXPECT_EQ(stored(), 3u);

  run.commands.now.ms += kRetentionMs - 1000;  // the old ones are exactly as old as allowed
  checkpoint();
  EXPECT_EQ(stored(), 3u);

  run.commands.now.ms += 1;
  const auto anew = place("used anew");
  EXPECT_EQ(run.machine.outcome.code, OutcomeCode::order_placed) << "too old to count";
  checkpoint();
  EXPECT_EQ(stored(), 2u) << "the new use, and the young one";
  place("used anew");
  EXPECT_EQ(run.machine.outcome.code, OutcomeCode::order_replayed);
  EXPECT_EQ(std::get<Order>(run.machine.outcome.shown).id, anew.order_id);
  place("forgotten");
  EXPECT_EQ(run.machine.outcome.code, OutcomeCode::order_placed);
}

TEST(Checkpoint, WithoutARetentionNoKeyIsForgotten) {
  Watched run;
  run.execute(run.commands.place_with_key(kUser, "key", kRetentionMs));
  ASSERT_TRUE(run.machine.checkpoint().has_value());
  run.commands.now.ms += 1'000'000'000;
  const auto input = run.machine.freeze(run.commands.now, 0);
  ASSERT_TRUE(run.write(input).has_value());
  EXPECT_EQ(run.memory.state().tables[static_cast<std::size_t>(Table::idempotency)].size(), 1u);
}

TEST(Checkpoint, TheSearchForOldKeysIsBoundedAndComesRound) {
  for (bool lmdb : {false, true}) {
    testing::TempFolder folder;
    MemoryBooks memory;
    std::unique_ptr<LmdbBooks> stored;
    if (lmdb) stored = LmdbBooks::open(folder.path(), {}, LmdbBooks::Open::fresh).value();
    WatchedBooks books(lmdb ? static_cast<Books&>(*stored) : memory);
    constexpr unsigned kKeys = 4500;
    auto filling = books.begin().value();
    StoredRow row;
    for (unsigned i = 0; i < kKeys; ++i) {
      IdempotencyRecord record;
      record.key = IdempotencyKey::make("user", "", std::to_string(i));
      record.created_at = Time{1000};
      testing::kTestCodec.encode(record, row);
      ASSERT_TRUE(filling->put(Table::idempotency, row.key, row.value).has_value());
    }
    ASSERT_TRUE(filling->commit().has_value());
    filling.reset();
    CheckpointWriter writer(books, testing::kTestCodec, {});
    CheckpointInput input;
    input.now = Time{1000 + kRetentionMs + 1};
    input.idempotency_retention_ms = kRetentionMs;
    std::size_t forgotten = 0;
    unsigned rounds = 0;
    for (; forgotten < kKeys && rounds < 10; ++rounds) {
      books.rows.clear();
      ASSERT_TRUE(writer.write(input).has_value());
      EXPECT_LE(books.rows.at(0), 2000u);
      forgotten += books.rows.at(0);
    }
    EXPECT_EQ(forgotten, kKeys);
    EXPECT_EQ(rounds, 3u);
    EXPECT_TRUE(rows_of(books).empty());
  }
}

}  // namespace
}  // namespace recharge
