// Every permutation of every set of events of an order, duplicates among them, ends in one state: that of the
// set, and, where it has a closing, of who came first, the closing or a payment. Ids are made by placing, so
// nothing can come before it.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

enum Event : char { kPay = 'p', kCallback = 'c', kClose = 'x', kRefund = 'r', kFail = 'f', kOther = 'o' };
// The most that a set holds: the gateway and the operator repeat themselves.
const std::string kAll = "ccfoprrx";

void run_event(Scenario& s, char event) {
  switch (event) {
    case kPay:
      s.pay();
      return;
    case kCallback:
      s.callback();
      return;
    case kOther:  // a second payment of the same order
      s.callback({.transaction = "txn_2"});
      return;
    case kClose:
      s.close();
      return;
    case kRefund:
      s.refund("r_1");
      return;
    case kFail:
      s.fail();
      return;
  }
}

// Each event arrives at least once, and what was refused is tried again.
void run_events(Scenario& s, const std::string& events) {
  s.place();
  for (const char event : events + events) {
    s.pass(10);
    run_event(s, event);
  }
}

std::string state_of(Scenario& s) {
  std::string state(to_text(s.status()));
  state += " balance " + std::to_string(s.units());
  std::vector<std::string> kept;
  for (const auto& [id, exception] : s.records.exceptions) {
    kept.push_back(std::string(to_text(exception.kind)) + (exception.is_open() ? "" : " resolved"));
  }
  std::sort(kept.begin(), kept.end());
  for (const auto& kind : kept) state += ", " + kind;
  return state + ", suspense " + std::to_string(s.suspense() + s.suspense("simulated"));
}

// Written from the table of states, without the rules.
std::string expected(const std::string& events) {
  const auto has = [&](char event) { return events.find(event) != std::string::npos; };
  const int payments = (has(kCallback) ? 1 : 0) + (has(kOther) ? 1 : 0);
  const auto first = events.find_first_of("xpco");
  std::string status, kept;
  int balance = 0, suspense = 0;
  if (first != std::string::npos && events[first] == kClose) {
    status = "closed";
    for (int i = 0; i < payments; ++i) kept += ", late_payment";
    suspense = payments;
  } else if (payments > 0) {
    status = has(kRefund) ? "refunded" : "recharged";
    balance = has(kRefund) ? 0 : 1;
    if (payments == 2) kept = ", duplicate_payment";
    suspense = payments - 1;
  } else {
    status = has(kPay) ? "paid" : has(kFail) ? "failed" : "pending";
  }
  return status + " balance " + std::to_string(5000 * balance) + kept + ", suspense " +
         std::to_string(5000 * suspense);
}

std::vector<std::string> sets_of_events() {
  std::vector<std::string> sets;
  for (unsigned bits = 0; bits < 1U << kAll.size(); ++bits) {
    std::string set;
    for (std::size_t i = 0; i < kAll.size(); ++i) {
      if (bits >> i & 1U) set += kAll[i];
    }
    sets.push_back(set);
  }
  std::sort(sets.begin(), sets.end());
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  return sets;
}

// The first permutation of the set that ends otherwise, with both states; empty: none does.
std::string first_difference(std::string set, const std::function<void(MapRecords&)>& sabotage,
                             std::size_t& count) {
  std::sort(set.begin(), set.end());
  do {
    ++count;
    Scenario s;
    s.sabotage = sabotage;
    run_events(s, set);
    const auto state = state_of(s);
    if (sabotage) s.broken.clear();
    if (state != expected(set)) return set + ": " + state + " instead of " + expected(set);
  } while (std::next_permutation(set.begin(), set.end()));
  return {};
}

TEST(EventOrder, EveryPermutationOfEverySetEndsInOneState) {
  std::size_t count = 0;
  for (const auto& set : sets_of_events()) EXPECT_EQ(first_difference(set, {}, count), "");
  EXPECT_GT(count, 20'000U);
  RecordProperty("permutations", static_cast<int>(count));
  std::printf("%zu permutations of %zu sets\n", count, sets_of_events().size());
}

void forget(MapRecords& records, OrderStatus status) {
  auto& counts = records.shard_totals.orders;
  for (auto& [id, order] : records.orders) {
    if (order.status != status) continue;
    --counts[static_cast<std::size_t>(status)];
    ++counts[static_cast<std::size_t>(OrderStatus::pending)];
    order.status = OrderStatus::pending;
  }
}

// Broken on purpose: a credit, a closing, or what was kept is forgotten.
TEST(EventOrder, ABrokenBuildIsSeen) {
  const std::function<void(MapRecords&)> sabotages[] = {
      [](MapRecords& records) { forget(records, OrderStatus::recharged); },
      [](MapRecords& records) { forget(records, OrderStatus::closed); },
      [](MapRecords& records) { records.exception_keys.clear(); },
  };
  for (const auto& sabotage : sabotages) {
    std::size_t count = 0;
    bool seen = false;
    for (const char* set : {"cc", "ccx", "cor", "crr"}) {
      seen = seen || !first_difference(set, sabotage, count).empty();
    }
    EXPECT_TRUE(seen);
  }
}

}  // namespace
}  // namespace recharge::testing
