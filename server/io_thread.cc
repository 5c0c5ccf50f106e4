#include "server/io_thread.h"

#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "server/io_scheduling.h"
#include "server/log.h"
#include "server/outcome_reply.h"

namespace recharge {

namespace asio = boost::asio;

namespace {

int duplicate(int fd) {
  const int copy = ::dup(fd);
  if (copy < 0) throw std::runtime_error("dup: no descriptors left");
  return copy;
}

void read_empty(int fd) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(fd, &count, sizeof count);
}

asio::ip::tcp protocol_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("getsockname failed");
  }
  return address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
}

// Which order it was about; empty: none, or many.
std::string order_of(const Operation& operation) {
  if (const auto* shown = std::get_if<Order>(&operation.outcome.shown)) return shown->id.to_text();
  return std::visit(
      [](const auto& command) -> std::string {
        if constexpr (requires { command.order_id; }) {
          return command.order_id.is_nil() ? std::string() : command.order_id.to_text();
        } else {
          return {};
        }
      },
      operation.command);
}

}  // namespace

// The io_context is told that one thread alone uses it, all its functions included: other threads write to an
// eventfd.
IoThread::IoThread(SharedState& shared, unsigned index, int listener, const Reloaded& first)
    : shared_(shared),
      index_(index),
      io_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE),
      sockets_(io_),
      acceptor_(io_.get_executor()),
      operators_(io_.get_executor()),
      accept_pause_(io_.get_executor()),
      operators_pause_(io_.get_executor()),
      engine_wake_(io_.get_executor(), duplicate(shared.engine.wake_fd(index))),
      control_(io_.get_executor(), ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      context_{shared.settings, shared.account_pattern, shared.engine, index,          metrics_,
               shared.service,  make_gates(first.keys), JsonReader(),  RandomSource(), {}},
      access_(first.access, metrics_),
      tls_(first.tls),
      log_(first.log) {
  acceptor_.assign(protocol_of(listener), listener);
  shared_.control_fds[index] = control_.native_handle();
  if (shared.gateway_client != nullptr) {
    gateways_ = std::make_unique<GatewayDesk>(context_, *shared.gateway_client,
                                              [this](auto function) { post(std::move(function)); });
    gateways_->take_over(first.keys);
    context_.gateways = gateways_.get();
  }
  if (shared.settings.fulfilment.kind != Fulfilment::wallet) {
    fulfilment_ = std::make_unique<FulfilmentDesk>(context_, shared.supplier_client,
                                                   [this](auto function) { post(std::move(function)); });
    fulfilment_->take_over(first.keys.suppliers);
  }
  look_at_clock();
  beat_ms_.store(now_ms(), std::memory_order_relaxed);
}

IoThread::~IoThread() = default;

void IoThread::listen_to_operators(int listener) { operators_.assign(protocol_of(listener), listener); }

void IoThread::run() {
  start(accept());
  if (operators_.is_open()) start(accept_operators());
  start(watch_engine());
  start(watch_control());
  look_at_clock();
  bool busy = true;  // the engine may have more to do: then this thread must not sleep
  unsigned turns = 0;
  while (!drained()) {
    const std::int64_t left_ms = busy ? 0 : next_sweep_ms_ - now_ms();
    unsigned handled = 0;
    if (left_ms > 0) {
      sockets_.arm();
      handled = static_cast<unsigned>(io_.run_one_for(std::chrono::milliseconds(left_ms)));
    }
    look_at_clock();
    look_at_books();
    shared_.engine.begin_batch(index_);
    if (++turns % kAsioTurns == 0) {
      while (handled < kMaxBatch && io_.poll_one() > 0) ++handled;
    }
    resume_sessions();
    run_posted();
    if (gateways_ || fulfilment_) look_after_work();
    const bool more = sockets_.poll();
    busy = shared_.engine.turn(index_) || more || !resubmitted_.empty();
    for (Operation* operation : resubmitted_) shared_.engine.submit(index_, *operation);
    resubmitted_.clear();
    flush_marked();
    if (now_ms() >= next_sweep_ms_) sweep();
    if (!resumed_.empty()) busy = true;
  }
  stopping_ = true;
  report_refusals();
  boost::system::error_code ignored;
  engine_wake_.close(ignored);
  control_.cancel(ignored);
  sockets_.close();
  while (tasks_ > 0) io_.run_one_for(std::chrono::milliseconds(kSweepMs));
  io_.poll();  // what WebSockets that have gone left behind
}

void IoThread::start(Task<void> task) {
  ++tasks_;
  asio::co_spawn(io_.get_executor(), std::move(task), [this](std::exception_ptr failure) {
    --tasks_;
    if (failure) std::rethrow_exception(failure);
  });
}

// Behind the checkpoint's thread it would wait until the scheduler looks again.
void IoThread::look_at_books() noexcept {
  const bool waits = !shared_.engine.is_writing_books();
  if (waits == waits_for_turn_) return;
  waits_for_turn_ = waits;
  wait_for_turn(waits);
}

void IoThread::look_at_clock() noexcept {
  timespec steady{};
  ::clock_gettime(CLOCK_MONOTONIC, &steady);
  now_us_ = static_cast<std::uint64_t>(steady.tv_sec) * 1'000'000 +
            static_cast<std::uint64_t>(steady.tv_nsec) / 1000;
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  if (wall.tv_sec == date_second_) return;
  date_second_ = wall.tv_sec;
  tm parts{};
  ::gmtime_r(&wall.tv_sec, &parts);
  char text[64];
  const std::size_t size = ::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  date_line_.assign(text, size);
}

Task<void> IoThread::accept() {
  while (!draining_) {
    if (!has_room()) {
      co_await pause_accepting(accept_pause_);
      continue;
    }
    const auto [error] = co_await acceptor_.async_wait(Acceptor::wait_read, kAwait);
    if (error) continue;  // it was closed, to drain
    const int failure = accept_sessions(acceptor_, Door::clients, kMaxAccepted);
    if (failure != 0) {
      log_warning(std::string("accepting is paused: ") + std::strerror(failure));
      co_await pause_accepting(accept_pause_);
    }
  }
}

// For another client, the reserve included.
bool IoThread::has_room() const noexcept {
  return shared_.connections.load(std::memory_order_relaxed) <
         settings().server.max_connections + kReservedConnections;
}

// Until at_most are open, none waits, or there is no room (looked at again for each, for other threads
// accept, too; what waits when draining begins was promised an answer): zero; or the error that keeps it from
// taking more.
int IoThread::accept_sessions(Acceptor& acceptor, Door door, unsigned at_most) {
  while (at_most > 0 && (door == Door::operators || draining_ || has_room())) {
    const int fd = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      open_session(fd, door);
      --at_most;
    } else if (errno == EAGAIN) {
      return 0;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return errno;
    }
  }
  return 0;
}

