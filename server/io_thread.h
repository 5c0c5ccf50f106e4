// Purpose: one io thread: its listener, its connections, and the loop that polls them, lets the engine take
// its turn, and sends what became ready. Owner: itself; only the methods under "any thread" may be called
// from elsewhere. Lifetime: of the server. Units: _ms and _us of the steady clock, taken once a batch.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/access.h"
#include "server/async.h"
#include "server/connection_counts.h"
#include "server/exchange.h"
#include "server/fulfilment_desk.h"
#include "server/gateway_desk.h"
#include "server/handler.h"
#include "server/send_batch.h"
#include "server/session.h"
#include "server/socket_poller.h"
#include "server/tls_context.h"

namespace recharge {

constexpr unsigned kMaxBatch = 256;    // handlers of Asio before the engine's turn
constexpr unsigned kAsioTurns = 4;     // of the loop, until all that Asio has ready is run, not one handler
constexpr unsigned kMaxAccepted = 64;  // connections taken before the others' turn
constexpr int kListenBacklog = 4096;
constexpr unsigned kReservedConnections = 16;  // beyond max_connections: for probes and metrics alone
constexpr unsigned kMaxOperators = 32;         // their connections, beside those of clients
constexpr std::int64_t kSweepMs = 100;         // deadlines are looked at this often
constexpr std::int64_t kAcceptPauseMs = 100;   // when there are no descriptors left, or too many connections
constexpr std::int64_t kCutBeforeEndMs = 500;  // half-received requests are answered before draining must end

// What a reload hands to every io thread.
struct Reloaded {
  KeyRings keys;
  OrderPolicy policy;
  AccessRules access;
  std::shared_ptr<const TlsContext> tls = nullptr;  // null: connections are not encrypted
  LogSettings log = {};
};

// What the io threads of a server share.
struct SharedState {
  SharedState(const Settings& s, Engine& e, ServiceState& v)
      : settings(s),
        engine(e),
        service(v),
        account_pattern(s.account_pattern),
        clients(s.server.max_connections_per_address) {}
  const Settings& settings;
  Engine& engine;
  ServiceState& service;
  const RE2 account_pattern;
  std::atomic<bool> draining{false};
  std::atomic<bool> leaving{false};  // soon draining: /readyz says so already
  std::atomic<unsigned> connections{0};
  std::atomic<unsigned> listeners{0};
  std::atomic<unsigned> quiet_threads{0};  // draining, and nothing left of their own
  ConnectionCounts clients;
  bool inherited_listener = false;        // it outlives this process: what waits there is the next one's
  std::vector<int> control_fds;           // an eventfd for each thread
  HttpClient* gateway_client = nullptr;   // there where a gateway has calls
  HttpClient* supplier_client = nullptr;  // there where suppliers are called
};

class IoThread {
 public:
  // listener: a bound and listening socket, taken over.
  IoThread(SharedState& shared, unsigned index, int listener, const Reloaded& first);
  // A second one, of operators; before run().
  void listen_to_operators(int listener);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Until every thread has drained.
  void run();

  // Any thread.
  void take_over(std::shared_ptr<const Reloaded> reloaded);
  void deliver(Operation& operation);  // answered elsewhere: it is completed here
  void deliver(LiveEvents events);     // for its listeners
  void deliver_missed(std::uint64_t listener, bool complete, LiveEvents events);
  void post(std::function<void()> function);  // is called on this thread, if it has not ended
  void hurry(const OrderId& id);              // its open work at gateways
  // Of a worker, where workers recharge.
  void take_result(const RechargeResult& result, std::function<void(bool recorded)> settled);
  void wake() noexcept;
  ThreadMetrics& metrics() noexcept { return metrics_; }
  std::int64_t beat_ms() const noexcept { return beat_ms_.load(std::memory_order_relaxed); }  // of its loop

