// Purpose: one connection: reads requests, has them answered, and writes the replies in their order.
// Owner: an io thread, which runs it, tells it of its socket's events, flushes it after each batch, and
// sweeps its deadlines. Lifetime: until run() ends, which is after the last operation in flight; run() then
// has the thread delete it. Errors: a broken connection loses its replies; what was asked for is carried out
// all the same. Units: _ms of the steady clock, as the thread's batch has it.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>

#include "server/async.h"
#include "server/exchange.h"
#include "server/net_address.h"
#include "server/read_buffer.h"
#include "server/request_parser.h"
#include "server/send_batch.h"
#include "server/stream.h"
#include "server/tls_stream.h"
#include "server/web_socket.h"

namespace recharge {

class IoThread;

constexpr std::size_t kMaxPipelined = 16;         // requests of a connection under way
constexpr std::size_t kMaxOutBytes = 128 << 10;   // rendered and unsent, before the next reply is rendered
constexpr std::size_t kReadBytes = 2048;          // least room for a read
constexpr std::size_t kMaxLingerBytes = 1 << 20;  // read and thrown away after the last reply
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::int64_t kNewMs = 1'000;  // since it was accepted
constexpr std::int64_t kLingerAfterDeadlineMs = 500;

// How a connection came in.
struct Entry {
  Door door = Door::clients;
  NetAddress peer;        // the socket's
  bool counted = false;   // among the connections of its address
  bool reserved = false;  // for probes and metrics alone
};

class Session final : private WebSocketOwner {
 public:
  // fd: a connected socket, taken over.
  Session(IoThread& thread, int fd, const Entry& entry);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Detached run();
  const Entry& entry() const noexcept { return entry_; }

  void on_events(std::uint32_t events) noexcept;  // of epoll
  void resume() noexcept;                         // goes on where it paused
  // Renders what is ready and adds it to what is sent together; flush() then goes on from its result.
  void begin_flush(SendBatch& together) noexcept;
  void flush() noexcept;  // writes what is ready
  void check_deadline(std::int64_t now_ms) noexcept;
  // Since when its oldest request waits for the engine; `otherwise`: none does.
  std::uint64_t waits_since_us(std::uint64_t otherwise) const noexcept;
  void drain() noexcept;    // no further requests; what has begun is answered
  void cut() noexcept;      // a half-received request is answered now
  void abandon() noexcept;  // the time to drain is over
  // Of a connection that listens.
  void tell(const std::string& topic, const std::shared_ptr<const LiveEvent>& event);
  void tell_missed(const std::string& topic, bool complete, const LiveEvents& events);

  Session* previous = nullptr;  // the thread's list
  Session* next = nullptr;
  bool dirty = false;  // in the thread's list of sessions to flush

 private:
  using Slot = std::unique_ptr<Exchange>;

  // What run() waits for.
  enum class Pause : std::uint8_t {
    none,
    bytes,   // to be received
    replies  // to be sent: for room for the next request, or for the end
  };
  struct Paused {  // co_await it
    Session& session;
    Pause pause;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept {
      session.paused_ = handle;
      session.pause_ = pause;
    }
    void await_resume() const noexcept {}
  };

