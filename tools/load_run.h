// Purpose: one load from beginning to end: places the orders, signs the callbacks, sends them with the clock
// on,
//   and compares the books. Owner: one thread; the phases start their own. Progress goes to stderr.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tools/load_books.h"
#include "tools/load_report.h"
#include "tools/load_workloads.h"
#include "tools/tool.h"

namespace recharge {

class LoadRun {
 public:
  static constexpr std::size_t kSetupConnections = 64;

  LoadRun(const Tool& tool, LoadOptions options);
  ExitCode run();

 private:
  std::optional<ToolError> prepare();
  std::optional<ToolError> place_orders();
  std::optional<ToolError> read_keys();  // of whoever signs
  void sign_callbacks();
  std::optional<ToolError> send_once();  // `duplicate`: the round that is credited
  ToolResult<std::vector<std::int64_t>> read_balances();
  std::optional<ToolError> step(const char* name) const;
  std::optional<ToolError> measure_beside();
  std::optional<ToolError> measure();
  PhaseSettings measured_phase() const;
  std::optional<ToolError> check_books();
  ToolResult<PhaseResult> run_setup_phase(const std::vector<Workload*>& workloads) const;
  std::vector<std::unique_ptr<ExpectingWorkload>> measured_workloads();
  std::uint64_t limit_of(std::size_t thread, std::uint64_t all) const noexcept;
  Share share_of(std::size_t thread) const noexcept;
  bool tolerates(const ToolError& error) const noexcept;
  ExitCode verdict() const;

  const Tool& tool_;
  LoadOptions options_;
  Endpoint endpoint_;
  std::optional<RequestBytes> requests_;
  std::optional<LoadOrders> orders_;
  std::optional<CallbackSigner> signer_;
  std::optional<SimulatedAccounts> accounts_;  // signs instead, where a gateway is named
  AckLog log_;
  std::vector<PreparedCallbacks> prepared_;  // one for each thread
  std::vector<std::int64_t> balances_before_;
  LoadReport report_;
  bool log_failed_ = false;
};

}  // namespace recharge