  // For the sessions of this thread.
  const Settings& settings() const noexcept { return shared_.settings; }
  Engine& engine() noexcept { return shared_.engine; }
  Executor executor() noexcept { return io_.get_executor(); }
  unsigned index() const noexcept { return index_; }
  HandlerContext& context() noexcept { return context_; }
  Access& access() noexcept { return access_; }
  const TlsContext* tls() const noexcept { return tls_.get(); }
  ExchangeStock& stock() noexcept { return stock_; }
  Reply& reply() noexcept { return reply_; }
  std::string& parameter() noexcept { return parameter_; }
  std::string_view date_line() const noexcept { return date_line_; }
  std::int64_t now_ms() const noexcept { return static_cast<std::int64_t>(now_us_ / 1000); }
  std::uint64_t now_us() const noexcept { return now_us_; }
  void mark(Session& session) noexcept;  // to be flushed at the end of the batch
  void resume_later(Session& session) { resumed_.push_back(&session); }  // with the next batch
  void retire(Session& session) noexcept;                                // deletes it
  // Listening: of what is durable behind the answer nothing is missed. REQUIRES: may_listen().
  bool may_listen() const noexcept;
  EventId listen(const std::string& topic, Session& session);
  void stop_listening(const std::string& topic, Session& session) noexcept;
  // False: too many ask.
  bool ask_for_missed(Session& session, const std::string& topic, const EventId& after, const EventId& until);
  void resubmit(Operation& operation) { resubmitted_.push_back(&operation); }
  void note_reply(const Exchange& exchange) noexcept;
  // The engine is so far behind that a request of this class would be answered too late.
  bool is_behind(LimitClass limit) const noexcept {
    return behind_ms_ != 0 && limit != LimitClass::none &&
           behind_ms_ >= settings().server.max_latency_ms / (limit == LimitClass::callback ? 1 : 2);
  }

 private:
  Task<void> accept();
  Task<void> accept_operators();
  Task<void> pause_accepting(Timer& timer);
  Task<void> watch_engine();
  Task<void> watch_control();
  void start(Task<void> task);
  int accept_sessions(Acceptor& acceptor, Door door, unsigned at_most);
  void open_session(int fd, Door door);
  bool has_room() const noexcept;
  bool is_reserved(Door door) const noexcept;
  void resume_sessions() noexcept;
  void look_at_clock() noexcept;
  void look_at_books() noexcept;
  void flush_marked() noexcept;
  void sweep();
  void report_refusals();
  void take_orders();
  void run_posted();
  void look_after_work();
  void begin_drain();
  bool drained();
  void tell_listeners(const LiveEvents& events);

  struct Missed {
    std::uint64_t listener = 0;
    bool complete = false;
    LiveEvents events;
  };

  SharedState& shared_;
  const unsigned index_;
  boost::asio::io_context io_;
  SocketPoller sockets_;
  Acceptor acceptor_;
  Acceptor operators_;
  Timer accept_pause_;
  Timer operators_pause_;
  Descriptor engine_wake_;
  Descriptor control_;
  ThreadMetrics metrics_;
  HandlerContext context_;
  std::unique_ptr<GatewayDesk> gateways_;
  std::unique_ptr<FulfilmentDesk> fulfilment_;
  Access access_;
  std::shared_ptr<const TlsContext> tls_;  // of new connections
  ExchangeStock stock_;
  Reply reply_;
  std::string parameter_;
  std::string date_line_;
  std::int64_t date_second_ = 0;
  std::uint64_t now_us_ = 0;
  std::int64_t next_sweep_ms_ = 0;
  std::int64_t next_report_ms_ = 0;
  std::atomic<std::int64_t> beat_ms_{0};
  std::int64_t behind_ms_ = 0;  // how long the oldest request waits for the engine; zero: not long
  LogSettings log_;
  std::int64_t unlogged_ = 0;  // requests since the last line
  std::uint64_t reported_refusals_ = 0;
  Session* sessions_ = nullptr;
  unsigned operator_sessions_ = 0;
  std::vector<Session*> marked_;
  SendBatch together_;
  std::vector<Session*> resumed_;
  std::vector<Operation*> resubmitted_;
  unsigned tasks_ = 0;            // coroutines of the thread itself
  bool looked_for_work_ = false;  // that was open at the start
  bool draining_ = false;
  bool waits_for_turn_ = false;
  bool counted_quiet_ = false;
  bool stopping_ = false;
  std::int64_t drain_end_ms_ = 0;

  std::mutex orders_mutex_;  // of what other threads hand over; never taken on the way of a request
  std::shared_ptr<const Reloaded> reloaded_;
  std::vector<Operation*> delivered_;
  LiveEvents live_;
  std::vector<Missed> missed_;

  std::unordered_map<std::string, std::vector<Session*>> listeners_;  // by topic
  struct CatchingUp {
    Session* session = nullptr;
    std::string topic;
  };
  std::unordered_map<std::uint64_t, CatchingUp> catching_up_;  // those that ask for what they missed
  std::uint64_t last_listener_ = 0;
  std::vector<std::function<void()>> posted_;

  std::vector<std::function<void()>> to_run_;  // of this thread: posted, to be run within a batch
};

}  // namespace recharge
