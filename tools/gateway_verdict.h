// Purpose: what the simulated gateways know (paid, refunded, closed) held against the orders and exceptions
// of the server, and their bills against its books by reconcile. Owner: one thread. Lifetime: a call. Errors:
// ToolError where the server or its books cannot be read; what does not hold is a line of `wrong`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "tools/gateway_simulator.h"
#include "tools/http_client.h"
#include "tools/simulated_customers.h"

namespace recharge {

struct VerdictOptions {
  std::string server;
  std::string token;
  std::string data_dir;  // of that server; empty: bills are not compared
  std::string folder;    // for the bills
  std::string scratch_dir;
  std::int64_t settle_ms = 20'000;  // how long what is under way may take to fit
};

struct GatewayVerdict {
  std::uint64_t trades = 0;
  std::uint64_t paid = 0;
  std::uint64_t credited = 0;
  std::uint64_t kept = 0;  // as exceptions
  std::uint64_t refunds = 0;
  std::uint64_t closed = 0;   // before they were paid
  std::uint64_t planted = 0;  // differences of the bills: payments that the server was not told of
  std::uint64_t found = 0;
  bool bills_compared = false;
  bool books_are_behind = false;  // so that they were not
  SimulatorBooks books;           // as they were
  std::vector<std::string> wrong;
};

// Repeated for as long as something is wrong and settle_ms is not over.
ToolResult<GatewayVerdict> judge_gateways(const VerdictOptions& options, const GatewaySimulator& simulator);

// Judges, prints what came of it, and answers 1 where something is wrong. customers: null where there were
// none.
ExitCode conclude(const VerdictOptions& options, const GatewaySimulator& simulator,
                  const CustomerReport* customers, bool json, std::ostream& out);

// Kind of each kept payment by its transaction.
ToolResult<std::multimap<std::string, std::string>> kept_payments(HttpClient& client);

}  // namespace recharge
