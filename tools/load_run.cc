#include "tools/load_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "tools/made_ids.h"
#include "tools/wrk_files.h"

namespace recharge {
namespace {

std::vector<Workload*> pointers(const std::vector<std::unique_ptr<ExpectingWorkload>>& workloads) {
  std::vector<Workload*> out;
  for (const auto& workload : workloads) out.push_back(workload.get());
  return out;
}

std::string first_unexpected(const std::vector<std::unique_ptr<ExpectingWorkload>>& workloads) {
  for (const auto& workload : workloads) {
    if (!workload->first_unexpected().empty()) return workload->first_unexpected();
  }
  return {};
}

void allow_many_sockets() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::int64_t unix_seconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

void progress(const std::string& what) { std::cerr << "recharge: " << what << '\n'; }

}  // namespace

LoadRun::LoadRun(const Tool& tool, LoadOptions options) : tool_(tool), options_(std::move(options)) {
  if (options_.requests == 0 && options_.duration_s <= 0)
    options_.duration_s = LoadOptions::kDefaultDurationS;
  if (options_.hot_account) options_.accounts = 1;
}

Share LoadRun::share_of(std::size_t thread) const noexcept {
  return {static_cast<std::uint32_t>(thread), static_cast<std::uint32_t>(options_.threads)};
}

std::uint64_t LoadRun::limit_of(std::size_t thread, std::uint64_t all) const noexcept {
  return all / options_.threads + (thread < all % options_.threads ? 1 : 0);
}

bool LoadRun::tolerates(const ToolError& error) const noexcept {
  return options_.tolerate_disconnect && error.code == ExitCode::unreachable;
}

ToolResult<PhaseResult> LoadRun::run_setup_phase(const std::vector<Workload*>& workloads) const {
  PhaseSettings settings;
  settings.endpoint = endpoint_;
  settings.connections = std::max<std::size_t>(workloads.size(), kSetupConnections);
  settings.pipeline = options_.setup_pipeline;
  auto phase = run_phase(settings, workloads);
  if (phase && (phase->loops.lost != 0 || phase->loops.server_gone)) {
    return ToolError{ExitCode::unreachable, "the server ended connections with requests unanswered"};
  }
  return phase;
}

std::optional<ToolError> LoadRun::place_orders() {
  progress("placing " + std::to_string(orders_->all().size()) + " orders over " +
           std::to_string(orders_->accounts()) + " accounts");
  std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    workloads.push_back(
        std::make_unique<PlaceWorkload>(*orders_, share_of(i), *requests_, true, options_.gateway));
  }
  const auto phase = run_setup_phase(pointers(workloads));
  if (!phase) return phase.error();
  const auto placed = std::ranges::count_if(orders_->all(), &LoadOrder::placed);
  if (static_cast<std::size_t>(placed) == orders_->all().size()) return std::nullopt;
  return ToolError{ExitCode::failure, "only " + std::to_string(placed) +
                                          " orders could be placed: " + first_unexpected(workloads)};
}

std::optional<ToolError> LoadRun::read_keys() {
  if (options_.gateway.empty()) {
    auto loaded = CallbackSigner::from_file(tool_.secret_file);
    if (!loaded) return loaded.error();
    signer_.emplace(*std::move(loaded));
  } else {
    auto opened = SimulatedAccounts::open(options_.gateway_dir);
    if (!opened) return opened.error();
    accounts_.emplace(*std::move(opened));
  }
  return std::nullopt;
}

void LoadRun::sign_callbacks() {
  const std::string forged = options_.kind() == LoadMix::forged ? random_hex(32) : std::string{};
  progress("signing the callbacks");
  const auto make = accounts_ ? gateway_callbacks(*orders_, *requests_, *accounts_,
                                                  *parse_simulated_gateway(options_.gateway),
                                                  from_unix_seconds(unix_seconds_now()))
                              : native_callbacks(*orders_, *requests_, *signer_, unix_seconds_now(), forged);
  for (std::size_t i = 0; i < options_.threads; ++i) prepared_.emplace_back(*orders_, share_of(i), make);
}

std::optional<ToolError> LoadRun::send_once() {
  progress("sending each callback once");
  std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
  const AckLog no_log;
  for (const PreparedCallbacks& prepared : prepared_) {
    workloads.push_back(std::make_unique<CallbackWorkload>(*orders_, prepared, prepared.size(), 200, no_log));
  }
  const auto phase = run_setup_phase(pointers(workloads));
  if (!phase) return phase.error();
  const std::string unexpected = first_unexpected(workloads);
  if (unexpected.empty()) return std::nullopt;
  return ToolError{ExitCode::failure, "a callback was not accepted: " + unexpected};
}

