#include "server/application.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <thread>

#include "server/amqp_publisher.h"
#include "server/amqp_results.h"
#include "server/audit.h"
#include "server/check_config.h"
#include "server/command_line.h"
#include "server/event_pages.h"
#include "server/exit_code.h"
#include "server/http_server.h"
#include "server/inherited_socket.h"
#include "server/live_feed.h"
#include "server/log.h"
#include "server/operator_desk.h"
#include "server/signals.h"
#include "server/tls_context.h"
#include "server/token_keys.h"
#include "server/watchdog.h"
#include "server/webhook_sender.h"
#include "storage/lmdb_books.h"

namespace recharge {
namespace {

constexpr std::chrono::milliseconds kGraceAfterDrain{5'000};
constexpr std::chrono::milliseconds kFeedWhileDraining{500};

class Application {
 public:
  Application(CommandLine line, OpenEngine opener) : line_(std::move(line)), opener_(opener) {}

  int run();

 private:
  void prepare();
  void limit_connections(unsigned threads);
  void open();
  void open_desk();
  void note_certificate(const TlsContext* tls);
  void open_events();
  void open_subscribers();
  void announce();
  void feed();
  void rest(std::chrono::milliseconds time);
  void reload();
  int drain();
  [[noreturn]] void die();
  std::string metrics_page() const;
  std::vector<SubscriberMetrics> subscribers() const;

  CommandLine line_;
  OpenEngine opener_;
  Signals signals_;
  Watchdog watchdog_;
  int inherited_ = -1;  // a listening socket
  Settings settings_;
  ServiceState service_;
  OpenedEngine opened_;
  std::vector<std::string> gate_names_;
  std::shared_ptr<Allowances> allowances_;          // the same ones after a reload
  std::atomic<std::int64_t> certificate_end_s_{0};  // zero: no TLS
  std::unique_ptr<OperatorDesk> desk_;
  std::unique_ptr<EventPages> event_pages_;  // ends after the server, which waits for its answers
  Webhooks webhooks_;
  std::unique_ptr<AmqpPublisher> amqp_;
  std::unique_ptr<AmqpResults> results_;  // ends before the server, to which it hands them
  std::unique_ptr<LiveFeed> live_feed_;   // likewise
  std::unique_ptr<HttpServer> server_;
};

// What a reload reads again. Throws SettingsError.
Reloaded read_reloaded(const Settings& settings, std::shared_ptr<Allowances> allowances = nullptr) {
  return {load_key_rings(settings), OrderPolicy(settings), make_access_rules(settings, std::move(allowances)),
          load_tls(settings.tls), settings.log};
}

// Secrets that stood in the settings themselves.
void forget_texts(Settings& settings) {
  const auto forget = [](std::vector<SecretSource>& sources) {
    for (SecretSource& source : sources) source.text = SecretText();
  };
  forget(settings.callback.secrets);
  for (GatewaySettings& gateway : settings.gateways) forget(gateway.secrets);
}

// Of each webhook, and of the hosts that orders' own addresses may be at. Throws SettingsError.
std::map<std::string, std::shared_ptr<const WebhookSigner>> load_signers(const Settings& settings) {
  std::map<std::string, std::shared_ptr<const WebhookSigner>> signers;
  for (const WebhookSettings& webhook : settings.webhooks) {
    signers[webhook.name] = std::make_shared<const WebhookSigner>(webhook.secret);
  }
  if (settings.notify.allowed_hosts.empty()) return signers;
  const auto of_orders = std::make_shared<const WebhookSigner>(settings.notify.secret);
  for (const WebhookSettings& endpoint : endpoints_of(settings.notify)) signers[endpoint.name] = of_orders;
  return signers;
}

std::string monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}

// The rules for where to listen hold for a socket that was handed over, too.
void Application::prepare() {
  if (const auto inherited = take_inherited_socket()) {
    inherited_ = inherited->fd;
    line_.flags.listen = inherited->address;
  }
  settings_ = load_settings(line_.flags, process_environment());
  if (!settings_.needs_generated_secret()) load_key_rings(settings_);  // refused before the folder is touched
  load_token_keys(settings_.auth);
  load_tls(settings_.tls);
  load_signers(settings_);
  start_log(settings_.log);
}

// As many descriptors as the system grants. Connections never take those that the store and the threads need.
void Application::limit_connections(unsigned threads) {
  constexpr std::uint64_t kForTheStore = 24;
  constexpr std::uint64_t kForAThread = 6;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t own = kForTheStore + kForAThread * threads + kReservedConnections +
                            (settings_.admin.listen ? kMaxOperators + 1 : 0);
  const std::uint64_t left = limit.rlim_cur > own ? limit.rlim_cur - own : 1;
  if (left >= settings_.server.max_connections) return;
  settings_.server.max_connections = static_cast<unsigned>(left);
  log_warning("the limit of open files allows " + std::to_string(left) + " connections");
}

void Application::open() {
  const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1U, 64U);
  const unsigned threads = settings_.server.threads == 0 ? cores : settings_.server.threads;
  limit_connections(threads);
  opened_ = opener_(settings_, threads, [this](const std::string& what) { signals_.report_fatal(what); });
  if (make_callback_secret(settings_)) {
    log_info("made a callback secret: " +
             std::filesystem::absolute(callback_secret_file(settings_)).string());
  } else if (settings_.needs_generated_secret()) {
    log_info("callbacks are verified by " +
             std::filesystem::absolute(callback_secret_file(settings_)).string());
  }
  const Reloaded first = read_reloaded(settings_);
  allowances_ = first.access.allowances;
  note_certificate(first.tls.get());
  forget_texts(settings_);  // the verifiers have what they need
  for (const GatewayKeys& gate : first.keys.gateways) gate_names_.push_back(gate.gateway);
  server_ = std::make_unique<HttpServer>(settings_, *opened_.engine, service_, first, inherited_);
  service_.is_ready = [this] { return !server_->is_draining(); };
  service_.ledger_balanced = opened_.ledger_balanced;
  service_.metrics_page = [this] { return metrics_page(); };
  if (settings_.admin.listen) open_desk();
  open_events();
  open_subscribers();
  opened_.cursors->all_attached();
  server_->start();
  if (settings_.fulfilment.kind != Fulfilment::amqp) return;
  results_ = std::make_unique<AmqpResults>(*settings_.amqp, settings_.fulfilment.results_queue,
                                           [this](const RechargeResult& result, AmqpResults::Settle settle) {
                                             server_->take_result(result, std::move(settle));
                                           });
}

void Application::open_events() {
  EventPages::Deliver deliver;
  deliver.page = [this](unsigned thread, Operation& operation) { server_->deliver(thread, operation); };
  deliver.missed = [this](unsigned thread, std::uint64_t listener, bool complete, LiveEvents events) {
    server_->deliver_missed(thread, listener, complete, std::move(events));
  };
  event_pages_ = std::make_unique<EventPages>(opened_.events, opened_.segment_bytes, std::move(deliver));
  LiveFeed::Sources sources;
  sources.journal = opened_.events;
  sources.changes = opened_.change_watch;
  sources.fence = opened_.fence;
  live_feed_ = std::make_unique<LiveFeed>(
      sources, opened_.engine->threads(),
      [this](unsigned thread, LiveEvents events) { server_->deliver(thread, std::move(events)); });
  service_.live_feed = live_feed_.get();
  service_.event_pages = event_pages_.get();
}

void Application::open_desk() {
  OperatorDesk::Sources sources;
  sources.readiness = [this] {
    return Readiness{!server_->is_draining(), opened_.ledger_balanced(), opened_.store_writable()};
  };
  sources.storage = opened_.metrics;
  sources.connections = [this] {
    std::uint64_t open = 0;
    for (const ThreadMetrics* thread : server_->metrics()) open += thread->connections.get();
    return open;
  };
  sources.checkpoint = opened_.checkpoint;
  sources.data_dir = settings_.store.data_dir.string();
  sources.backup_dir = settings_.admin.backup_dir.string();
  sources.threads = opened_.engine->threads();
  desk_ = std::make_unique<OperatorDesk>(std::move(sources));
  service_.desk = desk_.get();
}

void Application::open_subscribers() {
  if (settings_.amqp) {
    amqp_ = std::make_unique<AmqpPublisher>(*settings_.amqp, opened_.events, opened_.cursors);
    webhooks_.broker = amqp_.get();
    webhooks_.cursors = opened_.cursors;
    service_.webhooks = &webhooks_;
  }
  if (settings_.webhooks.empty() && settings_.notify.allowed_hosts.empty()) return;
  auto store = DeliveryStore::open(settings_.store.data_dir.string() + "/deliveries");
  if (!store) throw StoreError(store.error().to_text());
  webhooks_.store = std::move(*store);
  webhooks_.cursors = opened_.cursors;
  const WebhookSender::Sources sources{opened_.events, opened_.segment_bytes, opened_.cursors,
                                       webhooks_.store.get()};
  const auto signers = load_signers(settings_);
  for (const WebhookSettings& webhook : settings_.webhooks)
    webhooks_.senders.push_back(std::make_unique<WebhookSender>(webhook, sources, signers.at(webhook.name)));
  for (const WebhookSettings& endpoint : endpoints_of(settings_.notify)) {
    webhooks_.senders.push_back(
        std::make_unique<WebhookSender>(endpoint, sources, signers.at(endpoint.name), opened_.notify_urls()));
  }
  service_.webhooks = &webhooks_;
}

std::vector<SubscriberMetrics> Application::subscribers() const {
  std::vector<SubscriberMetrics> all;
  for (const auto& [name, cursor] : opened_.cursors->all()) {
    SubscriberMetrics one;
    one.name = name;
    one.state = to_text(cursor.state);
    one.lag_bytes = bytes_behind(opened_.events, cursor.after, opened_.segment_bytes);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - cursor.wall_ms;
    if (one.lag_bytes > 0) one.lag_seconds = std::max<double>(0, static_cast<double>(age_ms) / 1000);
    for (const auto& sender : webhooks_.senders) {
      if (sender->subscriber() == name) sender->add_to(one);
    }
    if (amqp_ && name == AmqpPublisher::kSubscriber) amqp_->add_to(one);
    all.push_back(std::move(one));
  }
  return all;
}

std::string Application::metrics_page() const {
  MetricsSources sources;
  sources.threads = server_->metrics();
  sources.gateways = gate_names_;
  for (const SupplierSettings& supplier : settings_.fulfilment.suppliers)
    sources.suppliers.push_back(supplier.name);
  if (opened_.metrics) sources.storage = opened_.metrics();
  sources.subscribers = subscribers();
  sources.dropped_log_lines = dropped_log_lines();
  sources.max_connections = settings_.server.max_connections;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) sources.max_descriptors = limit.rlim_cur;
  std::error_code none;
  const auto books = std::filesystem::file_size(settings_.store.data_dir / "books" / "data.mdb", none);
  if (!none) sources.books_bytes = books;
  sources.max_books_bytes = kBooksMapBytes;
  sources.certificate_end_s = certificate_end_s_.load(std::memory_order_relaxed);
  return metrics_text(sources);
}

