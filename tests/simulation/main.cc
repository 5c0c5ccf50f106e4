// recharge_simulation: runs histories from seeds, and prints the seed of the first that breaks a promise.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tests/simulation/history.h"
#include "tests/simulation/shrink.h"

namespace {

using namespace recharge::simulation;

struct Options {
  std::uint64_t seeds = 1000;
  std::uint64_t from = 1;
  unsigned jobs = 1;
  bool shrink = false;
  bool expect_violation = false;
  std::vector<std::uint32_t> only;  // events of the one seed
  bool require_coverage = false;
};

struct Failure {
  std::uint64_t seed = 0;
  std::string violation;
};

// For the handler of SIGABRT: a check of the program that fails names its seed, too.
thread_local std::uint64_t running_seed = 0;
std::atomic<std::uint64_t> first_seed{0};
bool violation_expected = false;

void on_abort(int) {
  char line[160];
  const auto seed = static_cast<unsigned long long>(running_seed);
  const auto histories = seed - first_seed.load() + 1;
  const int size = std::snprintf(line, sizeof line, "seed %llu, history %llu: a check failed\n", seed,
                                 static_cast<unsigned long long>(histories));
  if (::write(STDOUT_FILENO, line, static_cast<std::size_t>(size)) < 0) ::_exit(1);
  ::_exit(violation_expected ? 0 : 1);
}

// Each history takes and gives back the same few megabytes. Given back to the system, they cost a quarter of
// the time in page faults.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options), next_(options.from) {}

  void on_all_jobs() {
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < options_.jobs; ++i) threads.emplace_back([this] { work(); });
    work();
    for (auto& thread : threads) thread.join();
  }

  Coverage coverage;
  std::optional<Failure> failure;

 private:
  void work() {
    Gateways gateways;
    Coverage met;
    for (;;) {
      const auto seed = next_.fetch_add(1);
      if (seed >= options_.from + options_.seeds || stopped_) break;
      running_seed = seed;
      auto plan = Plan::whole(seed);
      if (!options_.only.empty()) plan.events = options_.only;
      History history(std::move(plan), gateways, met);
      if (auto violation = history.run(); !violation.empty()) fail({seed, std::move(violation)});
    }
    const std::lock_guard lock(mutex_);
    coverage.add(met);
  }
  void fail(Failure found) {
    const std::lock_guard lock(mutex_);
    if (!failure || found.seed < failure->seed) failure = std::move(found);
    stopped_ = true;
  }

  const Options& options_;
  std::atomic<std::uint64_t> next_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
};

void show(const Options& options, const Failure& failure) {
  std::printf("seed %llu: %s\nto replay: recharge_simulation --seeds 1 --from %llu --shrink\n",
              static_cast<unsigned long long>(failure.seed), failure.violation.c_str(),
              static_cast<unsigned long long>(failure.seed));
  if (!options.shrink) return;
  auto plan = Plan::whole(failure.seed);
  if (!options.only.empty()) plan.events = options.only;
  const auto small = shrink(plan);
  std::printf("%s", small.c_str());
}

int run(const Options& options) {
  const auto begun = std::chrono::steady_clock::now();
  Run run(options);
  run.on_all_jobs();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  if (options.expect_violation) {
    if (!run.failure) {
      std::printf("not caught within %llu histories\n", static_cast<unsigned long long>(options.seeds));
      return 1;
    }
    std::printf("caught by history %llu: ",
                static_cast<unsigned long long>(run.failure->seed - options.from + 1));
  }
  if (run.failure) show(options, *run.failure);
  if (options.expect_violation) return 0;
  const auto histories = static_cast<unsigned long long>(run.coverage.histories);
  std::printf("%s%llu histories from seed %llu in %.1f s: %.0f a second\n", run.coverage.to_text().c_str(),
              histories, static_cast<unsigned long long>(options.from), took.count(),
              static_cast<double>(run.coverage.histories) / took.count());
  if (run.failure) return 1;
  if (const auto missing = run.coverage.missing(); options.require_coverage && !missing.empty()) {
    std::printf("never met: %s\n", missing.c_str());
    return 1;
  }
  std::printf("no violation\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  Options options;
  std::uint64_t long_seeds = 0;
  CLI::App app("Runs histories of clients, gateways, faults and crashes against the storage of recharged.");
  app.add_option("--seeds", options.seeds, "how many histories")->capture_default_str();
  app.add_option("--long-seeds", long_seeds, "how many where RECHARGE_LONG is 1 in the environment");
  app.add_option("--from", options.from, "the first seed")->capture_default_str();
  app.add_option("--jobs", options.jobs, "threads")->capture_default_str()->check(CLI::Range(1, 64));
  app.add_option("--only", options.only, "only these events of each seed")->delimiter(',');
  app.add_flag("--shrink", options.shrink, "leave out what a violation does not need, and show the rest");
  app.add_flag("--expect-violation", options.expect_violation,
               "for broken builds: succeeds where a violation is found");
  app.add_flag("--require-coverage", options.require_coverage,
               "fails where something was never met that histories can meet");
  CLI11_PARSE(app, argc, argv);
  const char* is_long = std::getenv("RECHARGE_LONG");
  if (long_seeds > 0 && is_long != nullptr && std::string_view(is_long) == "1") options.seeds = long_seeds;
  violation_expected = options.expect_violation;
  first_seed = options.from;
  std::signal(SIGABRT, on_abort);
  return run(options);
}
