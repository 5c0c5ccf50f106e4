// Purpose: the messages of a WebSocket of live updates: what a client asks for, and what it is told, as JSON
// texts. Pure functions. Lifetime: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/handler.h"

namespace recharge {

struct WatchMessage {
  enum class Action { subscribe, unsubscribe };
  Action action = Action::subscribe;
  std::string order_id;  // one of the two is empty
  std::string account;
  std::string last_event_id;  // empty: it has seen none
};

// {"action":"subscribe"|"unsubscribe", "order_id" or "account", optional "last_event_id"}. Nothing: the reply
// says what is wrong.
std::optional<WatchMessage> read_watch_message(std::string_view json, HandlerContext& context, Reply& reply);
// The same from a query, whose action is to subscribe. Nothing with a reply of 200: it names none.
std::optional<WatchMessage> read_watch_query(std::string_view query, Reply& reply);

// What a message is about, as the members of JSON that say so in each reply to it.
std::string watch_target(const WatchMessage& message);
std::string snapshot_message(std::string_view target, std::string_view snapshot);  // a JSON object
std::string event_message(std::string_view target, std::string_view event);        // likewise
std::string note_message(std::string_view type, std::string_view target);
std::string error_message(std::string_view target, const Reply& reply);

// What a browser tells of the page that asks: none, or one of this host. A WebSocket is open to pages of any
// site (RFC 6455, 10.2).
bool is_same_origin(std::string_view header_lines) noexcept;
// Browsers can send a token in no other way: as the subprotocol "bearer.TOKEN", beside "recharge". Empty:
// none.
std::string_view token_of_protocols(std::string_view header_lines) noexcept;
constexpr std::string_view kWebSocketProtocol = "recharge";
bool offers_protocol(std::string_view header_lines) noexcept;

}  // namespace recharge