// Its time does not keep the server from starting: calls would be lost that a client may let through.
void Application::note_certificate(const TlsContext* tls) {
  if (tls == nullptr) return;
  certificate_end_s_.store(tls->not_after_s(), std::memory_order_relaxed);
  if (const std::string complaint = tls->complaint(::time(nullptr)); !complaint.empty())
    log_warning(complaint);
}

void Application::announce() {
  const std::string address = server_->address().to_text();
  const char* scheme = settings_.tls.enabled() ? "https" : "http";
  std::printf("recharged listening on %s://%s\n", scheme, address.c_str());
  std::fflush(stdout);
  log_info("listening on " + address + " with " + std::to_string(opened_.engine->threads()) + " threads");
  if (const auto& operators = server_->operators_address()) {
    log_info("operators are listened to on " + operators->to_text());
  }
  sd_notify(0, "READY=1");
}

// Secrets, the policy of orders and callbacks, and the log level; what else changed needs a start.
void Application::reload() {
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + monotonic_us()).c_str());
  try {
    Settings fresh = load_settings(line_.flags, process_environment());
    fresh.store.data_dir = settings_.store.data_dir;
    const auto signers = load_signers(fresh);
    auto reloaded = std::make_shared<const Reloaded>(read_reloaded(fresh, allowances_));
    allowances_ = reloaded->access.allowances;
    const auto& gateways = reloaded->keys.gateways;
    const bool same_gates =
        std::equal(gateways.begin(), gateways.end(), gate_names_.begin(), gate_names_.end(),
                   [](const auto& k, const auto& n) { return k.gateway == n; });
    if (!same_gates) throw SettingsError("gateways were added or removed, which needs a start");
    if (fresh.tls.enabled() != settings_.tls.enabled())
      throw SettingsError("tls was switched, which needs a start");
    if (fresh.fulfilment.kind != settings_.fulfilment.kind)
      throw SettingsError("fulfilment.kind changed, which needs a start");
    if (fresh.auth.mode != settings_.auth.mode) throw SettingsError("auth.mode changed, which needs a start");
    note_certificate(reloaded->tls.get());
    server_->take_over(std::move(reloaded));
    for (const auto& [name, signer] : signers) {
      if (WebhookSender* sender = webhooks_.find(name)) sender->take_over(signer);
    }
    set_log_level(fresh.log.level);
    log_info("settings reloaded");
    audit_process("reload");
  } catch (const std::exception& error) {
    audit_process("reload_failed");
    log_error("settings not reloaded, the old ones stay: " + std::string(error.what()));
  }
  sd_notify(0, "READY=1");
}

