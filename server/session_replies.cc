// The way of a request from the parser to its handler, and of its reply back to the socket.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "server/client_address.h"
#include "server/io_thread.h"
#include "server/session.h"

namespace recharge {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

bool is_request_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= RequestId::kCapacity &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

}  // namespace

void Session::name_request(Exchange& exchange, std::string_view sent) {
  if (is_request_id(sent) && exchange.request_id.assign(sent)) return;
  char made[32];
  thread_.context().random.write_hex(made);
  thread_.context().random.write_hex(made + 16);
  if (!exchange.request_id.assign({made, sizeof made})) std::terminate();
}

Session::Slot& Session::push(Slot exchange) noexcept {
  exchange->session = this;
  Slot& slot = slots_[(first_ + count_) % kMaxPipelined];
  slot = std::move(exchange);
  ++count_;
  return slot;
}

// True once requests may follow.
bool Session::take_proxy_header() {
  const ProxyHeader header = read_proxy_header({in_.data(), in_.size()});
  if (header.status == ProxyHeader::Status::need_more) return false;
  proxy_header_due_ = false;
  if (header.status == ProxyHeader::Status::malformed) {
    refuse(400, "invalid_request", "No header of the PROXY protocol, version 2");
    return false;
  }
  if (header.has_source) client_ = header.source;
  in_.consume(header.bytes);
  if (thread_.tls() != nullptr) begin_tls();
  return true;
}

bool Session::is_admitted(const RouteMatch& match, const Request& request, Reply& reply) {
  if (entry_.door == Door::operators) return true;
  const bool is_probe = match.route != nullptr && match.route->limit == LimitClass::none;
  if (entry_.reserved && !is_probe) {
    reply.fail(503, "overloaded", "Too many connections, try again");
    reply.close = true;
    return false;
  }
  return thread_.access().admit_client(match.route, client_, request, thread_.parameter(), thread_.now_us(),
                                       reply) &&
         thread_.access().admit_certificate(match.route, thread_.parameter(), tls_.get(), reply);
}

void Session::dispatch(const Request& request) {
  Slot taken = thread_.stock().take();
  Exchange& exchange = *taken;
  name_request(exchange, request.request_id);
  exchange.arrived_us = thread_.now_us();
  exchange.head = request.method == Method::head;
  exchange.http_1_0 = request.http_1_0;
  exchange.close = !request.keep_alive || draining_;
  HandlerContext& context = thread_.context();
  context.request_id = exchange.request_id.view();
  context.client = client_;
  if (!request.traceparent.empty()) exchange.trace = TraceParent::parse(request.traceparent);
  context.trace = exchange.trace;
  Reply& reply = thread_.reply();
  reply.clear();
  const RouteMatch match = match_route(request.method, request.path, entry_.door, thread_.parameter());
  exchange.route = match.route;
  Step step = Step::reply;
  if (!is_admitted(match, request, reply)) {
    // the reply says why
  } else if (match.route != nullptr && thread_.is_behind(match.route->limit)) {
    reply.fail(503, "overloaded", "The server is behind, try again");
  } else if (match.route == nullptr && match.allow.empty()) {
    reply.fail(404, "not_found", "Not found");
  } else if (match.route == nullptr) {
    reply.fail(405, "method_not_allowed", "Method not allowed");
    reply.allow = match.allow;
  } else if (match.bad_parameter) {
    reply.invalid_request("Malformed percent-encoding in the path");
  } else if (request.encoded) {
    reply.fail(415, "unsupported_encoding", "Content-Encoding is not supported");
  } else if (match.route->upgrades ? admit_web_socket(*match.route, request, reply)
                                   : thread_.access().admit(*match.route, entry_.door, request, reply)) {
    const AccessClaims* claims = thread_.access().claims();
    context.token_subject = claims == nullptr ? std::string_view() : claims->subject;
    step = match.route->begin(request, thread_.parameter(), context, exchange.operation, reply);
    if (step == Step::submit &&
        !thread_.access().confine(*match.route, exchange.operation.command, thread_.now_us(), reply)) {
      step = Step::reply;
    }
    if (step == Step::submit && match.route->streams && (stream_ || !thread_.may_listen())) {
      reply.fail(503, "overloaded", "Too many listeners, try again");
      step = Step::reply;
    }
    if (reply.upgrade) accept_web_socket(exchange, request, reply);
  }
  if (step == Step::reply) {
    word_refusal(match.route, thread_.parameter(), reply);
    answer_at_once(std::move(taken), reply);
  } else {
    exchange.operation.complete = &Session::on_complete;
    exchange.operation.context = &exchange;
    if (step == Step::submit) {
      exchange.submitted_us = thread_.now_us();
      exchange.decided = true;
    }
    if (match.route->streams) begin_listening(exchange);
    if (exchange.close) closing_ = true;
    push(std::move(taken));
    if (step == Step::submit) thread_.engine().submit(thread_.index(), exchange.operation);
  }
}

void Session::answer_at_once(Slot taken, Reply& reply) {
  Exchange& exchange = *push(std::move(taken));
  exchange.close = exchange.close || reply.close;
  if (exchange.close) closing_ = true;
  if (!exchange.rendered) {
    exchange.text.clear();
    render_reply(exchange, reply, exchange.text);
  }
  exchange.rendered = exchange.ready = true;
  thread_.mark(*this);
}

