// Purpose: a connection that listens: what it is told, and until when. Part of a Session, which writes it.
// Owner: the io thread. Lifetime: from the request until the connection ends. Units: bytes, seconds since
// 1970 (_s), milliseconds of the steady clock (_ms). Source: WHATWG HTML, 9.2 (server-sent events).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/access_token.h"
#include "core/event.h"
#include "server/live_feed.h"
#include "server/net_address.h"
#include "server/watch_message.h"
#include "server/web_socket.h"

namespace recharge {

constexpr std::size_t kMaxStreamBytes = 64 << 10;  // unsent, before the listener is too slow
constexpr std::size_t kMaxStreamQueue = 256;       // events that wait for what comes before them
constexpr std::size_t kMaxSubscriptions = 16;      // of one connection
constexpr int kUnansweredPings = 3;                // before a WebSocket is given up

// Why the server ends a stream.
enum class StreamEnd : std::uint8_t {
  draining,
  token_expired,
  too_slow,
  no_answer,           // to pings
  nothing_subscribed,  // for too long
  not_text
};

struct Subscription {
  std::string topic;
  std::string target;      // of a WebSocket: as watch_target() has it
  EventId after;           // nothing up to here is told
  bool open = false;       // its first event was written
  bool replaying = false;  // what the listener missed is still being read
  std::string snapshot;    // of a listener that came back: told where what it missed cannot be
  LiveEvents queue;        // what waits for all that
};

// Of a WebSocket alone.
struct WebSocketState {
  std::unique_ptr<WebSocket> socket;
  std::optional<WatchMessage> first;   // of the query, which is done like a message
  std::optional<AccessClaims> claims;  // of the token; each subscription is held to them
  NetAddress client;
  bool answering = false;  // the last message; the next one is read after it
  std::int64_t received_ms = 0;
  std::int64_t without_subscription_ms = 0;  // since then; 0: it has one
};

struct Stream {
  std::vector<Subscription> subscriptions;
  std::unique_ptr<WebSocketState> web;  // null: server-sent events of the one subscription
  bool open = false;                    // the head was written
  bool ending = false;                  // no more is told
  std::optional<StreamEnd> end_due;     // it is to end, once the head was written
  std::int64_t expires_s = 0;           // of the token; 0: never
  std::int64_t written_ms = 0;          // of a WebSocket: the last ping

  Subscription* find(std::string_view topic) noexcept;
};

// One event in the form of the stream.
void append_event(std::string& out, std::string_view name, std::string_view id, std::string_view json);

}  // namespace recharge
