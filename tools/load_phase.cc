#include "tools/load_phase.h"

#include <barrier>
#include <memory>
#include <thread>

#include "tools/process_usage.h"

namespace recharge {

ToolResult<PhaseResult> run_phase(const PhaseSettings& settings, const std::vector<Workload*>& workloads) {
  const std::size_t threads = workloads.size();
  std::vector<std::unique_ptr<LoadLoop>> loops;
  for (std::size_t i = 0; i < threads; ++i) {
    LoopSettings loop;
    loop.endpoint = settings.endpoint;
    loop.connections = settings.connections / threads + (i < settings.connections % threads ? 1 : 0);
    loop.pipeline = settings.pipeline;
    loop.rate = settings.rate / static_cast<double>(threads);
    loop.duration_ns = static_cast<std::uint64_t>(settings.duration_s * 1e9);
    loops.push_back(std::make_unique<LoadLoop>(std::move(loop), *workloads[i]));
    if (auto error = loops.back()->connect()) return *std::move(error);
  }
  std::vector<LoopResult> results(threads);
  std::barrier start(static_cast<std::ptrdiff_t>(threads) + 1);
  std::vector<std::jthread> running;
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([&loops, &results, &start, i] {
      start.arrive_and_wait();
      results[i] = loops[i]->run();
    });
  }
  PhaseResult phase;
  const std::uint64_t own_before = own_cpu_ns();
  const auto server_before = process_cpu_ns(settings.server_pid);
  start.arrive_and_wait();
  for (std::jthread& thread : running) thread.join();
  const auto server_after = process_cpu_ns(settings.server_pid);
  phase.own_cpu_ns = own_cpu_ns() - own_before;
  if (server_before && server_after) phase.server_cpu_ns = *server_after - *server_before;
  for (const LoopResult& result : results) phase.loops.merge(result);
  phase.elapsed_s = static_cast<double>(phase.loops.finished_ns - phase.loops.started_ns) / 1e9;
  return phase;
}

}  // namespace recharge
