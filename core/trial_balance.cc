#include "core/trial_balance.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxFaults = 20;  // kept with their text; more are counted

// The gateway of a transfer is that of its house account; what users spend is of none.
const GatewayName& gateway_of(const Transfer& transfer) {
  return transfer.debit.gateway.empty() ? transfer.credit.gateway : transfer.debit.gateway;
}

}  // namespace

Money& TrialBalance::sum(Money& of, Money amount, bool plus) {
  const auto changed = plus ? recharge::add(of, amount) : subtract(of, amount);
  if (changed) {
    of = *changed;
  } else if (faults_.empty() || faults_.back() != "a sum does not fit") {
    faults_.emplace_back("a sum does not fit");
  }
  return of;
}

void TrialBalance::move(const Transfer& transfer, const LedgerAccount& account, bool credit,
                        Money balance_after) {
  const bool user = account.kind == LedgerAccountKind::user;
  Line& line = accounts_[{account.kind, user ? GatewayName() : account.gateway}];
  line.kind = account.kind;
  if (!user) line.gateway = account.gateway;
  sum(credit ? line.credits : line.debits, transfer.amount, true);
  sum(line.closing, transfer.amount, credit);
  if (user) return;
  Money& balance = balances_[{transfer.id.shard(), account.kind, account.gateway}];
  sum(balance, transfer.amount, credit);
  if (balance == balance_after) return;
  if (++unfit_ <= kMaxFaults) {
    faults_.push_back("transfer " + transfer.id.to_text() + " leaves " + std::string(to_text(account.kind)) +
                      "/" + std::string(account.gateway.view()) + " of its shard at " +
                      to_text(balance_after) + ", but those before it make it " + to_text(balance));
  }
  balance = balance_after;  // told once
}

void TrialBalance::add(const Transfer& transfer) {
  move(transfer, transfer.debit, false, transfer.debit_balance_after);
  move(transfer, transfer.credit, true, transfer.credit_balance_after);
  Flow& flow = flows_[{gateway_of(transfer), transfer.kind}];
  flow.gateway = gateway_of(transfer);
  flow.kind = transfer.kind;
  ++flow.transfers;
  sum(flow.amount, transfer.amount, true);
}

void TrialBalance::begin_period() {
  for (auto& [name, line] : accounts_) {
    line.opening = line.closing;
    line.debits = line.credits = Money();
  }
  flows_.clear();
}

std::vector<TrialBalance::Line> TrialBalance::lines() const {
  std::vector<Line> lines;
  for (const auto& [name, line] : accounts_) lines.push_back(line);
  return lines;
}

std::vector<TrialBalance::Flow> TrialBalance::flows() const {
  std::vector<Flow> flows;
  for (const auto& [name, flow] : flows_) flows.push_back(flow);
  return flows;
}

TrialBalance::Line TrialBalance::total() const {
  Line total;
  for (const auto& [name, line] : accounts_) {
    const auto into = [](Money& of, Money amount) {
      if (const auto added = recharge::add(of, amount)) of = *added;
    };
    into(total.opening, line.opening);
    into(total.debits, line.debits);
    into(total.credits, line.credits);
    into(total.closing, line.closing);
  }
  return total;
}

std::vector<std::string> TrialBalance::faults() const {
  std::vector<std::string> faults = faults_;
  if (unfit_ > kMaxFaults) faults.push_back("and " + std::to_string(unfit_ - kMaxFaults) + " more");
  const Line all = total();
  if (!all.opening.is_zero()) faults.push_back("the openings add up to " + to_text(all.opening));
  if (!all.closing.is_zero()) faults.push_back("the closings add up to " + to_text(all.closing));
  if (all.debits != all.credits) faults.emplace_back("debits and credits differ");
  for (const auto& [name, line] : accounts_) {
    const auto credited = recharge::add(line.opening, line.credits);
    const auto after = credited ? subtract(*credited, line.debits) : credited;
    if (!after || *after != line.closing)
      faults.emplace_back("an opening and its movements are not the closing");
  }
  return faults;
}

}  // namespace recharge
