#include "server/spare_time.h"

#include <gtest/gtest.h>

namespace recharge {
namespace {

using std::chrono::nanoseconds;

// A thread that works in pieces, and what it is told behind each.
class Worker {
 public:
  // Ten turns within 100 ms, in which it ran and waited so long in all, and those who serve ran.
  nanoseconds work(std::int64_t ran_ns, std::int64_t waited_ns, std::int64_t served_ns = 80'000'000) {
    turns_.served_ns += served_ns;
    turns_.wall_ns += 100'000'000;
    turns_.ran_ns += ran_ns;
    turns_.waited_ns += waited_ns;
    turns_.count += 10;
    spare_.judge(turns_);
    const auto rest = spare_.full() ? spare_.rest_for(turns_.ran_ns) : nanoseconds(0);
    rested_ += rest;
    return rest;
  }
  std::int64_t ran_ns() const { return turns_.ran_ns; }
  std::int64_t rested_ns() const { return rested_.count(); }

 private:
  SpareTime spare_;
  ProcessorTurns turns_;
  nanoseconds rested_{0};
};

TEST(SpareTime, NobodyRestsWhileTurnsComeSoon) {
  Worker worker;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(worker.work(5'000'000, 2'000'000).count(), 0);
}

TEST(SpareTime, NobodyRestsForOthersThanThoseWhoServe) {
  Worker worker;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(worker.work(5'000'000, 90'000'000, 30'000'000).count(), 0);
  EXPECT_GT(worker.work(5'000'000, 90'000'000, 50'000'000).count(), 0);
}

TEST(SpareTime, WhoWaitsLongForEachTurnUsesASmallShare) {
  Worker worker;
  for (int i = 0; i < 1000; ++i) worker.work(1'000'000, 10'000'000);
  EXPECT_GE(worker.rested_ns(), 62 * worker.ran_ns());
}

TEST(SpareTime, ManyThreadsShareIt) {
  Worker one;
  Worker other;
  for (int i = 0; i < 1000; ++i) {
    one.work(500'000, 10'000'000);
    other.work(500'000, 10'000'000);
  }
  EXPECT_GE(one.rested_ns(), 2 * 62 * one.ran_ns());
}

TEST(SpareTime, WhoIsGoneLeavesTheWholeShare) {
  { Worker().work(1'000'000, 10'000'000); }
  EXPECT_EQ(Worker().work(1'000'000, 10'000'000), nanoseconds(SpareTime::kRestPerWork * 1'000'000));
}

TEST(SpareTime, RestsAreNeitherTinyNorLong) {
  Worker worker;
  EXPECT_EQ(worker.work(100'000, 10'000'000).count(), 0);
  EXPECT_EQ(worker.work(200'000, 10'000'000), nanoseconds(SpareTime::kRestPerWork * 300'000));
  EXPECT_EQ(worker.work(50'000'000, 60'000'000), nanoseconds(SpareTime::kLongestRestNs));
}

TEST(SpareTime, WorksOnWhenThereIsRoomAgain) {
  Worker worker;
  EXPECT_GT(worker.work(1'000'000, 10'000'000).count(), 0);
  EXPECT_EQ(worker.work(1'000'000, 10'000).count(), 0);
  EXPECT_EQ(worker.work(1'000'000, 10'000'000), nanoseconds(SpareTime::kRestPerWork * 1'000'000));
}

TEST(SpareTime, AsksTheSystem) {
  SpareTime spare;
  for (int i = 0; i < 1000; ++i) EXPECT_LE(spare.rest().count(), SpareTime::kLongestRestNs);
}

}  // namespace
}  // namespace recharge
