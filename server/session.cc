#include "server/session.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "server/io_thread.h"
#include "server/log.h"

namespace recharge {

Session::Session(IoThread& thread, int fd, const Entry& entry)
    : thread_(thread),
      entry_(entry),
      client_(entry.peer),
      proxy_header_due_(entry.door == Door::clients && thread.access().expects_proxy_header(entry.peer)),
      fd_(fd),
      parser_({thread.settings().server.max_header_bytes, thread.settings().server.max_body_bytes}),
      arriving_since_ms_(thread.now_ms()) {
  if (thread.tls() != nullptr && !proxy_header_due_) begin_tls();
}

Session::~Session() { ::close(fd_); }

// Replies first, then the end of our side; what the peer still sends is thrown away for a while, for a reset
// would take the last reply from it.
Detached Session::run() {
  while (true) {
    serve();
    if (closing_ || broken_) break;
    if (is_full()) {
      co_await Paused{*this, Pause::replies};
    } else if (!receivable_) {
      co_await Paused{*this, Pause::bytes};
      if (!receivable_) interrupted();
    }
  }
  thread_.mark(*this);
  while (!is_flushed()) co_await Paused{*this, Pause::replies};
  if (stream_ && stream_->web) open_web_socket();
  while (listens()) {
    if (has_message()) {
      take_message();
    } else if (can_receive()) {
      receive_from_listener();
    } else {
      co_await Paused{*this, Pause::bytes};
    }
  }
  stop_listening();
  while (!is_flushed()) co_await Paused{*this, Pause::replies};
  if (!broken_) begin_linger();
  while (!ended_ && !broken_ && thrown_away_ < kMaxLingerBytes) {
    if (!receivable_) co_await Paused{*this, Pause::bytes};
    throw_away();
  }
  thread_.retire(*this);
}

// First what is there already: behind it may be the peer's end. Without memory for it, the connection is
// given up; what has begun is carried out.
void Session::serve() noexcept {
  try {
    if (in_.size() > 0) process();
    if (receivable_ && !is_full() && !closing_) receive();
    process();
  } catch (const std::exception& failure) {
    log_error(std::string("a connection ended by an exception: ") + failure.what());
    break_off();
  }
}

void Session::on_events(std::uint32_t events) noexcept {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_closed_ = true;
  if ((events & EPOLLIN) != 0 || peer_closed_) receivable_ = true;
  if (tls_ && tls_->wants_to_write() && (events & EPOLLOUT) != 0) receivable_ = true;
  if (writable_awaited_ && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    writable_awaited_ = false;
    thread_.mark(*this);
  }
  if (receivable_ && pause_ == Pause::bytes) resume();
}

void Session::resume() noexcept {
  pause_ = Pause::none;
  paused_.resume();
}

void Session::wake(Pause pause) noexcept {
  if (pause_ != pause) return;
  pause_ = Pause::none;
  thread_.resume_later(*this);
}

// A short read has emptied the socket: what comes after it is a new event.
void Session::receive() {
  const std::size_t known = parser_.known_bytes();
  in_.reserve(std::max(kReadBytes, known > in_.size() ? known - in_.size() : 0));
  if (tls_) return receive_encrypted();
  const std::size_t room = in_.room_bytes();
  const ssize_t count = ::recv(fd_, in_.room(), room, MSG_DONTWAIT);
  if (count > 0) {
    take_received(static_cast<std::size_t>(count));
    if (static_cast<std::size_t>(count) < room && !peer_closed_) receivable_ = false;
  } else if (count == 0) {
    closing_ = ended_ = true;
  } else if (errno == EAGAIN) {
    receivable_ = false;
  } else if (errno != EINTR) {
    closing_ = ended_ = true;
    break_off();
  }
}

void Session::take_received(std::size_t count) noexcept {
  in_.commit(count);
  timed_out_ = false;
  if (fresh_) arriving_since_ms_ = 0;
  fresh_ = false;
}

// The deadline of a fresh connection is the handshake's, too: it ends with the first bytes of a request.
void Session::begin_tls() {
  tls_ = std::make_unique<TlsStream>(*thread_.tls(), fd_, std::string_view(in_.data(), in_.size()));
  in_.consume(in_.size());
  fresh_ = receivable_ = true;
}

void Session::receive_encrypted() {
  const bool was_open = tls_->is_open();
  const TlsStream::Result result = tls_->read(in_.room(), in_.room_bytes());
  if (!was_open && tls_->is_open()) {
    (tls_->was_resumed() ? thread_.metrics().tls_resumed : thread_.metrics().tls_full).add();
  }
  switch (result.status) {
    case TlsStream::Status::ok:
      take_received(result.bytes);
      if (result.emptied && !peer_closed_) receivable_ = false;
      break;
    case TlsStream::Status::again:
      if (result.emptied || tls_->wants_to_write()) receivable_ = false;
      break;
    case TlsStream::Status::ended:
      closing_ = ended_ = true;
      break;
    case TlsStream::Status::plain_request:
      thread_.metrics().tls_failed.add();
      tls_ = nullptr;
      refuse(400, "invalid_request", "This port takes HTTPS alone");
      break;
    case TlsStream::Status::failed:
      if (!was_open) thread_.metrics().tls_failed.add();
      closing_ = true;
      break;
  }
}

void Session::process() {
  if (proxy_header_due_ && !take_proxy_header()) return note_progress();
  while (!closing_ && in_.size() > 0 && !is_full()) {
    std::size_t size = in_.size();
    const RequestParser::Status status = parser_.parse(in_.data(), size);
    in_.truncate(size);
    if (status == RequestParser::Status::need_more) break;
    if (status == RequestParser::Status::failed) {
      const ParseFailure failure = parser_.failure();
      refuse(failure.status, failure.error, failure.message);
      break;
    }
    dispatch(parser_.request());
    in_.consume(parser_.consumed());
    parser_.reset();
    continue_sent_ = false;
    arriving_since_ms_ = 0;
  }
  if (parser_.wants_continue() && !continue_sent_) thread_.mark(*this);
  note_progress();
}

// Which of the deadlines runs now.
void Session::note_progress() noexcept {
  const bool arriving = in_.size() > 0 && !is_full() && !closing_;
  if (!arriving && !fresh_) arriving_since_ms_ = 0;
  if (arriving && arriving_since_ms_ == 0) arriving_since_ms_ = thread_.now_ms();
  const bool idle = in_.size() == 0 && count_ == 0 && sent_ == out_.size();
  if (!idle) {
    idle_since_ms_ = 0;
  } else if (idle_since_ms_ == 0) {
    idle_since_ms_ = thread_.now_ms();
  }
}

// Woken without anything to receive: its time is over, or the server's is. A connection that is to end may
// have a request in its socket already: it is answered too.
void Session::interrupted() noexcept {
  if (broken_) return;
  if (timed_out_) {
    expire_request();
  } else if (draining_) {
    receivable_ = true;
    serve();
    if (in_.size() == 0 && !is_new()) closing_ = true;
  }
}

void Session::expire_request() noexcept {
  thread_.metrics().timed_out.add();
  timed_out_ = false;
  linger_ms_ = kLingerAfterDeadlineMs;  // it had its time
  if (in_.size() > 0) {
    refuse(408, "request_timeout", "The request did not arrive in time");
  } else {
    closing_ = true;
  }
}

void Session::check_deadline(std::int64_t now_ms) noexcept {
  if (stream_ && stream_->open) return check_stream(now_ms);
  refuse_late_callback();
  const ServerSettings& limits = thread_.settings().server;
  if (lingering_since_ms_ != 0) {
    if (now_ms - lingering_since_ms_ >= linger_ms_) break_off();
  } else if (writing_since_ms_ != 0 && now_ms - writing_since_ms_ >= limits.request_timeout_ms) {
    thread_.metrics().timed_out.add();
    break_off();
  } else if (arriving_since_ms_ != 0 && pause_ == Pause::bytes &&
             now_ms - arriving_since_ms_ >= arrival_limit_ms()) {
    timed_out_ = true;
  } else if (draining_ && fresh_ && !is_new()) {
    wake(Pause::bytes);
  } else if (idle_since_ms_ != 0 && now_ms - idle_since_ms_ >= limits.idle_timeout_ms &&
             pause_ == Pause::bytes) {
    timed_out_ = true;
  }
  if (timed_out_) wake(Pause::bytes);
}

std::uint64_t Session::waits_since_us(std::uint64_t otherwise) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    const Exchange& exchange = *slots_[(first_ + i) % kMaxPipelined];
    if (exchange.submitted_us != 0) return exchange.submitted_us;
  }
  return otherwise;
}

