// A connection that listens: it turns into a stream with the reply to its request, and reads no further one.
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "server/io_thread.h"
#include "server/log.h"
#include "server/session.h"

namespace recharge {
namespace {

struct EndForm {
  std::string_view reason;
  WebSocket::Close code;
};

constexpr EndForm form_of(StreamEnd end) noexcept {
  switch (end) {
    case StreamEnd::draining:
      return {"draining", WebSocket::Close::going_away};
    case StreamEnd::token_expired:
      return {"token_expired", WebSocket::Close::policy};
    case StreamEnd::too_slow:
      return {"too_slow", WebSocket::Close::try_later};
    case StreamEnd::no_answer:
      return {"no_answer", WebSocket::Close::policy};
    case StreamEnd::nothing_subscribed:
      return {"nothing_subscribed", WebSocket::Close::policy};
    case StreamEnd::not_text:
      return {"not_text", WebSocket::Close::no_text};
  }
  return {};
}

std::int64_t wall_s() noexcept {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  return wall.tv_sec;
}

}  // namespace

Subscription* Stream::find(std::string_view topic) noexcept {
  const auto found = std::find_if(subscriptions.begin(), subscriptions.end(),
                                  [&](const Subscription& one) { return one.topic == topic; });
  return found == subscriptions.end() ? nullptr : &*found;
}

void append_event(std::string& out, std::string_view name, std::string_view id, std::string_view json) {
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  out.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
}

void Session::prepare_stream() {
  stream_ = std::make_unique<Stream>();
  if (draining_) stream_->end_due = StreamEnd::draining;
}

// Before the request's command is submitted: nothing that is durable from then on is missed.
void Session::begin_listening(Exchange& exchange) {
  prepare_stream();
  add_subscription(exchange.operation.watch_topic);
  const AccessClaims* claims = thread_.access().claims();
  if (claims != nullptr) stream_->expires_s = claims->expires_at_s + kTokenLeewayS;
  exchange.close = true;
}

Subscription& Session::add_subscription(const std::string& topic) {
  Subscription& added = stream_->subscriptions.emplace_back();
  added.topic = topic;
  added.after = thread_.listen(topic, *this);
  return added;
}

void Session::stop_listening() noexcept {
  if (!stream_) return;
  for (const Subscription& one : stream_->subscriptions) thread_.stop_listening(one.topic, *this);
  stream_.reset();
}

// A listener's memory is bounded, that of the kernel, too.
void Session::turn_into_stream() noexcept {
  const int bytes = static_cast<int>(kMaxStreamBytes);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  stream_->open = true;
  stream_->written_ms = thread_.now_ms();
  in_.release();
}

// With the reply: the head of the stream and its first event, or a refusal.
void Session::open_stream(const Exchange& exchange, Reply& reply) {
  if (reply.status != 200) return stop_listening();
  const std::string snapshot = std::exchange(reply.body, {});
  reply.content_type = "text/event-stream";
  reply.stream = true;
  if (exchange.head) {
    reply.body.clear();
    return stop_listening();
  }
  turn_into_stream();
  Subscription& one = stream_->subscriptions.front();
  if (open_subscription(one, exchange.operation.watch_after, snapshot)) {
    reply.body = ":\n\n";
  } else {
    append_event(reply.body, "snapshot", {}, snapshot);
  }
}

// True: what it missed is told instead of the snapshot.
bool Session::open_subscription(Subscription& one, const EventId& seen, const std::string& snapshot) {
  one.open = true;
  thread_.metrics().streams_opened.add();
  one.replaying =
      !seen.is_nil() && seen < one.after && thread_.ask_for_missed(*this, one.topic, seen, one.after);
  if (one.replaying) one.snapshot = snapshot;
  return one.replaying;
}

void Session::write_snapshot(const Subscription& one, std::string_view snapshot) {
  if (stream_->web) return stream_->web->socket->send(snapshot_message(one.target, snapshot));
  append_event(out_, "snapshot", {}, snapshot);
}

void Session::write_event(const Subscription& one, const LiveEvent& event) {
  if (stream_->web) return stream_->web->socket->send(event_message(one.target, event.json));
  append_event(out_, "event", event.id.to_text(), event.json);
}

void Session::tell_missed(const std::string& topic, bool complete, const LiveEvents& events) {
  Subscription* one = stream_ ? stream_->find(topic) : nullptr;
  if (one == nullptr || !one->replaying || stream_->ending) return;
  one->replaying = false;
  if (!complete) write_snapshot(*one, one->snapshot);
  one->snapshot = {};
  for (const auto& event : events) write_event(*one, *event);
  thread_.mark(*this);
}

void Session::tell(const std::string& topic, const std::shared_ptr<const LiveEvent>& event) {
  if (!stream_ || stream_->ending || stream_->end_due || broken_) return;
  Subscription* one = stream_->find(topic);
  if (one == nullptr || event->id <= one->after) return;
  if (one->queue.size() == kMaxStreamQueue || out_.size() - sent_ > kMaxStreamBytes) {
    thread_.metrics().streams_dropped.add();
    log_warning("a listener was dropped: it reads too slowly");
    return end_stream(StreamEnd::too_slow);
  }
  one->after = event->id;
  one->queue.push_back(event);
  thread_.mark(*this);
}

// What waited for the head, or for what was missed.
void Session::write_queue() noexcept {
  if (!stream_ || !stream_->open || stream_->ending) return;
  if (!stream_->web && count_ > 0) return;
  for (Subscription& one : stream_->subscriptions) {
    if (!one.open || one.replaying || one.queue.empty()) continue;
    for (const auto& event : one.queue) write_event(one, *event);
    one.queue.clear();
    if (!stream_->web) stream_->written_ms = thread_.now_ms();
  }
}

// After the head.
void Session::end_stream_if_due() noexcept {
  if (stream_ && stream_->open && stream_->end_due) end_stream(*stream_->end_due);
}

// The reason comes behind what is unsent; who does not read it either is dropped at the deadline for writing.
void Session::end_stream(StreamEnd end) noexcept {
  if (!stream_ || stream_->ending) return;
  if (!stream_->open) {
    stream_->end_due = end;
    return;
  }
  if (end != StreamEnd::too_slow) write_queue();
  const EndForm form = form_of(end);
  if (!broken_) {
    if (stream_->web) {
      stream_->web->socket->close(form.code, form.reason);
    } else {
      append_event(out_, "end", {}, std::string(R"({"reason":")").append(form.reason).append(R"("})"));
    }
  }
  stream_->ending = true;
  thread_.mark(*this);
  wake(Pause::bytes);
}

void Session::check_stream(std::int64_t now_ms) noexcept {
  if (broken_) return;
  if (stream_->expires_s != 0 && wall_s() >= stream_->expires_s) return end_stream(StreamEnd::token_expired);
  if (writing_since_ms_ != 0 && now_ms - writing_since_ms_ >= thread_.settings().server.request_timeout_ms) {
    thread_.metrics().streams_dropped.add();
    log_warning("a listener was dropped: it reads nothing");
    return break_off();
  }
  if (stream_->web) return check_web_socket(now_ms);
  if (count_ > 0 || now_ms - stream_->written_ms < thread_.settings().events.ping_ms) return;
  stream_->written_ms = now_ms;
  if (sent_ == out_.size()) out_.append(":\n\n");
  thread_.mark(*this);
}

}  // namespace recharge
