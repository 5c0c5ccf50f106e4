// A connection that listens: it turns into a stream with the reply to its request, and reads no further one.
#include <sys/socket.h>
#include <time.h>

#include <utility>

#include "server/io_thread.h"
#include "server/log.h"
#include "server/session.h"

namespace recharge {

void append_event(std::string& out, std::string_view name, std::string_view id, std::string_view json) {
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  out.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
}

// Before the request's command is submitted: nothing that is durable from then on is missed.
void Session::begin_listening(Exchange& exchange) {
  stream_ = std::make_unique<Stream>();
  stream_->topic = exchange.operation.watch_topic;
  stream_->after = thread_.listen(stream_->topic, *this);
  const AccessClaims* claims = thread_.access().claims();
  if (claims != nullptr) stream_->expires_s = claims->expires_at_s + kTokenLeewayS;
  exchange.close = true;
}

void Session::stop_listening() noexcept {
  if (!stream_) return;
  thread_.stop_listening(stream_->topic, *this);
  stream_.reset();
}

// With the reply: the head of the stream and its first event, or a refusal.
void Session::open_stream(const Exchange& exchange, Reply& reply) {
  if (reply.status != 200) return stop_listening();
  std::string snapshot = std::exchange(reply.body, {});
  reply.content_type = "text/event-stream";
  reply.stream = true;
  if (exchange.head) {
    reply.body.clear();
    return stop_listening();
  }
  const int bytes = static_cast<int>(kMaxStreamBytes);  // of the kernel, too: a listener's memory is bounded
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  stream_->open = true;
  stream_->written_ms = thread_.now_ms();
  in_.release();
  thread_.metrics().streams_opened.add();
  stream_->ending = draining_;
  const EventId seen = exchange.operation.watch_after;
  if (!seen.is_nil() && seen < stream_->after) {
    stream_->replaying = thread_.ask_for_missed(*this, stream_->topic, seen, stream_->after);
  }
  if (stream_->replaying) {
    reply.body = ":\n\n";
    stream_->snapshot = std::move(snapshot);
  } else {
    append_event(reply.body, "snapshot", {}, snapshot);
  }
}

void Session::tell_missed(bool complete, const LiveEvents& events) {
  if (!stream_ || !stream_->open || !stream_->replaying) return;
  stream_->replaying = false;
  if (!complete) append_event(out_, "snapshot", {}, stream_->snapshot);
  stream_->snapshot = {};
  for (const auto& event : events) append_event(out_, "event", event->id.to_text(), event->json);
  thread_.mark(*this);
}

void Session::tell(const std::shared_ptr<const LiveEvent>& event) {
  if (!stream_ || stream_->ending || broken_ || event->id <= stream_->after) return;
  if (stream_->queue.size() == kMaxStreamQueue || out_.size() - sent_ > kMaxStreamBytes) {
    thread_.metrics().streams_dropped.add();
    log_warning("a listener was dropped: it reads too slowly");
    return break_off();
  }
  stream_->after = event->id;
  stream_->queue.push_back(event);
  thread_.mark(*this);
}

// What waited for the head, or for what was missed.
void Session::write_queue() noexcept {
  if (!stream_ || !stream_->open || stream_->replaying || count_ > 0 || stream_->queue.empty()) return;
  for (const auto& event : stream_->queue) append_event(out_, "event", event->id.to_text(), event->json);
  stream_->queue.clear();
  stream_->written_ms = thread_.now_ms();
}

void Session::end_stream(std::string_view reason) noexcept {
  if (!stream_ || stream_->ending) return;
  if (stream_->open && count_ == 0 && !broken_) {
    append_event(out_, "end", {}, std::string(R"({"reason":")").append(reason).append(R"("})"));
  }
  stream_->ending = true;
  thread_.mark(*this);
  wake(Pause::bytes);
}

void Session::check_stream(std::int64_t now_ms) noexcept {
  if (broken_) return;
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  if (stream_->expires_s != 0 && wall.tv_sec >= stream_->expires_s) return end_stream("token_expired");
  if (writing_since_ms_ != 0 && now_ms - writing_since_ms_ >= thread_.settings().server.request_timeout_ms) {
    thread_.metrics().streams_dropped.add();
    log_warning("a listener was dropped: it reads nothing");
    return break_off();
  }
  if (!stream_->open || count_ > 0 || now_ms - stream_->written_ms < kStreamPingMs) return;
  stream_->written_ms = now_ms;
  if (sent_ == out_.size()) out_.append(":\n\n");
  thread_.mark(*this);
}

}  // namespace recharge
