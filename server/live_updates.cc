// GET /api/orders/{order_id}/events, GET /api/accounts/{account}/events: server-sent events. The first is a
// snapshot, read like any order; then come the events. Source: WHATWG HTML, 9.2. GET /api/ws: the same over
// a WebSocket, whose messages say what it listens to.
#include "core/header_lines.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/live_feed.h"
#include "server/outcome_reply.h"
#include "server/record_json.h"
#include "server/watch_message.h"

namespace recharge {
namespace {

constexpr unsigned kSnapshotOrders = 20;

// What it has seen; empty: nothing.
bool take_last_event_id(std::string_view text, std::string_view name, Operation& operation, Reply& reply) {
  operation.watch_after = {};
  if (text.empty()) return true;
  if (const auto id = EventId::parse(text)) {
    operation.watch_after = *id;
    return true;
  }
  std::string fault(name);
  reply.invalid_request(fault.append(": must be the id of an event"));
  return false;
}

bool read_last_event_id(const Request& request, Operation& operation, Reply& reply) {
  const HeaderValue header = find_header(request.header_lines, "Last-Event-ID");
  return take_last_event_id(header.repeated ? "twice" : header.text, "Last-Event-ID", operation, reply);
}

Step begin_order_watch(std::string_view order, Operation& operation, Reply& reply) {
  const auto id = OrderId::parse(order);
  if (!id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  operation.watch_topic = order_topic(*id);
  operation.command.emplace<ReadOrder>().order_id = *id;
  return Step::submit;
}

Step begin_account_watch(std::string_view account, HandlerContext& context, Operation& operation,
                         Reply& reply) {
  const auto read = read_account(account, context, reply);
  if (!read) return Step::reply;
  operation.watch_topic = account_topic(read->view());
  ListOrders& command = operation.command.emplace<ListOrders>();
  command.account = *read;
  command.limit = kSnapshotOrders;
  return Step::submit;
}

}  // namespace

Step watch_order(const Request& request, std::string_view order, HandlerContext&, Operation& operation,
                 Reply& reply) {
  if (!read_last_event_id(request, operation, reply)) return Step::reply;
  return begin_order_watch(order, operation, reply);
}

Step watch_account(const Request& request, std::string_view account, HandlerContext& context,
                   Operation& operation, Reply& reply) {
  if (!read_last_event_id(request, operation, reply)) return Step::reply;
  return begin_account_watch(account, context, operation, reply);
}

Step begin_watch(const WatchMessage& message, HandlerContext& context, Operation& operation, Reply& reply) {
  if (!take_last_event_id(message.last_event_id, "last_event_id", operation, reply)) return Step::reply;
  return message.account.empty() ? begin_order_watch(message.order_id, operation, reply)
                                 : begin_account_watch(message.account, context, operation, reply);
}

// Without tokens, a page of another site must not listen through the browser of whoever looks at it.
Step open_web_socket(const Request& request, std::string_view, HandlerContext& context, Operation&,
                     Reply& reply) {
  if (context.settings.auth.mode == AuthMode::off && !is_same_origin(request.header_lines)) {
    reply.fail(403, "forbidden_origin", "Pages of another site cannot listen");
  } else {
    reply.upgrade = true;
  }
  return Step::reply;
}

// The data of the first event.
void show_watched(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object();
  if (const auto* order = std::get_if<Order>(&operation.outcome.shown)) {
    json.name("order");
    write_order(json, *order);
  } else {
    json.name("orders").begin_array();
    for (const Order& one : std::get<OrderPage>(operation.outcome.shown).orders) write_order(json, one);
    json.end_array();
  }
  json.end_object();
}

}  // namespace recharge
