// Purpose: what happens in a storm of payments, drawn from a seed before anything is sent: who pays what and
// where, and which callbacks come when and how. The same seed makes the same plan. Lifetime: values. Units:
// the gateways' own time in ms from the beginning.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "core/money.h"
#include "tools/gateway_messages.h"

namespace recharge {

struct PlannedOrder {
  SimulatedGateway gateway = SimulatedGateway::alipay;
  std::uint64_t account = 0;
  Money amount;
};

// A payment that a payer made, or (not paid) one that only forgers tell of.
struct PlannedTrade {
  enum class Kind : std::uint8_t { right, second, wrong_amount, wrong_gateway, unknown_order, unpaid };
  Kind kind = Kind::right;
  SimulatedGateway gateway = SimulatedGateway::alipay;
  std::size_t order = 0;
  Money amount;
  bool silent = false;  // no callback ever comes
};

struct PlannedSending {
  std::int64_t at_ms = 0;
  std::size_t trade = 0;
  SendingFault fault = SendingFault::none;
  unsigned attempt = 0;  // of a good one: how often it was sent before
};

struct StormPlan {
  std::vector<PlannedOrder> orders;
  std::vector<PlannedTrade> trades;
  std::vector<PlannedSending> sendings;
};

// Draws that are the same on every machine.
class StormDraws {
 public:
  explicit StormDraws(std::uint64_t seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

 private:
  std::mt19937_64 random_;
};

StormPlan make_storm_plan(std::uint64_t seed, std::uint64_t payments, std::uint64_t accounts, bool faults);

// The callbacks of one payment; `trade` in them is 0. told: not only by forgers.
std::vector<PlannedSending> drawn_sendings(SimulatedGateway gateway, bool told, bool faults,
                                           StormDraws& draws);

}  // namespace recharge