ToolResult<std::vector<std::int64_t>> LoadRun::read_balances() {
  const std::size_t accounts = orders_->accounts();
  std::vector<std::int64_t> balances(accounts, BalanceWorkload::kUnread);
  std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    workloads.push_back(
        std::make_unique<BalanceWorkload>(balances, share_of(i), *requests_, limit_of(i, accounts)));
  }
  const auto phase = run_setup_phase(pointers(workloads));
  if (!phase) return phase.error();
  const std::string unexpected = first_unexpected(workloads);
  if (!unexpected.empty()) return ToolError{ExitCode::failure, "a balance was not answered: " + unexpected};
  return balances;
}

// Everything before the clock starts.
std::optional<ToolError> LoadRun::prepare() {
  auto endpoint = resolve_endpoint(tool_.server);
  if (!endpoint) return endpoint.error();
  endpoint_ = *std::move(endpoint);
  requests_.emplace(endpoint_.host_header, tool_.token);
  if (!options_.ack_log.empty()) {
    auto log = AckLog::open(options_.ack_log);
    if (!log) return log.error();
    log_ = *std::move(log);
  }
  if (options_.needs_orders()) {
    if (auto error = read_keys()) return error;
  }
  // Balance look-ups need accounts only: one order each stands for them and is never placed.
  const bool accounts_only = options_.kind() == LoadMix::balance;
  orders_.emplace(accounts_only ? options_.accounts : options_.orders_needed(), options_.accounts);
  if (options_.books) {
    auto before = read_balances();
    if (!before) return before.error();
    balances_before_ = *std::move(before);
  } else {
    balances_before_.assign(orders_->accounts(), BalanceWorkload::kUnread);
  }
  if (!options_.needs_orders()) return std::nullopt;
  if (auto error = place_orders()) return error;
  sign_callbacks();
  return options_.kind() == LoadMix::duplicate ? send_once() : std::nullopt;
}

std::vector<std::unique_ptr<ExpectingWorkload>> LoadRun::measured_workloads() {
  std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
  const std::uint64_t unlimited = ~std::uint64_t{0};
  for (std::size_t i = 0; i < options_.threads; ++i) {
    const std::uint64_t asked = options_.requests == 0 ? unlimited : limit_of(i, options_.requests);
    switch (options_.kind()) {
      case LoadMix::callback: {
        const std::uint64_t each_once = std::min<std::uint64_t>(asked, prepared_[i].size());
        workloads.push_back(std::make_unique<CallbackWorkload>(*orders_, prepared_[i], each_once, 200, log_));
        break;
      }
      case LoadMix::duplicate:
        workloads.push_back(std::make_unique<CallbackWorkload>(*orders_, prepared_[i], asked, 200, log_));
        break;
      case LoadMix::forged:
        workloads.push_back(std::make_unique<CallbackWorkload>(*orders_, prepared_[i], asked, 403, log_));
        break;
      case LoadMix::place:
        workloads.push_back(std::make_unique<PlaceWorkload>(*orders_, share_of(i), *requests_, false));
        break;
      case LoadMix::balance:
        workloads.push_back(
            std::make_unique<BalanceWorkload>(balances_before_, share_of(i), *requests_, asked));
        break;
    }
  }
  return workloads;
}

PhaseSettings LoadRun::measured_phase() const {
  PhaseSettings settings;
  settings.endpoint = endpoint_;
  settings.connections = options_.connections;
  settings.pipeline = options_.pipeline;
  settings.rate = options_.rate;
  settings.duration_s = options_.duration_s;
  settings.server_pid = options_.server_pid;
  return settings;
}

// Tells the script that runs this where it stands, and waits until it says to go on.
std::optional<ToolError> LoadRun::step(const char* name) const {
  if (!options_.stepwise) return std::nullopt;
  std::cout << "step " << name << std::endl;
  std::string line;
  if (std::getline(std::cin, line)) return std::nullopt;
  return ToolError{ExitCode::failure, std::string("stdin ended before the step ") + name};
}

std::optional<ToolError> LoadRun::measure_beside() {
  auto endpoint = resolve_endpoint(options_.beside);
  if (!endpoint) return endpoint.error();
  if (auto error = step("beside")) return error;
  progress("measuring " + options_.beside);
  std::vector<std::int64_t> balances(orders_->accounts(), BalanceWorkload::kUnread);
  std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    const std::uint64_t limit = options_.requests == 0 ? ~std::uint64_t{0} : limit_of(i, options_.requests);
    if (options_.kind() == LoadMix::balance) {
      workloads.push_back(std::make_unique<BalanceWorkload>(balances, share_of(i), *requests_, limit));
    } else {
      workloads.push_back(std::make_unique<ReplayWorkload>(prepared_[i], limit));
    }
  }
  PhaseSettings settings = measured_phase();
  settings.endpoint = *std::move(endpoint);
  settings.server_pid = 0;
  auto phase = run_phase(settings, pointers(workloads));
  if (!phase) return phase.error();
  const std::string unexpected = first_unexpected(workloads);
  if (unexpected.empty() && phase->loops.lost == 0) {
    report_.beside = *std::move(phase);
    return std::nullopt;
  }
  return ToolError{ExitCode::failure, "the server beside did not answer 200 to all: " + unexpected};
}