// Whatever clients do, operators get in.
Task<void> IoThread::accept_operators() {
  while (!draining_) {
    if (operator_sessions_ >= kMaxOperators) {
      co_await pause_accepting(operators_pause_);
      continue;
    }
    const auto [error] = co_await operators_.async_wait(Acceptor::wait_read, kAwait);
    if (error) continue;  // it was closed, to drain
    const int failure = accept_sessions(operators_, Door::operators, kMaxOperators - operator_sessions_);
    if (failure != 0) co_await pause_accepting(operators_pause_);
  }
}

Task<void> IoThread::pause_accepting(Timer& timer) {
  metrics_.accept_pauses.add();
  timer.expires_after(std::chrono::milliseconds(kAcceptPauseMs));
  co_await timer.async_wait(kAwait);
}

Task<void> IoThread::watch_engine() {
  while (!stopping_) {
    const auto [error] = co_await engine_wake_.async_wait(Descriptor::wait_read, kAwait);
    if (error) co_return;
    read_empty(engine_wake_.native_handle());
  }
}

Task<void> IoThread::watch_control() {
  while (!stopping_) {
    const auto [error] = co_await control_.async_wait(Descriptor::wait_read, kAwait);
    if (error) co_return;
    read_empty(control_.native_handle());
    take_orders();
  }
}

// One more than may be: probes and metrics get in all the same.
bool IoThread::is_reserved(Door door) const noexcept {
  return door == Door::clients &&
         shared_.connections.load(std::memory_order_relaxed) >= settings().server.max_connections;
}