  static void on_complete(Operation& operation) noexcept;
  void serve() noexcept;
  void process();
  bool take_proxy_header();
  bool is_admitted(const RouteMatch& match, const Request& request, Reply& reply);
  void dispatch(const Request& request);
  void answer_at_once(Slot exchange, Reply& reply);
  void refuse(unsigned status, std::string_view error, std::string_view message);
  const Route* arriving_route();
  std::int64_t arrival_limit_ms();
  void word_refusal(const Route* route, std::string_view gateway, Reply& reply);
  void refuse_late_callback() noexcept;
  Slot& push(Slot exchange) noexcept;
  void name_request(Exchange& exchange, std::string_view sent);
  void render_ready() noexcept;
  void render_all() noexcept;
  void render_first(Exchange& exchange) noexcept;
  void render_reply(Exchange& exchange, Reply& reply, std::string& out);
  bool send() noexcept;
  std::ptrdiff_t send_some() noexcept;
  void wait_writable();
  void receive();
  void receive_encrypted();
  void take_received(std::size_t count) noexcept;
  void begin_tls();
  std::ptrdiff_t send_encrypted() noexcept;
  void interrupted() noexcept;
  void expire_request() noexcept;
  void note_progress() noexcept;
  bool is_full() const noexcept { return count_ == kMaxPipelined || out_.size() - sent_ > kMaxOutBytes; }
  bool is_flushed() const noexcept { return count_ == 0 && (broken_ || sent_ == out_.size()); }
  void wake(Pause pause) noexcept;
  // It has asked nothing yet, and soon will: not closed at once by a drain.
  bool is_new() const noexcept;
  void begin_linger() noexcept;
  void throw_away() noexcept;
  void prepare_stream();
  void begin_listening(Exchange& exchange);
  Subscription& add_subscription(const std::string& topic);
  void stop_listening() noexcept;
  void turn_into_stream() noexcept;
  void open_stream(const Exchange& exchange, Reply& reply);
  bool open_subscription(Subscription& one, const EventId& seen, const std::string& snapshot);
  void write_snapshot(const Subscription& one, std::string_view snapshot);
  void write_event(const Subscription& one, const LiveEvent& event);
  void write_queue() noexcept;
  void end_stream(StreamEnd end) noexcept;
  void end_stream_if_due() noexcept;
  void check_stream(std::int64_t now_ms) noexcept;
  void receive_from_listener() noexcept;
  // Of a WebSocket.
  bool admit_web_socket(const Route& route, const Request& request, Reply& reply);
  void accept_web_socket(Exchange& exchange, const Request& request, Reply& reply);
  void open_web_socket() noexcept;
  std::size_t take_received_bytes(char* to, std::size_t room) noexcept override;
  void send_bytes(std::string_view bytes) override;
  void look_at_web_socket() noexcept override;
  bool has_message() const noexcept;
  void take_message() noexcept;
  void read_on();
  bool may_subscribe(Exchange& exchange, const WatchMessage& message, Reply& reply);
  void subscribe(const WatchMessage& message, Reply& reply);
  void unsubscribe(const WatchMessage& message, Reply& reply);
  void answer_message(Exchange& exchange, Reply& reply);
  void drop_subscription(Subscription& one);
  void check_web_socket(std::int64_t now_ms) noexcept;
  // It is to receive more: a WebSocket once what it has was read.
  bool can_receive() const noexcept { return receivable_ && (!stream_->web || in_.size() == 0); }
  bool listens() const noexcept {
    return stream_ && stream_->open && !stream_->ending && !ended_ && !broken_ &&
           thrown_away_ < kMaxLingerBytes;
  }
  void break_off() noexcept;

  IoThread& thread_;
  const Entry entry_;
  NetAddress client_;  // the peer, or who stands behind it by the PROXY protocol
  bool proxy_header_due_;
  const int fd_;
  std::coroutine_handle<> paused_;
  Pause pause_ = Pause::none;
  std::unique_ptr<TlsStream> tls_;  // null: not encrypted
  ReadBuffer in_;
  RequestParser parser_;
  std::string out_;
  std::size_t sent_ = 0;
  std::ptrdiff_t sent_together_ = SendBatch::kUnsent;
  std::size_t writing_left_ = 0;    // of what waited when the writing deadline began
  std::unique_ptr<Stream> stream_;  // of a connection that listens, or is about to
  std::array<Slot, kMaxPipelined> slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::int64_t arriving_since_ms_ = 0;  // zero: no request is arriving
  std::int64_t idle_since_ms_ = 0;
  std::int64_t writing_since_ms_ = 0;
  std::int64_t lingering_since_ms_ = 0;
  std::int64_t linger_ms_ = kLingerMs;
  std::size_t thrown_away_ = 0;
  bool fresh_ = true;         // nothing was received yet
  bool receivable_ = false;   // there may be something to receive
  bool peer_closed_ = false;  // the peer's end lies behind what can be received
  bool writable_awaited_ = false;
  bool continue_sent_ = false;
  bool closing_ = false;  // no further request is read
  bool broken_ = false;   // nothing can be sent
  bool late_ = false;     // its last reply was sent ahead of the outcome
  bool ended_ = false;    // the peer sends no more
  bool draining_ = false;
  bool timed_out_ = false;
};

}  // namespace recharge
