// The checkpoint thread's work, by single steps: whole checkpoints, and the sweep of orders past their time.
#include "storage/checkpointer.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "tests/storage/store_fixture.h"

namespace recharge {
namespace {

using testing::differences;
using testing::kStart;
using testing::rows_of;

constexpr std::int64_t kShortMs = 5'000;    // to live, for an order
constexpr std::int64_t kMarginMs = 10'000;  // an id is older than its order's arrival by less

class CheckpointerTest : public testing::StoreTest {
 protected:
  CheckpointerTest() {
    open();
    restart_checkpointer();
  }
  ~CheckpointerTest() override { checkpointer.reset(); }
  void restart_checkpointer() { checkpointer.emplace(*store, *owners, checkpointer_options()); }
  void pass(std::int64_t ms) { commands.now.ms += ms; }
  void run_once() {
    const auto done = checkpointer->run_once();
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  // Until it says that nothing is left.
  unsigned sweep_all() {
    unsigned sweeps = 1;
    while (checkpointer->sweep() && sweeps < 100) ++sweeps;
    return sweeps;
  }
  std::int64_t stored_watermark() {
    return static_cast<std::int64_t>(store->books().position()->expiry_watermark_ms);
  }
  OrderId place_paid() {
    const auto id = place();
    EXPECT_EQ(run(commands.pay(id, id.to_hex())), OutcomeCode::recharge_succeeded);
    return id;
  }

  std::optional<Checkpointer> checkpointer;
};

TEST_F(CheckpointerTest, ACheckpointBringsTheBooksUpAndDropsWhatWasFrozen) {
  for (int round = 0; round < 3; ++round) {
    any(150);
    run_once();
    EXPECT_EQ(differences(model->rows(), rows_of(store->books())), "");
    EXPECT_EQ(store->books().position()->journal, store->journal().durable_position());
    for (unsigned thread = 0; thread < store->threads(); ++thread) {
      for (const auto& shard : store->group(thread).shards()) {
        if (!shard) continue;
        EXPECT_FALSE(shard->has_frozen() || shard->has_changes());
        EXPECT_EQ(shard->bytes(), 0u);
      }
    }
    any(1);
  }
}

TEST_F(CheckpointerTest, WhatIsNotDurableYetWaitsForTheJournal) {
  const auto before = store->journal().durable_position();
  place();
  EXPECT_EQ(store->journal().durable_position(), before) << "the owners flush when they are asked to freeze";
  run_once();
  EXPECT_EQ(store->books().position()->journal, before) << "the position was taken before the first freeze";
  EXPECT_EQ(differences(model->rows(), rows_of(store->books())), "");
}

TEST_F(CheckpointerTest, AFailedFlushStops) {
  checkpointer.reset();
  close();
  // The journal on a simulated disk, the books on the real one, under the same name.
  SimulatedFileSystem disk;
  const std::string path = folder.at("data-2");
  std::filesystem::create_directory(path);
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    static_cast<void>(disk.make_directory(path.substr(0, slash)));
  }
  auto opened = Store::open(disk, options_for(path, 2));
  ASSERT_TRUE(opened.has_value()) << opened.error().to_text();
  store = std::move(*opened);
  owners.emplace(*store);
  commands = testing::Commands(7, store->map());
  model.emplace(store->map(), store->codec());
  restart_checkpointer();
  place();
  run_once();
  const auto position = store->books().position().value();
  const auto rows = rows_of(store->books());
  place();
  disk.inject({SimulatedFileSystem::Operation::sync, 1, 1, EIO, ".journal"});
  const auto done = checkpointer->run_once();
  ASSERT_FALSE(done.has_value());
  EXPECT_FALSE(is_disk_full(done.error())) << "not to be tried again";
  EXPECT_EQ(store->books().position().value(), position);
  EXPECT_EQ(rows_of(store->books()), rows) << "nothing of what the journal does not hold";
  EXPECT_FALSE(checkpointer->run_once().has_value());
  checkpointer.reset();
  close();
}

TEST_F(CheckpointerTest, TheThreadMakesCheckpointsUntilItIsStopped) {
  auto options = checkpointer_options();
  options.interval_ms = 50;
  std::promise<std::size_t> written;
  std::atomic<bool> once{false};
  options.on_checkpoint = [&](double, std::size_t records) {
    if (!once.exchange(true)) written.set_value(records);
  };
  place();
  owners->flush();
  checkpointer.emplace(*store, *owners, options);
  checkpointer->start();
  auto future = written.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_GT(future.get(), 0u);
  checkpointer->stop();
  checkpointer->stop();
  EXPECT_EQ(differences(model->rows(), rows_of(store->books())), "");
}

// --- The sweep

TEST_F(CheckpointerTest, TheSweepExpiresOverdueOrdersAndNoOthers) {
  const auto paid = place_paid();
  const auto pending = place(kUser, kShortMs);
  const auto failed = place(kUser, kShortMs);
  auto failure = commands.pay(failed, "t-1");
  failure.success = false;
  EXPECT_EQ(run(failure), OutcomeCode::payment_failure_recorded);
  const auto closed = place(kUser, kShortMs);
  EXPECT_EQ(run(CloseOrder{closed}), OutcomeCode::order_closed);
  const auto credited = place(kUser, kShortMs);
  pass(1);
  const auto young = place();
  pass(kShortMs + kMarginMs + 1);
  run_once();
  EXPECT_EQ(run(commands.pay(credited, "t-2")), OutcomeCode::kept_for_review) << "late, and expired by it";
  sweep_all();
  EXPECT_EQ(peek(pending), OrderStatus::expired);
  EXPECT_EQ(peek(failed), OrderStatus::expired);
  EXPECT_EQ(peek(closed), OrderStatus::closed);
  EXPECT_EQ(peek(paid), OrderStatus::recharged);
  EXPECT_EQ(peek(young), OrderStatus::pending);
}

TEST_F(CheckpointerTest, AnOrderExpiresAfterItsLastMomentAlsoOnAnIdleThread) {
  const auto id = place(kUser, 60'000);
  pass(kMarginMs + 1);
  run_once();  // the last time that its thread is told the time
  pass(60'000 - kMarginMs - 1);
  sweep_all();
  EXPECT_EQ(peek(id), OrderStatus::pending) << "its last moment";
  pass(1);
  sweep_all();
  EXPECT_EQ(peek(id), OrderStatus::expired);
}

TEST_F(CheckpointerTest, TheWatermarkStaysBehindAnOrderThatStillHasTime) {
  place_paid();
  pass(100);
  const auto waiting = place();
  pass(100);
  const auto later = place(kUser, kShortMs);
  pass(kMarginMs + kShortMs);
  run_once();
  sweep_all();
  EXPECT_EQ(peek(later), OrderStatus::pending)
      << "behind one that still has time: later, or when it is touched";
  run_once();
  EXPECT_LT(stored_watermark(), waiting.time().ms);
  pass(testing::kExpireAfterMs);
  sweep_all();
  EXPECT_EQ(peek(waiting), OrderStatus::expired);
  EXPECT_EQ(peek(later), OrderStatus::expired);
  run_once();
  EXPECT_EQ(stored_watermark(), later.time().ms);
}

TEST_F(CheckpointerTest, TheWatermarkStaysBehindAnOrderOnItsWay) {
  place_paid();
  pass(1000);
  auto on_its_way = commands.place(kUser);  // its id is made, and it waits in a queue
  on_its_way.expire_after_ms = kShortMs;
  pass(1000);
  place_paid();
  pass(kMarginMs - 1500);
  run_once();
  sweep_all();
  EXPECT_EQ(run(on_its_way), OutcomeCode::order_placed);
  run_once();
  EXPECT_LT(stored_watermark(), on_its_way.order_id.time().ms);
  pass(kMarginMs + kShortMs);
  run_once();
  sweep_all();
  EXPECT_EQ(peek(on_its_way.order_id), OrderStatus::expired);
}

TEST_F(CheckpointerTest, TheSweepGoesOnFromTheWatermarkAfterARestart) {
  const auto first = place(kUser, kShortMs);
  pass(kMarginMs + kShortMs + 1);
  run_once();
  sweep_all();
  run_once();
  const auto watermark = stored_watermark();
  EXPECT_EQ(watermark, first.time().ms);
  const auto second = place(kUser, kShortMs);
  owners->flush();
  checkpointer.reset();
  open(1);
  EXPECT_EQ(store->expiry_watermark_ms(), static_cast<std::uint64_t>(watermark));
  restart_checkpointer();
  pass(kMarginMs + kShortMs + 1);
  run_once();
  sweep_all();
  EXPECT_EQ(peek(first), OrderStatus::expired);
  EXPECT_EQ(peek(second), OrderStatus::expired);
}

TEST_F(CheckpointerTest, ASweepIsBounded) {
  constexpr unsigned kOrders = 600;
  std::vector<OrderId> placed;
  for (unsigned i = 0; i < kOrders; ++i) {
    placed.push_back(place("user-" + std::to_string(i), kShortMs));
    if (i % 50 == 0) owners->flush();
  }
  pass(kMarginMs + kShortMs + 1);
  run_once();
  const auto expired = [&] {
    unsigned count = 0;
    for (const auto& id : placed) count += peek(id) == OrderStatus::expired;
    return count;
  };
  EXPECT_TRUE(checkpointer->sweep()) << "more may wait";
  EXPECT_EQ(expired(), 256u);
  EXPECT_EQ(sweep_all(), 2u);
  EXPECT_EQ(expired(), kOrders);
  EXPECT_FALSE(checkpointer->sweep());
}

TEST_F(CheckpointerTest, AnExpiryThatFindsNoRoomIsTriedAgain) {
  const auto id = place(kUser, kShortMs);
  pass(kMarginMs + kShortMs + 1);
  run_once();
  OutcomeCode code = OutcomeCode::order_placed;
  const unsigned thread = store->map().of_id(id) % store->threads();
  for (int i = 0; code == OutcomeCode::order_placed && i < 100'000; ++i) {
    const auto account = "user-" + std::to_string(i);
    if (store->map().of_text(account) % store->threads() == thread) code = run(commands.place(account));
  }
  ASSERT_EQ(code, OutcomeCode::overloaded);
  EXPECT_FALSE(checkpointer->sweep());  // the owners flush after it
  EXPECT_EQ(peek(id), OrderStatus::pending);
  sweep_all();
  EXPECT_EQ(peek(id), OrderStatus::expired);
}

TEST_F(CheckpointerTest, ADamagedRowDoesNotStopTheSweep) {
  const auto damaged = place(kUser, kShortMs);
  pass(10);
  const auto behind = place("other", kShortMs);
  pass(kMarginMs + kShortMs + 1);
  run_once();
  auto transaction = store->books().begin().value();
  ASSERT_TRUE(transaction->put(Table::orders, order_key(damaged), std::vector<std::byte>(100)).has_value());
  ASSERT_TRUE(transaction->commit().has_value());
  transaction.reset();
  sweep_all();
  EXPECT_EQ(peek(behind), OrderStatus::expired);
}

TEST_F(CheckpointerTest, AfterAJumpOfTheWallClockItRests) {
  struct Row {
    const char* name;
    std::int64_t jump_ms;
    bool rests;
  };
  constexpr Row rows[] = {{"forward", 60'001, true},
                          {"by as much as is allowed", 60'000, false},
                          {"back", -60'001, true},
                          {"a little back", -59'000, false}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto id = place(kUser, kShortMs);
    pass(100'000);
    run_once();
    restart_checkpointer();
    run_once();
    // The wall clock alone: the monotonic one, which follows it here, is held back by as much.
    pass(row.jump_ms);
    monotonic_ms -= row.jump_ms;
    place_paid();
    run_once();
    checkpointer->sweep();
    EXPECT_EQ(peek(id) == OrderStatus::expired, !row.rests);
    pass(599'000);
    checkpointer->sweep();
    EXPECT_EQ(peek(id) == OrderStatus::expired, !row.rests) << "for ten minutes";
    pass(1'001);
    checkpointer->sweep();
    sweep_all();
    EXPECT_EQ(peek(id), OrderStatus::expired);
    pass(100'000);
  }
}

}  // namespace
}  // namespace recharge