void Application::feed() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  watchdog_.feed(static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000,
                 server_->oldest_beat_ms());
}

void Application::rest(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    if (signals_.fatal_within(20)) die();
    feed();
  }
}

int Application::drain() {
  sd_notify(0, "STOPPING=1");
  log_info("draining");
  audit_process("stop");
  server_->announce_drain();
  rest(std::chrono::milliseconds(settings_.server.drain_delay_ms));
  server_->begin_drain();
  const std::chrono::milliseconds at_most(settings_.server.drain_timeout_ms);
  const auto end = std::chrono::steady_clock::now() + at_most + kGraceAfterDrain;
  while (!server_->wait(kFeedWhileDraining) && std::chrono::steady_clock::now() < end) feed();
  if (!server_->wait(std::chrono::milliseconds(0)) || signals_.fatal_within(0)) die();
  results_.reset();
  server_.reset();
  webhooks_.senders.clear();  // before what they write to
  webhooks_.store.reset();
  amqp_.reset();
  live_feed_.reset();
  event_pages_.reset();
  if (opened_.close) opened_.close();
  if (signals_.fatal_within(0)) die();
  desk_.reset();  // waits for a backup that is going on: nothing else does by now
  opened_.engine.reset();
  log_info("stopped");
  stop_log();
  return kExitClean;
}

