#include "server/watch_message.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>

#include "core/header_lines.h"
#include "server/body_fields.h"
#include "server/json_text.h"
#include "server/query_fields.h"

namespace recharge {
namespace {

constexpr std::string_view kBearer = "bearer.";

bool names_one(const WatchMessage& message, Reply& reply) {
  if (message.order_id.empty() != message.account.empty()) return true;
  reply.invalid_request("order_id or account, one of them, must be there");
  return false;
}

// Calls visit(name) with each of a list until it says true.
template <class Visit>
bool any_protocol(std::string_view header_lines, Visit visit) noexcept {
  std::string_view rest = find_header(header_lines, "Sec-WebSocket-Protocol").text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    if (visit(name)) return true;
  }
  return false;
}

std::string begin_message(std::string_view type, std::string_view target) {
  std::string text = R"({"type":")";
  text.append(type).append("\"");
  if (!target.empty()) text.append(",").append(target);
  return text;
}

}  // namespace

std::optional<WatchMessage> read_watch_message(std::string_view json, HandlerContext& context, Reply& reply) {
  BodyFields fields(json, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return std::nullopt;
  WatchMessage message;
  const std::string_view action = fields.text("action", true);
  message.order_id = fields.text("order_id", false);
  message.account = fields.text("account", false);
  message.last_event_id = fields.text("last_event_id", false);
  if (action == "unsubscribe") {
    message.action = WatchMessage::Action::unsubscribe;
  } else if (action != "subscribe") {
    fields.fail("action", "must be subscribe or unsubscribe");
  }
  if (!fields.ok() || !names_one(message, reply)) return std::nullopt;
  return message;
}

std::optional<WatchMessage> read_watch_query(std::string_view query, Reply& reply) {
  WatchMessage message;
  bool found = false;
  const auto take = [&](std::string_view name, std::string& text) {
    QueryValue value = query_value(query, name);
    found = found || value.found;
    std::string fault(name);
    if (value.malformed) reply.invalid_request(fault.append(": malformed, or there twice"));
    text = std::move(value.text);
  };
  take("order_id", message.order_id);
  take("account", message.account);
  take("last_event_id", message.last_event_id);
  if (!found || !reply.error.empty() || !names_one(message, reply)) return std::nullopt;
  return message;
}

std::string watch_target(const WatchMessage& message) {
  std::string text;
  JsonText json(text);
  const bool order = message.account.empty();
  json.begin_object().name(order ? "order_id" : "account").text(order ? message.order_id : message.account);
  json.end_object();
  return text.substr(1, text.size() - 2);
}

std::string snapshot_message(std::string_view target, std::string_view snapshot) {
  return begin_message("snapshot", target).append(",").append(snapshot.substr(1));
}

std::string event_message(std::string_view target, std::string_view event) {
  return begin_message("event", target).append(R"(,"event":)").append(event).append("}");
}

std::string note_message(std::string_view type, std::string_view target) {
  return begin_message(type, target).append("}");
}

std::string error_message(std::string_view target, const Reply& reply) {
  std::string members;
  JsonText json(members);
  json.begin_object().name("code").integer(reply.status).name("msg").text(reply.message);
  json.name("error").text(reply.error).end_object();
  return begin_message("error", target).append(",").append(members, 1);
}

bool is_same_origin(std::string_view header_lines) noexcept {
  const HeaderValue origin = find_header(header_lines, "Origin");
  if (!origin.found) return true;
  const std::size_t host = origin.text.find("://");
  if (origin.repeated || host == origin.text.npos) return false;
  return boost::beast::iequals(origin.text.substr(host + 3), single_header(header_lines, "Host"));
}

std::string_view token_of_protocols(std::string_view header_lines) noexcept {
  std::string_view token;
  any_protocol(header_lines, [&](std::string_view name) {
    if (name.starts_with(kBearer)) token = name.substr(kBearer.size());
    return !token.empty();
  });
  return token;
}

bool offers_protocol(std::string_view header_lines) noexcept {
  return any_protocol(header_lines, [](std::string_view name) { return name == kWebSocketProtocol; });
}

}  // namespace recharge
