#include "tools/storm_plan.h"

namespace recharge {
namespace {

constexpr std::uint64_t kSpreadMs = 600'000;
constexpr std::uint64_t kMaxAmount = 100'000;  // fen

SimulatedGateway drawn_gateway(StormDraws& draws) {
  return static_cast<SimulatedGateway>(draws.below(kSimulatedGateways));
}

std::int64_t drawn_time(StormDraws& draws) { return static_cast<std::int64_t>(draws.below(kSpreadMs)); }

}  // namespace

std::vector<PlannedSending> drawn_sendings(SimulatedGateway gateway, bool told, bool faults,
                                           StormDraws& draws) {
  std::vector<PlannedSending> sendings;
  const std::uint64_t repeats = told ? 1 + (faults ? draws.below(3) : 0) : 0;
  for (std::uint64_t i = 0; i < repeats; ++i)
    sendings.push_back({drawn_time(draws), 0, SendingFault::none, 0});
  if (!faults) return sendings;
  for (std::uint64_t i = draws.below(3); i > 0; --i) {
    const auto fault = static_cast<SendingFault>(1 + draws.below(kSendingFaults - 1));
    if (has_fault(gateway, fault)) sendings.push_back({drawn_time(draws), 0, fault, 0});
  }
  // Of a payment that nothing else tells of.
  if (!told && has_fault(gateway, SendingFault::refund))
    sendings.push_back({drawn_time(draws), 0, SendingFault::refund, 0});
  return sendings;
}

StormPlan make_storm_plan(std::uint64_t seed, std::uint64_t payments, std::uint64_t accounts, bool faults) {
  using Kind = PlannedTrade::Kind;
  StormDraws draws(seed);
  StormPlan plan;
  for (std::size_t i = 0; i < payments; ++i) {
    PlannedOrder order;
    order.gateway = drawn_gateway(draws);
    order.account = draws.below(accounts);
    order.amount = Money::from_minor_units(static_cast<std::int64_t>(1 + draws.below(kMaxAmount)));
    plan.orders.push_back(order);
    PlannedTrade trade{Kind::right, order.gateway, i, order.amount, false};
    std::vector<PlannedTrade> more;
    const std::uint64_t roll = faults ? draws.below(100) : 99;
    if (roll < 4) {
      trade.silent = true;
    } else if (roll < 7) {
      trade.kind = Kind::wrong_amount;
      trade.amount = Money::from_minor_units(trade.amount.minor_units() + 1);
    } else if (roll < 9) {
      trade.kind = Kind::wrong_gateway;
      const auto other = (static_cast<std::size_t>(order.gateway) + 1) % kSimulatedGateways;
      trade.gateway = static_cast<SimulatedGateway>(other);
    } else if (roll < 11) {
      more.push_back({Kind::unknown_order, order.gateway, i, order.amount, false});
    } else if (roll < 13) {
      more.push_back({Kind::second, order.gateway, i, order.amount, false});
    } else if (roll < 16) {
      trade.kind = Kind::unpaid;
    }
    more.insert(more.begin(), trade);
    for (const PlannedTrade& one : more) {
      plan.trades.push_back(one);
      const bool told = !one.silent && one.kind != Kind::unpaid;
      for (PlannedSending sending : drawn_sendings(one.gateway, told, faults, draws)) {
        sending.trade = plan.trades.size() - 1;
        plan.sendings.push_back(sending);
      }
    }
  }
  return plan;
}

}  // namespace recharge