// Nothing more may be acknowledged: no destructor runs, no thread is waited for.
void Application::die() {
  const std::string reason = signals_.fatal_reason();
  const std::string text = "recharged: " + (reason.empty() ? "did not stop in time" : reason) + "\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(kExitFailure);
}

int Application::run() {
  prepare();
  open();
  announce();
  while (true) {
    switch (signals_.wait(watchdog_.pause_ms())) {
      case Signals::Event::none:
        feed();
        break;
      case Signals::Event::fatal:
        die();
      case Signals::Event::stop:
        return drain();
      case Signals::Event::reload:
        reload();
        break;
    }
  }
}

int fail(int code, const std::exception& error) {
  stop_log();
  std::fprintf(stderr, "recharged: %s\n", log_safe(error.what()).c_str());
  return code;
}

}  // namespace

int run_application(int argc, const char* const* argv, OpenEngine open) {
  CommandLine line = parse_command_line(argc, argv);
  if (line.exit_code) return *line.exit_code;
  try {
    if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised");
    if (line.check_config) return check_config(line);
    ::umask(0077);
    return Application(std::move(line), open).run();
  } catch (const SettingsError& error) {
    return fail(kExitSettings, error);
  } catch (const StoreError& error) {
    return fail(kExitStore, error);
  } catch (const std::exception& error) {
    return fail(kExitFailure, error);
  }
}

}  // namespace recharge
