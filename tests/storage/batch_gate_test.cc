// storage/batch_gate.h: the next group waits for whoever is at work, for nobody who sleeps, and never for
// ever.
#include "storage/batch_gate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace recharge {
namespace {

TEST(BatchGate, IsOpenForProducersThatWereNeverAwake) {
  BatchGate gate(3);
  gate.close();
  EXPECT_TRUE(gate.is_open());
}

TEST(BatchGate, WaitsForEveryProducerAtWork) {
  BatchGate gate(3);
  gate.awake(0);
  gate.awake(2);
  gate.close();
  EXPECT_FALSE(gate.is_open());
  EXPECT_FALSE(gate.settle(0));
  EXPECT_FALSE(gate.settle(0)) << "a batch is owed once";
  EXPECT_FALSE(gate.is_open());
  EXPECT_TRUE(gate.settle(2)) << "the last one wakes the journal";
  EXPECT_TRUE(gate.is_open());
}

TEST(BatchGate, DoesNotWaitForAProducerThatGoesToSleep) {
  BatchGate gate(2);
  gate.awake(0);
  gate.awake(1);
  gate.close();
  EXPECT_FALSE(gate.rest(0));
  EXPECT_TRUE(gate.rest(1));
  gate.close();
  EXPECT_TRUE(gate.is_open());
}

TEST(BatchGate, WaitsForAProducerThatWasWoken) {
  BatchGate gate(1);
  EXPECT_TRUE(gate.wake(0)) << "it slept: rouse it";
  EXPECT_FALSE(gate.wake(0)) << "once";
  gate.close();
  EXPECT_FALSE(gate.is_open());
  EXPECT_TRUE(gate.settle(0));
}

TEST(BatchGate, WaitsForNobodyWhoWasForgiven) {
  BatchGate gate(2);
  gate.awake(0);
  gate.awake(1);
  gate.close();
  EXPECT_FALSE(gate.settle(0));
  gate.forgive();
  EXPECT_TRUE(gate.is_open());
  EXPECT_FALSE(gate.settle(1)) << "the journal does not wait";
  gate.close();
  EXPECT_FALSE(gate.is_open()) << "of the next group, both owe again";
}

// Producers sleep and wake at random while the journal closes the gate again and again: it always opens, and
// exactly one of those that settle hears that it was the last.
TEST(BatchGate, AlwaysOpensAgain) {
  constexpr unsigned kProducers = 3;
  constexpr unsigned kGroups = 20'000;
  BatchGate gate(kProducers);
  std::atomic<unsigned> last{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> producers;
  for (unsigned i = 0; i < kProducers; ++i) {
    producers.emplace_back([&, i] {
      for (unsigned turn = i; !stop.load(); ++turn) {
        gate.awake(i);
        if (gate.settle(i)) last.fetch_add(1);
        if (turn % 3 == 0 && gate.rest(i)) last.fetch_add(1);
        if (turn % 64 == 0) std::this_thread::yield();
      }
      if (gate.rest(i)) last.fetch_add(1);
    });
  }
  unsigned waited = 0;
  for (unsigned group = 0; group < kGroups; ++group) {
    gate.close();
    bool shut = false;
    while (!gate.is_open()) {
      shut = true;
      std::this_thread::yield();
    }
    if (shut) ++waited;
  }
  stop = true;
  for (auto& producer : producers) producer.join();
  EXPECT_TRUE(gate.is_open());
  EXPECT_GE(last.load(), waited) << "a shut gate was opened by somebody who heard of it";
  EXPECT_LE(last.load(), kGroups);
}

}  // namespace
}  // namespace recharge