void IoThread::open_session(int fd, Door door) {
  const NetAddress peer = peer_address(fd);
  const bool counted = door == Door::clients && !contains(settings().server.trusted_proxies, peer);
  if (counted && !shared_.clients.enter(peer)) {
    metrics_.turned_away.add();
    ::close(fd);
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Session* session = new Session(*this, fd, {door, peer, counted, is_reserved(door)});
  session->next = sessions_;
  if (sessions_ != nullptr) sessions_->previous = session;
  sessions_ = session;
  if (door == Door::clients) shared_.connections.fetch_add(1, std::memory_order_relaxed);
  if (door == Door::operators) ++operator_sessions_;
  metrics_.connections.add();
  metrics_.accepted.add();
  if (!sockets_.add(fd, *session)) {
    log_error("a connection is refused: the kernel watches no more descriptors");
    session->abandon();
  }
  session->run();
}

void IoThread::retire(Session& session) noexcept {
  if (session.dirty) std::erase(marked_, &session);
  if (session.previous != nullptr) session.previous->next = session.next;
  if (session.next != nullptr) session.next->previous = session.previous;
  if (sessions_ == &session) sessions_ = session.next;
  const Entry& entry = session.entry();
  if (entry.counted) shared_.clients.leave(entry.peer);
  if (entry.door == Door::clients) shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  if (entry.door == Door::operators) --operator_sessions_;
  delete &session;
  metrics_.connections.subtract();
}

void IoThread::resume_sessions() noexcept {
  // One that goes on may have others go on.
  for (std::size_t i = 0; i < resumed_.size(); ++i) resumed_[i]->resume();
  resumed_.clear();
}

void IoThread::mark(Session& session) noexcept {
  if (session.dirty) return;
  session.dirty = true;
  marked_.push_back(&session);
}

void IoThread::flush_marked() noexcept {
  // A flush may mark others, or itself again.
  for (std::size_t i = 0; i < marked_.size();) {
    const std::size_t end = std::min(marked_.size(), i + SendBatch::kMaxSends);
    if (end - i > 1 && together_.is_open()) {
      for (std::size_t each = i; each < end; ++each) marked_[each]->begin_flush(together_);
      together_.submit();
    }
    for (; i < end; ++i) {
      marked_[i]->dirty = false;
      marked_[i]->flush();
    }
  }
  marked_.clear();
}

void IoThread::note_reply(const Exchange& exchange) noexcept {
  const std::size_t route =
      exchange.route == nullptr ? kUnknownRoute : static_cast<std::size_t>(exchange.route - routes().data());
  const std::uint64_t taken_us = now_us_ - exchange.arrived_us;
  metrics_.count_request(route, exchange.status, taken_us);
  if (exchange.status < 500) {
    if (!log_.access) return;
    if (exchange.status < 400 && ++unlogged_ < log_.sample) return;
    unlogged_ = 0;
  }
  RequestLine line{exchange.route == nullptr ? "unknown" : exchange.route->path, exchange.status, taken_us,
                   exchange.request_id.view(), exchange.trace.trace_id()};
  std::string order;
  if (exchange.decided) {
    line.outcome = slug(exchange.operation.outcome.code);
    line.order_id = order = order_of(exchange.operation);
  }
  log_request(line);
}

void IoThread::sweep() {
  next_sweep_ms_ = now_ms() + kSweepMs;
  beat_ms_.store(now_ms(), std::memory_order_relaxed);
  std::uint64_t oldest_us = now_us();
  for (Session* session = sessions_; session != nullptr; session = session->next) {
    session->check_deadline(now_ms());
    oldest_us = std::min(oldest_us, session->waits_since_us(oldest_us));
  }
  const auto waited_ms = static_cast<std::int64_t>((now_us() - oldest_us) / 1000);
  behind_ms_ = settings().server.max_latency_ms != 0 && waited_ms >= kSweepMs ? waited_ms : 0;
  if (draining_) {
    const bool cut =
        now_ms() >= drain_end_ms_ - std::min(kCutBeforeEndMs, settings().server.drain_timeout_ms / 2);
    const bool over = now_ms() >= drain_end_ms_;
    for (Session* session = sessions_; session != nullptr; session = session->next) {
      if (cut) session->cut();
      if (over) session->abandon();
    }
    if (over && gateways_) gateways_->give_up();
  }
  if (now_ms() >= next_report_ms_) report_refusals();
}

void IoThread::report_refusals() {
  next_report_ms_ = now_ms() + 1000;
  context_.refusal_lines.next_second();
  std::uint64_t refused = 0;
  for (const auto& gate : metrics_.callbacks) {
    refused += gate[static_cast<std::size_t>(CallbackResult::invalid_signature)].get();
  }
  if (refused > reported_refusals_) {
    log_warning("refused " + std::to_string(refused - reported_refusals_) +
                " callbacks with an invalid signature");
  }
  reported_refusals_ = refused;
}

void IoThread::take_over(std::shared_ptr<const Reloaded> reloaded) {
  {
    const std::lock_guard lock(orders_mutex_);
    reloaded_ = std::move(reloaded);
  }
  wake();
}

void IoThread::post(std::function<void()> function) {
  {
    const std::lock_guard lock(orders_mutex_);
    posted_.push_back(std::move(function));
  }
  wake();
}

void IoThread::deliver(Operation& operation) {
  {
    const std::lock_guard lock(orders_mutex_);
    delivered_.push_back(&operation);
  }
  wake();
}

void IoThread::take_result(const RechargeResult& result, std::function<void(bool)> settled) {
  post([this, result, settled = std::move(settled)] { fulfilment_->take_result(result, settled); });
}

void IoThread::hurry(const OrderId& id) {
  post([this, id] {
    if (gateways_) gateways_->hurry(id);
  });
}

// Within a batch: what it submits shares one flush of the journal.
void IoThread::run_posted() {
  if (to_run_.empty()) return;
  for (const auto& function : std::exchange(to_run_, {})) function();
}

// What is open in the shards of this thread, at gateways and with suppliers.
void IoThread::look_after_work() {
  if (draining_) return;
  const bool at_start = !std::exchange(looked_for_work_, true);
  for (const GatewayWorkKey& key : shared_.engine.take_gateway_work(index_)) {
    if (key.kind == GatewayWorkKind::recharge) {
      if (fulfilment_) fulfilment_->note(key);
    } else if (gateways_) {
      gateways_->note(key, at_start);
    }
  }
  if (gateways_) gateways_->tick();
  if (fulfilment_) fulfilment_->tick();
}

void IoThread::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(shared_.control_fds[index_], &one, sizeof one);
}

