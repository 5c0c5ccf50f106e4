#include "server/session.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>

#include "server/io_thread.h"

namespace recharge {

namespace asio = boost::asio;

Session::Session(IoThread& thread, Socket socket)
    : thread_(thread),
      socket_(std::move(socket)),
      signal_(socket_.get_executor()),
      parser_({thread.settings().server.max_header_bytes, thread.settings().server.max_body_bytes}),
      arriving_since_ms_(thread.now_ms()) {}

Session::~Session() = default;

Task<void> Session::run() {
  while (!closing_ && !broken_) {
    process();
    if (closing_ || broken_) break;
    if (is_full()) {
      co_await wait();
      continue;
    }
    const std::size_t known = parser_.known_bytes();
    in_.reserve(std::max(kReadBytes, known > in_.size() ? known - in_.size() : 0));
    reading_ = true;
    const auto [error, count] =
        co_await socket_.async_read_some(asio::buffer(in_.room(), in_.room_bytes()), kAwait);
    reading_ = false;
    if (error) {
      read_failed(error);
    } else {
      in_.commit(count);
      timed_out_ = false;
      if (fresh_) arriving_since_ms_ = 0;
      fresh_ = false;
    }
  }
  thread_.mark(*this);
  co_await finish();
}

void Session::process() {
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

Task<void> Session::wait() {
  waiting_ = true;
  signal_.expires_at(Timer::time_point::max());
  co_await signal_.async_wait(kAwait);
  waiting_ = false;
}

void Session::wake() noexcept {
  if (!waiting_) return;
  waiting_ = false;
  signal_.cancel();
}

void Session::read_failed(boost::system::error_code error) noexcept {
  if (error == asio::error::operation_aborted) {
    if (broken_) return;
    if (timed_out_) {
      expire_request();
    } else if (draining_) {
      last_read();
    }
    return;
  }
  closing_ = true;
  ended_ = true;
  if (error != asio::error::eof) break_off();
}

// A connection that is to end may have a request in its socket already: it is answered too.
void Session::last_read() noexcept {
  in_.reserve(kReadBytes);
  const ssize_t count = ::recv(socket_.native_handle(), in_.room(), in_.room_bytes(), MSG_DONTWAIT);
  if (count > 0) in_.commit(static_cast<std::size_t>(count));
  if (in_.size() == 0) closing_ = true;
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
  const ServerSettings& limits = thread_.settings().server;
  if (lingering_since_ms_ != 0) {
    if (now_ms - lingering_since_ms_ >= linger_ms_) break_off();
  } else if (writing_since_ms_ != 0 && now_ms - writing_since_ms_ >= limits.request_timeout_ms) {
    thread_.metrics().timed_out.add();
    break_off();
  } else if (arriving_since_ms_ != 0 && now_ms - arriving_since_ms_ >= limits.request_timeout_ms &&
             reading_) {
    timed_out_ = true;
  } else if (idle_since_ms_ != 0 && now_ms - idle_since_ms_ >= limits.idle_timeout_ms && reading_) {
    timed_out_ = true;
  }
  if (timed_out_ && reading_) {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
}

void Session::drain() noexcept {
  if (draining_) return;
  draining_ = true;
  boost::system::error_code ignored;
  if (reading_) socket_.cancel(ignored);
}

void Session::cut() noexcept {
  if (closing_ || broken_ || !reading_) return;
  if (in_.size() > 0) refuse(503, "draining", "Shutting down, try again");
  closing_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Session::abandon() noexcept { break_off(); }

void Session::break_off() noexcept {
  if (broken_) return;
  broken_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  thread_.mark(*this);
  wake();
}

// Replies first, then the end of our side; what the peer still sends is thrown away for a while, for a reset
// would take the last reply from it.
Task<void> Session::finish() {
  while (!is_flushed() || writable_awaited_) co_await wait();
  if (broken_) co_return;
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  lingering_since_ms_ = thread_.now_ms();
  std::size_t thrown_away = 0;
  while (!ended_ && !broken_ && thrown_away < kMaxLingerBytes) {
    in_.truncate(0);
    in_.consume(0);
    in_.reserve(kReadBytes);
    const auto [error, count] =
        co_await socket_.async_read_some(asio::buffer(in_.room(), in_.room_bytes()), kAwait);
    if (error && error != asio::error::operation_aborted) break;
    thrown_away += count;
  }
}

}  // namespace recharge
