// The trial balance of any span of any history is what the records say at its ends, and a ledger that is bent
// anywhere does not balance.
#include "core/trial_balance.h"

#include <gtest/gtest.h>

#include "tests/core/random_history.h"

namespace recharge::testing {
namespace {

constexpr std::uint64_t kHistories = 60;
constexpr std::size_t kCommands = 80;

std::map<TrialBalance::Name, Money> balances(const MapRecords& records) {
  std::map<TrialBalance::Name, Money> found;
  for (const auto& [key, balance] : records.house) found[{key.first, key.second}] = balance;
  found[{LedgerAccountKind::user, GatewayName()}] = records.shard_totals.users;
  std::erase_if(found, [](const auto& entry) { return entry.second.is_zero(); });
  return found;
}

std::map<TrialBalance::Name, Money> side(const TrialBalance& balance, Money TrialBalance::Line::*member) {
  std::map<TrialBalance::Name, Money> found;
  for (const auto& line : balance.lines()) {
    if (!(line.*member).is_zero()) found[{line.kind, line.gateway}] = line.*member;
  }
  return found;
}

class TrialBalances : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(TrialBalances, AreTheRecordsAtBothEndsOfAnySpan) {
  RuleDriver driver;
  RandomHistory history(GetParam(), driver);
  std::vector<std::map<TrialBalance::Name, Money>> before;  // by the number of transfers
  const auto note = [&] {
    before.resize(driver.records.transfers.size() + 1);
    before.back() = balances(driver.records);
  };
  note();
  for (std::size_t i = 0; i < kCommands; ++i) {
    driver.execute(history.next());
    note();
  }
  std::vector<Transfer> transfers;
  for (const auto& [id, transfer] : driver.records.transfers) transfers.push_back(transfer);
  for (std::size_t from = 0; from < before.size(); ++from) {
    if (from > 0 && before[from].empty()) continue;  // in the middle of a command
    TrialBalance balance;
    for (std::size_t i = 0; i < transfers.size(); ++i) {
      if (i == from) balance.begin_period();
      balance.add(transfers[i]);
      const bool seen = i + 1 == transfers.size() || !before[i + 1].empty();
      if (i < from || !seen) continue;
      ASSERT_EQ(balance.faults(), std::vector<std::string>()) << "seed " << GetParam();
      ASSERT_EQ(side(balance, &TrialBalance::Line::opening), before[from]) << "seed " << GetParam();
      ASSERT_EQ(side(balance, &TrialBalance::Line::closing), before[i + 1]) << "seed " << GetParam();
      std::uint64_t moved = 0;
      for (const auto& flow : balance.flows()) moved += flow.transfers;
      ASSERT_EQ(moved, i + 1 - from);
    }
  }
}

TEST_P(TrialBalances, DoNotBalanceWhereALedgerIsBent) {
  RuleDriver driver;
  RandomHistory history(GetParam(), driver);
  for (std::size_t i = 0; i < kCommands; ++i) driver.execute(history.next());
  std::vector<Transfer> transfers;
  for (const auto& [id, transfer] : driver.records.transfers) transfers.push_back(transfer);
  for (std::size_t bent = 0; bent < transfers.size(); ++bent) {
    TrialBalance changed, left_out;
    for (std::size_t i = 0; i < transfers.size(); ++i) {
      Transfer transfer = transfers[i];
      if (i == bent) transfer.amount = Money::from_minor_units(transfer.amount.minor_units() + 1);
      changed.add(transfer);
      if (i != bent) left_out.add(transfers[i]);
    }
    ASSERT_NE(changed.faults(), std::vector<std::string>()) << "transfer " << bent << ", seed " << GetParam();
    if (bent + 1 == transfers.size()) continue;  // of the last, no other tells
    bool follows = false;                        // another transfer over one of its house accounts
    for (std::size_t i = bent + 1; i < transfers.size(); ++i) {
      for (const auto& house : {transfers[bent].debit, transfers[bent].credit}) {
        if (house.kind == LedgerAccountKind::user) continue;
        follows = follows || transfers[i].debit == house || transfers[i].credit == house;
      }
    }
    ASSERT_EQ(!left_out.faults().empty(), follows) << "transfer " << bent << ", seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TrialBalances, ::testing::Range<std::uint64_t>(1, kHistories + 1));

TEST(TrialBalance, SaysWhereSumsDoNotFit) {
  Transfer transfer;
  transfer.debit = LedgerAccount::of_house(LedgerAccountKind::clearing, text<GatewayName>("a"));
  transfer.credit = LedgerAccount::of_user(text<Account>("13800000000"));
  transfer.amount = Money::from_minor_units(INT64_MAX);
  TrialBalance balance;
  balance.add(transfer);
  balance.add(transfer);
  EXPECT_NE(balance.faults(), std::vector<std::string>());
}

}  // namespace
}  // namespace recharge::testing
