// A connection that became a WebSocket: it is told of what its messages subscribe to. A message is answered
// like the request to listen that it stands for, one at a time.
#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "server/client_address.h"
#include "server/io_thread.h"
#include "server/log.h"
#include "server/session.h"

namespace recharge {
namespace {

const Route& route_of(Begin begin) noexcept {
  for (const Route& route : routes()) {
    if (route.begin == begin) return route;
  }
  std::terminate();
}

}  // namespace

bool Session::admit_web_socket(const Route& route, const Request& request, Reply& reply) {
  const std::string_view token = token_of_protocols(request.header_lines);
  if (token.empty() || !request.authorization.empty()) {
    return thread_.access().admit(route, entry_.door, request, reply);
  }
  const std::string bearer = std::string("Bearer ").append(token);
  Request with_token = request;
  with_token.authorization = bearer;
  return thread_.access().admit(route, entry_.door, with_token, reply);
}

// The answer of 101 is made here; or the reply says why there is none.
void Session::accept_web_socket(Exchange& exchange, const Request& request, Reply& reply) {
  if (stream_ || !thread_.may_listen()) return reply.fail(503, "overloaded", "Too many listeners, try again");
  auto web = std::make_unique<WebSocketState>();
  const std::string_view protocol = offers_protocol(request.header_lines) ? kWebSocketProtocol : "";
  web->socket = WebSocket::accept(thread_.executor(), *this, request.header_lines, exchange.request_id.view(),
                                  protocol, exchange.text);
  if (!web->socket) {
    reply.fail(426, "upgrade_required", "This is a WebSocket of version 13");
    reply.headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    return;
  }
  web->first = read_watch_query(request.query, reply);
  if (!reply.error.empty()) return;
  web->client = client_address(client_, thread_.context().trusted_proxies, request.forwarded_for());
  prepare_stream();
  if (const AccessClaims* claims = thread_.access().claims()) {
    web->claims = *claims;
    stream_->expires_s = claims->expires_at_s + kTokenLeewayS;
  }
  stream_->web = std::move(web);
  exchange.status = 101;
  exchange.close = exchange.rendered = true;
}

// Its answer was sent.
void Session::open_web_socket() noexcept {
  turn_into_stream();
  WebSocketState& web = *stream_->web;
  web.received_ms = web.without_subscription_ms = thread_.now_ms();
  end_stream_if_due();
  if (!web.first) web.socket->next();
}

std::size_t Session::take_received_bytes(char* to, std::size_t room) noexcept {
  const std::size_t count = std::min(room, in_.size());
  if (count == 0) return 0;
  std::memcpy(to, in_.data(), count);
  in_.consume(count);
  if (in_.size() == 0) in_.release();
  if (in_.size() == 0 && receivable_) wake(Pause::bytes);
  return count;
}

void Session::send_bytes(std::string_view bytes) {
  out_.append(bytes);
  thread_.mark(*this);
}

void Session::look_at_web_socket() noexcept {
  if (!stream_) return;
  if (stream_->web->socket->has_ended()) stream_->ending = true;
  wake(Pause::bytes);
}

bool Session::has_message() const noexcept {
  const WebSocketState* web = stream_->web.get();
  return web != nullptr && !web->answering && (web->first || web->socket->has_message());
}

// What a listener sends: of a WebSocket the next frames, else nothing that counts.
void Session::receive_from_listener() noexcept {
  if (!stream_->web) return throw_away();
  try {
    receive();
    if (in_.size() == 0) return;
    stream_->web->received_ms = thread_.now_ms();
    stream_->web->socket->receive();
  } catch (const std::exception& failure) {
    log_error(std::string("a connection ended by an exception: ") + failure.what());
    break_off();
  }
}

void Session::take_message() noexcept {
  WebSocketState& web = *stream_->web;
  Reply& reply = thread_.reply();
  reply.clear();
  try {
    web.answering = true;
    if (web.first) {
      subscribe(*std::exchange(web.first, std::nullopt), reply);
    } else if (!web.socket->is_text()) {
      end_stream(StreamEnd::not_text);
    } else if (auto message = read_watch_message(web.socket->message(), thread_.context(), reply); !message) {
      web.socket->send(error_message({}, reply));
      read_on();
    } else if (message->action == WatchMessage::Action::subscribe) {
      subscribe(*message, reply);
    } else {
      unsubscribe(*message, reply);
    }
  } catch (const std::exception& failure) {
    log_error(std::string("a connection ended by an exception: ") + failure.what());
    break_off();
  }
}

void Session::read_on() {
  stream_->web->answering = false;
  stream_->web->socket->next();
}

// Whether it may be submitted; the same questions as to a request, in their order.
bool Session::may_subscribe(Exchange& exchange, const WatchMessage& message, Reply& reply) {
  Access& access = thread_.access();
  const Route& route = *exchange.route;
  const WebSocketState& web = *stream_->web;
  if (!access.admit_client(&route, web.client, Request{}, {}, thread_.now_us(), reply)) return false;
  if (thread_.is_behind(route.limit)) {
    reply.fail(503, "overloaded", "The server is behind, try again");
    return false;
  }
  if (begin_watch(message, thread_.context(), exchange.operation, reply) != Step::submit) return false;
  access.act_for(web.claims ? &*web.claims : nullptr);
  if (!access.confine(route, exchange.operation.command, thread_.now_us(), reply)) return false;
  if (stream_->find(exchange.operation.watch_topic) != nullptr) {
    reply.invalid_request("Subscribed already");
  } else if (stream_->subscriptions.size() == kMaxSubscriptions) {
    reply.invalid_request("Too many subscriptions of one connection");
  } else if (!thread_.may_listen()) {
    reply.fail(503, "overloaded", "Too many listeners, try again");
  }
  return reply.error.empty();
}

void Session::subscribe(const WatchMessage& message, Reply& reply) {
  Slot taken = thread_.stock().take();
  Exchange& exchange = *taken;
  name_request(exchange, {});
  exchange.route = &route_of(message.account.empty() ? watch_order : watch_account);
  exchange.arrived_us = thread_.now_us();
  exchange.head = exchange.http_1_0 = exchange.close = false;
  HandlerContext& context = thread_.context();
  context.request_id = exchange.request_id.view();
  context.client = client_;
  context.trace = {};
  if (!may_subscribe(exchange, message, reply)) {
    exchange.status = reply.status;
    thread_.note_reply(exchange);
    thread_.stock().give(std::move(taken));
    stream_->web->socket->send(error_message(watch_target(message), reply));
    return read_on();
  }
  exchange.message = exchange.decided = true;
  exchange.submitted_us = thread_.now_us();
  exchange.operation.complete = &Session::on_complete;
  exchange.operation.context = &exchange;
  add_subscription(exchange.operation.watch_topic).target = watch_target(message);
  stream_->web->without_subscription_ms = 0;
  push(std::move(taken));
  thread_.engine().submit(thread_.index(), exchange.operation);
}

// In the place of a request's reply: the snapshot, what was missed, or a refusal.
void Session::answer_message(Exchange& exchange, Reply& reply) {
  exchange.status = reply.status;
  const std::string& topic = exchange.operation.watch_topic;
  Subscription* one = stream_ ? stream_->find(topic) : nullptr;
  if (one == nullptr) return;  // it ended meanwhile
  WebSocket& socket = *stream_->web->socket;
  if (reply.status != 200) {
    socket.send(error_message(one->target, reply));
    drop_subscription(*one);
  } else if (open_subscription(*one, exchange.operation.watch_after, reply.body)) {
    socket.send(note_message("resumed", one->target));
  } else {
    socket.send(snapshot_message(one->target, reply.body));
  }
  read_on();
}

void Session::drop_subscription(Subscription& one) {
  thread_.stop_listening(one.topic, *this);
  stream_->subscriptions.erase(stream_->subscriptions.begin() + (&one - stream_->subscriptions.data()));
  if (stream_->subscriptions.empty()) stream_->web->without_subscription_ms = thread_.now_ms();
}

void Session::unsubscribe(const WatchMessage& message, Reply& reply) {
  const std::string target = watch_target(message);
  auto& all = stream_->subscriptions;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Subscription& one) { return one.target == target; });
  if (found == all.end()) {
    reply.invalid_request("Not subscribed");
    stream_->web->socket->send(error_message(target, reply));
  } else {
    drop_subscription(*found);
    stream_->web->socket->send(note_message("unsubscribed", target));
  }
  read_on();
}

void Session::check_web_socket(std::int64_t now_ms) noexcept {
  const WebSocketState& web = *stream_->web;
  const std::int64_t ping_ms = thread_.settings().events.ping_ms;
  if (now_ms - web.received_ms >= ping_ms * kUnansweredPings) {
    thread_.metrics().streams_dropped.add();
    log_warning("a listener was dropped: it answers no ping");
    return end_stream(StreamEnd::no_answer);
  }
  if (web.without_subscription_ms != 0 &&
      now_ms - web.without_subscription_ms >= thread_.settings().server.request_timeout_ms) {
    return end_stream(StreamEnd::nothing_subscribed);
  }
  if (now_ms - stream_->written_ms < ping_ms) return;
  stream_->written_ms = now_ms;
  web.socket->ping();
}

}  // namespace recharge