void IoThread::take_orders() {
  std::shared_ptr<const Reloaded> reloaded;
  std::vector<Operation*> delivered;
  LiveEvents live;
  std::vector<Missed> missed;
  {
    const std::lock_guard lock(orders_mutex_);
    reloaded = std::exchange(reloaded_, nullptr);
    to_run_.insert(to_run_.end(), std::make_move_iterator(posted_.begin()),
                   std::make_move_iterator(posted_.end()));
    posted_.clear();
    delivered.swap(delivered_);
    live.swap(live_);
    missed.swap(missed_);
  }
  for (Operation* operation : delivered) operation->complete(*operation);
  for (const Missed& one : missed) {
    const auto session = catching_up_.extract(one.listener);
    if (session) session.mapped().session->tell_missed(session.mapped().topic, one.complete, one.events);
  }
  tell_listeners(live);
  if (reloaded) {
    context_.gates = make_gates(reloaded->keys);
    context_.policy = reloaded->policy;
    access_.take_over(reloaded->access);
    tls_ = reloaded->tls;
    log_ = reloaded->log;
    context_.trusted_proxies = reloaded->access.trusted_proxies;
    if (gateways_) gateways_->take_over(reloaded->keys);
    if (fulfilment_) fulfilment_->take_over(reloaded->keys.suppliers);
  }
  if (shared_.draining.load(std::memory_order_acquire) && !draining_) begin_drain();
}

void IoThread::begin_drain() {
  draining_ = true;
  if (gateways_) gateways_->begin_drain();
  if (fulfilment_) fulfilment_->begin_drain();
  drain_end_ms_ = now_ms() + settings().server.drain_timeout_ms;
  // What is in the queue already was promised an answer.
  if (!shared_.inherited_listener) accept_sessions(acceptor_, Door::clients, kListenBacklog);
  boost::system::error_code error;
  acceptor_.close(error);
  operators_.close(error);
  accept_pause_.cancel();
  operators_pause_.cancel();
  for (Session* session = sessions_; session != nullptr; session = session->next) session->drain();
}

// Quiet threads go on until all are: their shards are still needed.
bool IoThread::drained() {
  if (!draining_) return false;
  if (!counted_quiet_ && sessions_ == nullptr && shared_.engine.in_flight(index_) == 0) {
    counted_quiet_ = true;
    shared_.quiet_threads.fetch_add(1, std::memory_order_acq_rel);
    for (const int fd : shared_.control_fds) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t ignored = ::write(fd, &one, sizeof one);
    }
  }
  return shared_.quiet_threads.load(std::memory_order_acquire) == shared_.control_fds.size();
}

}  // namespace recharge