std::optional<ToolError> LoadRun::measure() {
  if (auto error = step("measure")) return error;
  progress("measuring");
  const auto workloads = measured_workloads();
  auto phase = run_phase(measured_phase(), pointers(workloads));
  if (!phase) return phase.error();
  report_.phase = *std::move(phase);
  report_.first_unexpected = first_unexpected(workloads);
  for (const auto& workload : workloads) {
    const auto* callbacks = dynamic_cast<const CallbackWorkload*>(workload.get());
    log_failed_ = log_failed_ || (callbacks != nullptr && callbacks->log_failed());
  }
  return std::nullopt;
}

std::optional<ToolError> LoadRun::check_books() {
  if (auto error = step("books")) return error;
  progress("checking the books");
  BooksCheck books;
  if (options_.kind() != LoadMix::balance) {
    std::vector<std::unique_ptr<ExpectingWorkload>> workloads;
    for (std::size_t i = 0; i < options_.threads; ++i) {
      workloads.push_back(std::make_unique<OrderLookup>(options_.kind(), *orders_, share_of(i), *requests_));
    }
    const auto phase = run_setup_phase(pointers(workloads));
    if (!phase) return phase.error();
    for (const auto& workload : workloads) {
      const BooksCheck& found = static_cast<const OrderLookup&>(*workload).found();
      books.orders += found.orders;
      books.credited_unacknowledged += found.credited_unacknowledged;
      books.disagreements += found.disagreements;
      books.shown.insert(books.shown.end(), found.shown.begin(), found.shown.end());
    }
  }
  const auto after = read_balances();
  if (!after) return after.error();
  check_balances(*orders_, balances_before_, *after, books);
  if (books.shown.size() > BooksCheck::kMaxShown) books.shown.resize(BooksCheck::kMaxShown);
  report_.books = std::move(books);
  return std::nullopt;
}

// A load whose books do not balance, that lost replies, or that mostly met refusals has no result.
ExitCode LoadRun::verdict() const {
  const LoopResult& loops = report_.phase.loops;
  if (log_failed_)
    return report({ExitCode::failure, "the log " + options_.ack_log + " could not be written"});
  if (report_.books && !report_.books->balanced()) return ExitCode::failure;
  const bool ended = loops.lost != 0 || loops.server_gone || (options_.books && !report_.books);
  if (ended && !options_.tolerate_disconnect)
    return report({ExitCode::failure, "the server ended connections"});
  if (loops.malformed != 0) return report({ExitCode::failure, "the server sent replies that cannot be read"});
  const std::size_t expected = options_.kind() == LoadMix::forged ? 403 : 200;
  const std::uint64_t shed = loops.replies_by_status[429] + loops.replies_by_status[503];
  const std::uint64_t good = loops.replies_by_status[expected];
  if (options_.tolerate_disconnect && loops.replies == 0) return ExitCode::ok;
  if (good == 0 || good + shed != loops.replies) {
    return report({ExitCode::failure, "replies of another status than " + std::to_string(expected)});
  }
  return ExitCode::ok;
}

ExitCode LoadRun::run() {
  allow_many_sockets();
  if (auto error = prepare()) {
    const ExitCode code = report(*error);
    return tolerates(*error) && orders_ ? ExitCode::ok : code;
  }
  if (!options_.emit_wrk.empty()) {
    const auto written = write_wrk_files(options_.emit_wrk, prepared_);
    if (!written) return report(written.error());
    std::cout << wrk_command(tool_.server, options_);
    return ExitCode::ok;
  }
  if (!options_.beside.empty()) {
    if (auto error = measure_beside()) return report(*error);
  }
  if (auto error = measure()) {
    const ExitCode code = report(*error);
    return tolerates(*error) ? ExitCode::ok : code;
  }
  const bool gone = report_.phase.loops.server_gone;
  const bool ask = options_.books && (!gone || options_.stepwise);  // a script may have started it again
  if (options_.books && !ask) progress("the server is gone: the books are not checked");
  if (ask) {
    if (auto error = check_books()) {
      const ExitCode code = report(*error);
      if (!tolerates(*error)) return code;
    }
  }
  report_.options = options_;
  std::cout << (tool_.json ? report_as_json(report_) : describe_report(report_));
  return verdict();
}

}  // namespace recharge
