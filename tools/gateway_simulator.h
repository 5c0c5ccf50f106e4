// Purpose: the simulated gateways as a running whole: their HTTP interface, and callbacks to the merchant of
// payments and refunds, with faults out of a seed and repeats on each gateway's schedule. Owner: whoever made
// it; two threads of its own. Lifetime: until destroyed. Errors: ToolError at the beginning; a merchant that
// is not there is called again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "tools/simulator_server.h"
#include "tools/storm_plan.h"

namespace recharge {

struct SimulatorOptions {
  std::string listen = "127.0.0.1:9090";
  std::uint64_t seed = 1;
  double time_factor = 60;  // how many times faster than the gateways' own schedules
  bool faults = false;
};

// What was told to the merchant, and what was wrong with its replies.
struct SimulatorBooks {
  Time began;
  std::deque<SimulatedTrade> trades;
  std::uint64_t callbacks = 0;       // sent
  std::uint64_t refund_notices = 0;  // among them
  std::uint64_t lost = 0;            // callbacks that were not sent
  std::uint64_t answers_bent = 0;    // of calls: lost, late, forged or refused
  std::vector<std::string> wrong;    // forgeries that were acknowledged, and good callbacks that were refused
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
  std::string merchant() const;  // empty: not known yet

  // A payer pays, whatever was asked of him, also what nobody started. silent: no callback tells of it. The
  // transaction, empty where nothing can be paid.
  std::string pay(SimulatedGateway gateway, const OrderId& order_id, Money amount, bool silent);
  SimulatorBooks books() const;
  // No callback waits to be sent.
  bool is_quiet() const;

 private:
  struct Due {
    std::chrono::steady_clock::time_point at;
    SimulatedGateway gateway;
    PaidTrade trade;
    SendingFault fault;
    unsigned attempt;
    std::optional<RefundTold> refund;  // none: it tells of the payment
    bool operator<(const Due& other) const noexcept { return at > other.at; }  // the first on top
  };

  GatewaySimulator(SimulatedAccounts accounts, const SimulatorOptions& options, std::ostream* out);
  ApiReply answer(const ApiRequest& request);
  void plan(const SimulatedTrade& trade);                                         // with the lock
  void plan_notices(const SimulatedTrade& trade, const SimulatedRefund& refund);  // with the lock
  void again(Due due);                                                            // with the lock
  void note(const Due& due, bool acknowledged, int status);                       // with the lock
  void run();
  void send(const Due& due, const std::string& server);
  std::chrono::steady_clock::time_point after(std::int64_t ms) const;

  const SimulatedAccounts accounts_;
  const SimulatedAccounts forgers_;  // whose keys are nobody's
  const SimulatorOptions options_;
  std::ostream* out_;
  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  bool stopping_ = false;
  bool sending_ = false;
  std::string merchant_;
  std::priority_queue<Due> due_;
  StormDraws draws_;
  SimulatedTrades trades_;
  SimulatorBooks books_;  // but for its trades
  std::unique_ptr<SimulatedApis> apis_;
  std::unique_ptr<SimulatedApis> forged_apis_;
  std::unique_ptr<SimulatorServer> server_;
  std::thread sender_;
};

}  // namespace recharge
