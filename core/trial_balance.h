// Purpose: the ledger of a span of time in double entry: what each account stood at before and after it, and
// what moved in between, account by account and gateway by gateway; all users together are one account. Made
// of transfers alone, and held against the balances that they carry. Owner: one thread. Lifetime: one run
// over the transfers, period after period. Units: Money in minor units; a balance is what was credited less
// what was debited. Errors: faults().
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/ledger.h"

namespace recharge {

class TrialBalance {
 public:
  using Name = std::pair<LedgerAccountKind, GatewayName>;  // of all users: without a gateway

  struct Line {
    LedgerAccountKind kind = LedgerAccountKind::user;
    GatewayName gateway;
    Money opening;
    Money debits;
    Money credits;
    Money closing;
  };
  struct Flow {
    GatewayName gateway;
    TransferKind kind = TransferKind::recharge;
    std::uint64_t transfers = 0;
    Money amount;
  };

  // Transfers come in the order of their ids, each once.
  void add(const Transfer& transfer);
  // Another period begins: what the accounts stand at becomes its opening.
  void begin_period();

  std::vector<Line> lines() const;  // every account that ever moved
  std::vector<Flow> flows() const;  // of the period
  Line total() const;
  // What does not hold; empty: it balances, every transfer fits the balances before and after it, and nothing
  // was too large to be added.
  std::vector<std::string> faults() const;

 private:
  void move(const Transfer& transfer, const LedgerAccount& account, bool credit, Money balance_after);
  Money& sum(Money& of, Money amount, bool plus);

  std::map<Name, Line> accounts_;
  std::map<std::tuple<GatewayName, TransferKind>, Flow> flows_;
  std::map<std::tuple<std::uint8_t, LedgerAccountKind, GatewayName>, Money> balances_;  // by shard, of houses
  std::vector<std::string> faults_;
  std::uint64_t unfit_ = 0;
};

}  // namespace recharge
