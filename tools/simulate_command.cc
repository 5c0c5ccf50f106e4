// The verb that stands in for the gateways, and storms a server with their callbacks.
#include <signal.h>
#include <sodium.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "tools/gateway_simulator.h"
#include "tools/gateway_verdict.h"
#include "tools/json_text.h"
#include "tools/payment_storm.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr int kLooksForQuiet = 600;  // while callbacks wait to be sent
constexpr std::chrono::milliseconds kBetweenLooks{50};

struct Options {
  std::string folder = "simulated-gateways";
  SimulatorOptions simulator;
  StormOptions storm;
  std::uint64_t customers = 0;
  double settle_s = 20;
  double duration_s = 0;   // 0: until a signal
  bool has_books = false;  // where they are was said
  bool prepare = false;
};

void print(const Tool& tool, const StormReport& report) {
  if (tool.json) {
    std::string violations;
    JsonWriter faults;
    for (std::size_t i = 0; i < kSendingFaults; ++i)
      faults.count(to_text(static_cast<SendingFault>(i)), report.sent[i]);
    for (const auto& violation : report.violations)
      violations += (violations.empty() ? "" : ",") + json_string(violation);
    JsonWriter writer;
    writer.count("orders", report.orders)
        .count("trades", report.trades)
        .count("callbacks", report.callbacks)
        .raw("sent", faults.finish())
        .count("lost", report.lost)
        .count("acknowledged", report.acknowledged)
        .count("credited", report.credited)
        .count("kept", report.kept)
        .count("never_told", report.never_told)
        .count("planted", report.planted)
        .count("found", report.found)
        .number("seconds", report.seconds, 1)
        .count("violations_total", report.violations_total)
        .raw("violations", "[" + violations + "]");
    std::cout << writer.finish() << '\n';
    return;
  }
  std::cout << report.orders << " orders, " << report.trades << " payments, " << report.callbacks
            << " callbacks in " << report.seconds << " s:";
  for (std::size_t i = 0; i < kSendingFaults; ++i) {
    const auto fault = static_cast<SendingFault>(i);
    std::cout << ' ' << report.sent[i] << ' ' << (fault == SendingFault::none ? "good" : to_text(fault));
  }
  std::cout << ", and " << report.lost << " lost on the way\n"
            << report.credited << " credited, " << report.kept << " kept for review, " << report.never_told
            << " never told\n"
            << report.planted << " differences in the bills, " << report.found << " found\n";
  for (const auto& violation : report.violations) std::cout << "WRONG " << violation << '\n';
  if (report.violations_total > report.violations.size())
    std::cout << "and " << report.violations_total - report.violations.size() << " more\n";
  std::cout << (report.violations_total == 0
                    ? "credited is what was validly paid; the bills differ where planted\n"
                    : "server and gateways DO NOT agree\n");
}

ExitCode storm(const Tool& tool, Options options, const SimulatedAccounts& accounts) {
  options.storm.server = tool.server;
  options.storm.token = tool.token;
  options.storm.folder = options.folder;
  options.storm.seed = options.simulator.seed;
  if (options.storm.scratch_dir.empty()) options.storm.scratch_dir = scratch_default();
  const auto report_ = run_payment_storm(options.storm, accounts);
  if (!report_) return report(report_.error());
  print(tool, *report_);
  return report_->violations_total == 0 ? ExitCode::ok : ExitCode::failure;
}

