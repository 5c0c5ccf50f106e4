// Purpose: the simulated gateways as a running whole: their HTTP interface, and callbacks to the merchant,
// with faults out of a seed and repeats on each gateway's schedule. Owner: whoever made it; two threads of
// its own. Lifetime: until destroyed. Errors: ToolError at the beginning; a merchant that is not there is
// called again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>

#include "tools/simulator_server.h"
#include "tools/storm_plan.h"

namespace recharge {

struct SimulatorOptions {
  std::string listen = "127.0.0.1:9090";
  std::uint64_t seed = 1;
  double time_factor = 60;  // how many times faster than the gateways' own schedules
  bool faults = false;
};

class GatewaySimulator {
 public:
  // out: one line a callback; null: none.
  static ToolResult<std::unique_ptr<GatewaySimulator>> start(SimulatedAccounts accounts,
                                                             const SimulatorOptions& options,
                                                             std::ostream* out);
  ~GatewaySimulator();
  GatewaySimulator(const GatewaySimulator&) = delete;
  GatewaySimulator& operator=(const GatewaySimulator&) = delete;

  std::string url() const { return server_->url(); }
  const SimulatedAccounts& accounts() const noexcept { return accounts_; }
  // Callbacks wait until the merchant is known.
  void call_back_to(const std::string& server);

 private:
  struct Due {
    std::chrono::steady_clock::time_point at;
    SimulatedGateway gateway;
    PaidTrade trade;
    SendingFault fault;
    unsigned attempt;
    bool operator<(const Due& other) const noexcept { return at > other.at; }  // the first on top
  };

  GatewaySimulator(SimulatedAccounts accounts, const SimulatorOptions& options, std::ostream* out);
  void plan(const SimulatedTrade& trade);  // with the lock
  void again(Due due);                     // with the lock
  void run();
  void send(const Due& due, const std::string& server);
  std::chrono::steady_clock::time_point after(std::int64_t ms) const;

  const SimulatedAccounts accounts_;
  const SimulatorOptions options_;
  std::ostream* out_;
  std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  bool stopping_ = false;
  std::string merchant_;
  std::priority_queue<Due> due_;
  StormDraws draws_;
  SimulatedTrades trades_;
  std::unique_ptr<SimulatedApis> apis_;
  std::unique_ptr<SimulatorServer> server_;
  std::thread sender_;
};

}  // namespace recharge