bool Session::is_new() const noexcept { return fresh_ && thread_.now_ms() - arriving_since_ms_ < kNewMs; }

void Session::drain() noexcept {
  if (draining_) return;
  draining_ = true;
  end_stream(StreamEnd::draining);
  wake(Pause::bytes);
}

void Session::cut() noexcept {
  if (closing_ || broken_ || pause_ != Pause::bytes) return;
  if (in_.size() > 0) refuse(503, "draining", "Shutting down, try again");
  closing_ = true;
  wake(Pause::bytes);
}

void Session::abandon() noexcept { break_off(); }

void Session::break_off() noexcept {
  if (broken_) return;
  broken_ = true;
  thread_.mark(*this);
  wake(Pause::bytes);
  wake(Pause::replies);
}

void Session::begin_linger() noexcept {
  if (tls_) tls_->say_goodbye();
  ::shutdown(fd_, SHUT_WR);
  lingering_since_ms_ = thread_.now_ms();
}

void Session::throw_away() noexcept {
  char scrap[kReadBytes];
  const ssize_t count = ::recv(fd_, scrap, sizeof scrap, MSG_DONTWAIT);
  if (count > 0) {
    thrown_away_ += static_cast<std::size_t>(count);
  } else if (count < 0 && errno == EAGAIN) {
    receivable_ = false;
  } else if (count == 0 || errno != EINTR) {
    ended_ = true;
  }
}

}  // namespace recharge
