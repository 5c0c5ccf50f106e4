#include "server/io_scheduling.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace recharge {
namespace {

std::vector<int> cores_of_this_thread() {
  cpu_set_t set;
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

std::vector<int> cores_after(unsigned index, unsigned threads) {
  std::vector<int> cores;
  std::thread([&] {
    stay_on_core(index, threads);
    cores = cores_of_this_thread();
  }).join();
  return cores;
}

TEST(OwnCore, EachOfAsManyThreadsAsCoresHasOneOfItsOwn) {
  const std::vector<int> all = cores_of_this_thread();
  std::vector<int> taken;
  for (unsigned i = 0; i < all.size(); ++i) {
    const std::vector<int> own = cores_after(i, static_cast<unsigned>(all.size()));
    ASSERT_EQ(own.size(), 1U);
    taken.push_back(own.front());
  }
  std::sort(taken.begin(), taken.end());
  EXPECT_EQ(taken, all);
}

TEST(OwnCore, OtherwiseThreadsStayFree) {
  const std::vector<int> all = cores_of_this_thread();
  EXPECT_EQ(cores_after(0, static_cast<unsigned>(all.size()) + 1), all);
  if (all.size() > 1) {
    EXPECT_EQ(cores_after(0, static_cast<unsigned>(all.size()) - 1), all);
  }
}

TEST(OwnCore, CountsOnlyTheCoresOfTheProcess) {
  const std::vector<int> all = cores_of_this_thread();
  std::vector<int> own;
  std::thread([&] {
    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET(all.back(), &last);
    ASSERT_EQ(::sched_setaffinity(0, sizeof last, &last), 0);
    stay_on_core(0, 1);
    own = cores_of_this_thread();
  }).join();
  EXPECT_EQ(own, std::vector<int>{all.back()});
}

TEST(WaitForTurn, IsTakenBackAndKeepsTheNiceness) {
  std::thread([] {
    ASSERT_EQ(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 3), 0);
    for (const bool wait : {true, false, true}) {
      wait_for_turn(wait);
      EXPECT_EQ(::sched_getscheduler(0), wait ? SCHED_BATCH : SCHED_OTHER);
      EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())), 3);
    }
  }).join();
}

}  // namespace
}  // namespace recharge
