// Purpose: many payments at simulated gateways at once, told to a recharged with every fault that a callback
// can have, out of a seed; then what the gateways know is held against the orders, balances and exceptions of
// the server, and bills with planted differences against its books. Owner: one thread. Lifetime: one run.
// Errors: ToolError where it cannot be run; what does not hold is a violation.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/gateway_messages.h"
#include "tools/tool_error.h"

namespace recharge {

struct StormOptions {
  std::string server;
  std::string token;
  std::string data_dir;  // of that server
  std::string folder;    // for the bills
  std::string scratch_dir;
  std::uint64_t seed = 1;
  std::uint64_t payments = 1000;
  std::uint64_t accounts = 100;
  double time_factor = 0;  // how many times faster the gateways' clocks go; 0: nobody waits
  bool faults = true;
};

struct StormReport {
  std::uint64_t orders = 0;
  std::uint64_t trades = 0;     // payments that payers made
  std::uint64_t callbacks = 0;  // sent
  std::array<std::uint64_t, kSendingFaults> sent{};
  std::uint64_t lost = 0;  // on the way, there or back
  std::uint64_t acknowledged = 0;
  std::uint64_t credited = 0;
  std::uint64_t kept = 0;        // as exceptions
  std::uint64_t never_told = 0;  // payments whose callbacks were all lost
  std::uint64_t planted = 0;     // differences in the bills, those that were never told included
  std::uint64_t found = 0;
  double seconds = 0;
  std::uint64_t violations_total = 0;
  std::vector<std::string> violations;  // the first of them

  static constexpr std::size_t kMaxViolations = 50;
  void violate(std::string what);
};

ToolResult<StormReport> run_payment_storm(const StormOptions& options, const SimulatedAccounts& accounts);

}  // namespace recharge