// Answers what could not be read as a request; nothing after it can be trusted.
void Session::refuse(unsigned status, std::string_view error, std::string_view message) {
  Slot taken = thread_.stock().take();
  name_request(*taken, {});
  taken->route = nullptr;
  taken->arrived_us = thread_.now_us();
  taken->head = taken->http_1_0 = false;
  taken->close = true;
  Reply& reply = thread_.reply();
  reply.clear();
  reply.fail(status, error, message);
  const Route* route = arriving_route();
  word_refusal(route, thread_.parameter(), reply);
  answer_at_once(std::move(taken), reply);
}

void Session::on_complete(Operation& operation) noexcept {
  Exchange& exchange = *static_cast<Exchange*>(operation.context);
  Session& session = *exchange.session;
  exchange.submitted_us = 0;
  IoThread& thread = session.thread_;
  const Pursue pursue = exchange.route->pursue;
  if (pursue != nullptr && pursue(operation, thread.context())) return;
  const FollowUp follow_up = exchange.route->follow_up;
  if (follow_up != nullptr && !exchange.followed_up) {
    Reply& reply = thread.reply();
    reply.clear();
    exchange.followed_up = follow_up(operation, thread.context(), reply);
    if (exchange.followed_up) {
      exchange.text.clear();
      session.render_reply(exchange, reply, exchange.text);
      exchange.rendered = true;
      thread.resubmit(operation);
      return;
    }
  }
  exchange.ready = true;
  thread.mark(session);
}

void Session::render_reply(Exchange& exchange, Reply& reply, std::string& out) {
  const bool last = closing_ && count_ == 1;
  const ReplyFrame frame{exchange.request_id.view(), thread_.date_line(), exchange.head, exchange.http_1_0,
                         exchange.close || last};
  render(reply, frame, out);
  exchange.status = reply.status;
}

void Session::render_first(Exchange& exchange) noexcept {
  if (exchange.rendered) {
    out_.append(exchange.text);
  } else {
    Reply& reply = thread_.reply();
    reply.clear();
    exchange.route->finish(exchange.operation, thread_.context(), reply);
    if (exchange.message) {
      answer_message(exchange, reply);
    } else {
      if (exchange.route->streams) open_stream(exchange, reply);
      render_reply(exchange, reply, out_);
    }
  }
  thread_.note_reply(exchange);
}

void Session::render_ready() noexcept {
  while (count_ > 0 && slots_[first_]->ready && (broken_ || out_.size() - sent_ <= kMaxOutBytes)) {
    if (!broken_ && !late_) render_first(*slots_[first_]);
    thread_.stock().give(std::move(slots_[first_]));
    first_ = (first_ + 1) % kMaxPipelined;
    --count_;
  }
  if (count_ == 0 && parser_.wants_continue() && !continue_sent_ && !closing_) {
    out_.append(kContinue);
    continue_sent_ = true;
  }
}

void Session::render_all() noexcept {
  render_ready();
  end_stream_if_due();
  write_queue();
}

void Session::begin_flush(SendBatch& together) noexcept {
  render_all();
  if (tls_ || broken_ || sent_ == out_.size()) return;
  together.add(fd_, std::string_view(out_).substr(sent_), sent_together_);
}

void Session::flush() noexcept {
  do {
    render_all();
  } while (send() && count_ > 0 && slots_[first_]->ready);
  note_progress();
  if (closing_ || broken_ ? is_flushed() : !is_full()) wake(Pause::replies);
}

// As send(2); where it was sent with others, what came of that.
std::ptrdiff_t Session::send_some() noexcept {
  if (tls_) return send_encrypted();
  const std::ptrdiff_t together = std::exchange(sent_together_, SendBatch::kUnsent);
  if (together == SendBatch::kUnsent) {
    return ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (together >= 0) return together;
  errno = static_cast<int>(-together);
  return -1;
}

// As send(2).
std::ptrdiff_t Session::send_encrypted() noexcept {
  const TlsStream::Result result = tls_->write(out_.data() + sent_, out_.size() - sent_);
  if (result.status == TlsStream::Status::ok) return static_cast<std::ptrdiff_t>(result.bytes);
  errno = result.status == TlsStream::Status::again ? EAGAIN : EPIPE;
  return -1;
}

// True where everything is sent.
bool Session::send() noexcept {
  while (!broken_ && sent_ < out_.size()) {
    const std::ptrdiff_t count = send_some();
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
      writing_left_ -= std::min(writing_left_, static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (sent_ > kMaxOutBytes) {
        out_.erase(0, sent_);
        sent_ = 0;
      }
      wait_writable();
      return false;
    } else if (errno != EINTR) {
      break_off();
    }
  }
  out_.clear();
  sent_ = 0;
  writing_since_ms_ = 0;
  return true;
}

void Session::wait_writable() {
  if (writing_since_ms_ == 0 || writing_left_ == 0) {  // the deadline is for what waits now, in total
    writing_since_ms_ = thread_.now_ms();
    writing_left_ = out_.size() - sent_;
  }
  writable_awaited_ = true;
}

}  // namespace recharge
