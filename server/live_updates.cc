// GET /api/orders/{order_id}/events, GET /api/accounts/{account}/events: server-sent events. The first is a
// snapshot, read like any order; then come the events. Source: WHATWG HTML, 9.2.
#include "core/header_lines.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/live_feed.h"
#include "server/outcome_reply.h"
#include "server/record_json.h"

namespace recharge {
namespace {

constexpr unsigned kSnapshotOrders = 20;

bool read_last_event_id(const Request& request, Operation& operation, Reply& reply) {
  operation.watch_after = {};
  const HeaderValue header = find_header(request.header_lines, "Last-Event-ID");
  if (!header.found || header.text.empty()) return true;
  const auto id = EventId::parse(header.text);
  if (id && !header.repeated) {
    operation.watch_after = *id;
    return true;
  }
  reply.invalid_request("Last-Event-ID: must be the id of an event");
  return false;
}

}  // namespace

Step watch_order(const Request& request, std::string_view order, HandlerContext&, Operation& operation,
                 Reply& reply) {
  if (!read_last_event_id(request, operation, reply)) return Step::reply;
  const auto id = OrderId::parse(order);
  if (!id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  operation.watch_topic = order_topic(*id);
  operation.command.emplace<ReadOrder>().order_id = *id;
  return Step::submit;
}

Step watch_account(const Request& request, std::string_view account, HandlerContext& context,
                   Operation& operation, Reply& reply) {
  if (!read_last_event_id(request, operation, reply)) return Step::reply;
  const auto read = read_account(account, context, reply);
  if (!read) return Step::reply;
  operation.watch_topic = account_topic(read->view());
  ListOrders& command = operation.command.emplace<ListOrders>();
  command.account = *read;
  command.limit = kSnapshotOrders;
  return Step::submit;
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