void wait_for_the_end(const sigset_t& signals, double seconds) {
  if (seconds <= 0) {
    int number = 0;
    ::sigwait(&signals, &number);
    return;
  }
  const auto whole = static_cast<time_t>(seconds);
  const timespec time{whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  while (::sigtimedwait(&signals, nullptr, &time) < 0 && errno == EINTR) {
  }
}

ExitCode serve(const Tool& tool, const Options& options, SimulatedAccounts accounts) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);  // also of the simulator's threads
  auto simulator = GatewaySimulator::start(std::move(accounts), options.simulator, &std::cout);
  if (!simulator) return report(simulator.error());
  const auto file =
      write_gateway_settings(options.folder, (*simulator)->accounts(), (*simulator)->url(), tool.server);
  if (!file) return report(file.error());
  (*simulator)->call_back_to(tool.server);
  std::cout << "simulated gateways at " << (*simulator)->url() << "\nsettings for recharged: " << *file
            << "\ncallbacks to " << tool.server << std::endl;
  const auto settle_ms = static_cast<std::int64_t>(options.settle_s * 1000);
  CustomerReport customers;
  if (options.customers > 0) {
    auto done = run_customers({tool.server, tool.token, options.simulator.seed, options.customers, settle_ms},
                              **simulator);
    if (!done) return report(done.error());
    customers = std::move(*done);
    for (int look = 0; look < kLooksForQuiet && !(*simulator)->is_quiet(); ++look)
      std::this_thread::sleep_for(kBetweenLooks);
  } else {
    wait_for_the_end(signals, options.duration_s);
  }
  VerdictOptions verdict{tool.server,
                         tool.token,
                         options.has_books ? options.storm.data_dir : "",
                         options.folder,
                         options.storm.scratch_dir.empty() ? scratch_default() : options.storm.scratch_dir,
                         settle_ms};
  return conclude(verdict, **simulator, options.customers > 0 ? &customers : nullptr, tool.json, std::cout);
}

ExitCode run(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  auto accounts = SimulatedAccounts::open(options.folder);
  if (!accounts) return report(accounts.error());
  if (options.prepare) {
    const auto file =
        write_gateway_settings(options.folder, *accounts, "http://" + options.simulator.listen, tool.server);
    if (!file) return report(file.error());
    std::cout << *file << '\n';
    return ExitCode::ok;
  }
  if (options.storm.payments > 0) return storm(tool, options, *accounts);
  return serve(tool, options, std::move(*accounts));
}

}  // namespace

void add_simulate_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<Options>();
  options->storm.payments = 0;
  options->storm.data_dir = "data";
  CLI::App* verb =
      app.add_subcommand("simulate", "Stand in for Alipay, WeChat Pay, Stripe and Standard Webhooks");
  verb->add_option("--dir", options->folder, "Where keys, settings for recharged and bills go")
      ->capture_default_str();
  verb->add_option("--listen", options->simulator.listen, "Where the gateways are called")
      ->capture_default_str();
  verb->add_flag("--prepare", options->prepare, "Only make the keys and recharged.toml");
  verb->add_option("--seed", options->simulator.seed, "Of everything that is drawn")->capture_default_str();
  verb->add_flag(
      "--faults", options->simulator.faults,
      "Callbacks twice, late, lost, forged, tampered, expired, of another account; answers lost, late, "
      "forged, refused");
  verb->add_option("--time-factor", options->simulator.time_factor,
                   "How many times faster the gateways' clocks go")
      ->check(CLI::Range(0.001, 1e9))
      ->capture_default_str();
  verb->add_option(
      "--payments", options->storm.payments,
      "Make so many payments at a running server, with every fault, without waiting; judge it; end");
  verb->add_option("--customers", options->customers,
                   "Serve, and have so many customers order, pay (or not), and send back by way of the "
                   "server; judge it; end");
  verb->add_option("--settle", options->settle_s, "Seconds that what is under way at the end may take")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  verb->add_option("--duration", options->duration_s, "Serve for so many seconds (default: until Ctrl-C)");
  verb->add_option("--accounts", options->storm.accounts, "Of users, for --payments")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  const CLI::Option* data_dir =
      verb->add_option("--data-dir", options->storm.data_dir,
                       "The server's data folder, whose books the bills are compared with")
          ->capture_default_str();
  verb->add_option("--scratch-dir", options->storm.scratch_dir,
                   "Where temporary files go (TMPDIR, else /tmp)");
  verb->footer(
      "The server is started with --config DIR/recharged.toml. With --payments nothing else may pay at it.\n"
      "At the end what the gateways know is compared with the server's orders, and with --data-dir their "
      "bills with "
      "its books.\n"
      "Exit codes: 0 all is as it has to be, 1 it is not, 4 the server did not answer.");
  verb->require_subcommand(0, 1);
  verb->callback([&tool, options, verb, data_dir] {
    options->has_books = data_dir->count() > 0;
    if (verb->get_subcommands().empty()) tool.action = [&tool, options] { return run(tool, *options); };
  });
  add_supplier_verb(*verb, tool);
}

}  // namespace recharge
