// The verb that puts load on a server, measures it, and checks its books afterwards.
#include <cmath>
#include <memory>

#include "tools/load_run.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr std::uint64_t kMaxConnections = 10'000;
constexpr std::uint64_t kMaxThreads = 64;
constexpr std::uint64_t kMaxPipeline = 1'024;
constexpr std::uint64_t kMaxSetupPipeline = 64;
constexpr double kMaxRate = 10'000'000;
constexpr double kMaxDurationS = 86'400;

// What the options mean together; empty where they fit.
std::string misuse(const LoadOptions& options) {
  if (options.connections < options.threads) return "--connections must be at least --threads";
  if (!options.emit_wrk.empty() && !options.needs_orders())
    return "--emit-wrk needs a mix that sends callbacks";
  if (!options.ack_log.empty() && options.kind() != LoadMix::callback)
    return "--ack-log needs --mix callback";
  if (!options.beside.empty() && options.kind() == LoadMix::place)
    return "--beside needs a mix that is prepared before the clock starts";
  const bool repeats = options.kind() == LoadMix::callback || options.kind() == LoadMix::duplicate;
  if (!options.gateway.empty() && !repeats) return "--gateway needs --mix callback or duplicate";
  if (!options.gateway.empty() && options.gateway_dir.empty())
    return "--gateway needs --gateway-dir, where recharge simulate --prepare made the keys";
  const bool once = options.kind() == LoadMix::callback;
  if (once && options.orders != 0 && options.requests > options.orders) {
    return "--requests needs as many --orders: each callback is sent once";
  }
  return {};
}

void add_shape_options(CLI::App& verb, LoadOptions& options) {
  verb.add_option("--mix", options.mix,
                  "What is sent: signed callbacks each for its own pending order, the same "
                  "ones again, forged ones, orders, or balance look-ups")
      ->check(CLI::IsMember({"callback", "duplicate", "forged", "place", "balance"}))
      ->capture_default_str();
  verb.add_option("--gateway", options.gateway, "Callbacks as this gateway sends them (default: native ones)")
      ->check(CLI::IsMember({"alipay", "wechat", "stripe", "standard"}));
  verb.add_option("--gateway-dir", options.gateway_dir, "Its keys, made by recharge simulate --prepare");
  verb.add_option("--connections", options.connections, "Connections of all threads together")
      ->check(CLI::Range(std::uint64_t{1}, kMaxConnections))
      ->capture_default_str();
  verb.add_option("--threads", options.threads, "Threads that send")
      ->check(CLI::Range(std::uint64_t{1}, kMaxThreads))
      ->capture_default_str();
  verb.add_option("--pipeline", options.pipeline, "Requests open at once on each connection")
      ->check(CLI::Range(std::uint64_t{1}, kMaxPipeline))
      ->capture_default_str();
  verb.add_option("--duration", options.duration_s,
                  "Seconds; 10 where --requests is not given. Callbacks are signed "
                  "just before: stay within the server's tolerance")
      ->check(CLI::Range(0.001, kMaxDurationS));
  verb.add_option("--requests", options.requests, "How many requests")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  verb.add_option("--rate", options.rate,
                  "Open loop: so many a second whatever the server does; latency counts "
                  "from the intended time")
      ->check(CLI::Range(0.001, kMaxRate));
}

void add_books_options(CLI::App& verb, LoadOptions& options) {
  verb.add_option("--accounts", options.accounts, "Accounts that the orders are spread over")
      ->check(CLI::Range(std::uint64_t{1}, LoadOptions::kMaxAccounts))
      ->capture_default_str();
  verb.add_option("--orders", options.orders,
                  "Orders to place beforehand; by default as many as will be needed")
      ->check(CLI::Range(std::uint64_t{1}, LoadOptions::kMaxOrders));
  verb.add_flag("--hot-account", options.hot_account, "All orders for one account");
  verb.add_option("--server-pid", options.server_pid, "Report this process's CPU time per request, too")
      ->check(CLI::PositiveNumber);
  verb.add_option("--ack-log", options.ack_log, "Append a line for every callback sent and acknowledged");
  verb.add_flag("--tolerate-disconnect", options.tolerate_disconnect,
                "The server may die meanwhile: report what was seen, and exit 0");
  verb.add_option("--emit-wrk", options.emit_wrk,
                  "Write the signed callbacks and a script for wrk here, send none");
}

void add_script_options(CLI::App& verb, LoadOptions& options) {
  verb.add_option("--beside", options.beside,
                  "URL of another server that gets the same requests first; it has to answer 200 to each");
  verb.add_flag(
      "--stepwise", options.stepwise,
      "Write `step beside`, `step measure`, `step books` to stdout and wait for a line on stdin at "
      "each, so that a script may read counters, or restart the server before its books are checked");
  verb.add_flag("!--no-books", options.books, "Do not compare the books: to fill a store, not to measure it");
  verb.add_option("--setup-pipeline", options.setup_pipeline,
                  "Requests open at once on each connection while the clock is off: 1 for a server that "
                  "cannot pipeline")
      ->check(CLI::Range(std::uint64_t{1}, kMaxSetupPipeline))
      ->capture_default_str();
}

ExitCode run_load(const Tool& tool, const LoadOptions& options) {
  const std::string wrong = misuse(options);
  if (!wrong.empty()) return report({ExitCode::usage, wrong});
  return LoadRun(tool, options).run();
}

}  // namespace

void add_load_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<LoadOptions>();
  CLI::App* verb = app.add_subcommand("load", "Put load on the server, measure it, then check its books");
  add_shape_options(*verb, *options);
  add_books_options(*verb, *options);
  add_script_options(*verb, *options);
  verb->callback([&tool, options] { tool.action = [&tool, options] { return run_load(tool, *options); }; });
}

}  // namespace recharge
