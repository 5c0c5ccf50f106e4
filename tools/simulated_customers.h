// Purpose: customers of a running server and of the simulated gateways: they order, start their payment by
// way of the server, pay the right amount, another or nothing, ask for a payment whose callbacks never come,
// have half of it sent back, or close the order; out of a seed. Then each order and balance is what its
// customer did. Owner: one thread. Lifetime: one run. Errors: ToolError where the server does not answer;
// what does not hold is a line of `wrong`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/gateway_simulator.h"

namespace recharge {

struct CustomerOptions {
  std::string server;
  std::string token;
  std::uint64_t seed = 1;
  std::uint64_t count = 0;
  std::int64_t settle_ms = 20'000;  // how long each step may take to be seen
};

struct CustomerReport {
  std::uint64_t customers = 0;
  std::uint64_t tries_again = 0;  // what a gateway did not answer
  std::uint64_t asked = 0;        // payments that nobody told of
  std::uint64_t refunds = 0;
  std::uint64_t closed = 0;
  std::vector<std::string> wrong;
};

ToolResult<CustomerReport> run_customers(const CustomerOptions& options, GatewaySimulator& simulator);

}  // namespace recharge
