// Purpose: runs one workload per thread at the same time, and measures what this process and the server used.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tools/load_loop.h"

namespace recharge {

struct PhaseSettings {
  Endpoint endpoint;
  std::size_t connections = 1;  // of all threads; REQUIRES: at least one for each workload
  std::size_t pipeline = 1;
  double rate = 0;        // of all threads
  double duration_s = 0;  // 0: until the workloads are used up
  int server_pid = 0;     // 0: its processor time is not read
};

struct PhaseResult {
  LoopResult loops;
  double elapsed_s = 0;  // from the start to the last reply
  std::uint64_t own_cpu_ns = 0;
  std::optional<std::uint64_t> server_cpu_ns;
};

// All connections are open before the clock starts.
ToolResult<PhaseResult> run_phase(const PhaseSettings& settings, const std::vector<Workload*>& workloads);

}  // namespace recharge
