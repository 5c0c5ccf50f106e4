// GET /api/orders, GET /api/orders/{order_id}, its explanation, its close and its refunds.
#include "server/body_fields.h"
#include "server/gateway_desk.h"
#include "server/handler.h"
#include "server/order_explanation.h"
#include "server/outcome_reply.h"
#include "server/query_fields.h"
#include "server/record_json.h"

namespace recharge {
namespace {

// The id in the path; what has not the form of an id names no order.
std::optional<OrderId> read_order_id(std::string_view text, Reply& reply) {
  const auto id = OrderId::parse(text);
  if (id) return *id;
  reply.fail(404, "order_not_found", "Order not found");
  return std::nullopt;
}

}  // namespace

Step read_order(const Request&, std::string_view order, HandlerContext&, Operation& operation, Reply& reply) {
  const auto id = read_order_id(order, reply);
  if (!id) return Step::reply;
  operation.command.emplace<ReadOrder>().order_id = *id;
  return Step::submit;
}

void show_order(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("order");
  write_order(json, std::get<Order>(operation.outcome.shown));
  json.end_object();
}

Step list_orders(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
                 Reply& reply) {
  const QueryValue account_value = query_value(request.query, "account");
  const auto account =
      read_account(account_value.malformed ? std::string_view() : account_value.text, context, reply);
  if (!account) return Step::reply;
  const auto limit = read_limit(request.query, reply);
  if (!limit) return Step::reply;
  const auto from = read_cursor<OrderId>(request.query, reply);
  if (!from) return Step::reply;
  ListOrders& command = operation.command.emplace<ListOrders>();
  if (const QueryValue value = query_value(request.query, "status"); value.found) {
    const auto status = parse_order_status(value.text);
    if (value.malformed || !status) {
      reply.invalid_request("status: not a status of orders");
      return Step::reply;
    }
    command.status = *status;
  }
  command.account = *account;
  command.limit = *limit;
  command.from = *from;
  return Step::submit;
}

void show_orders(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  const OrderPage& page = std::get<OrderPage>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  for (const Order& order : page.orders) write_order(json, order);
  json.end_array().name("has_more").boolean(!page.next.is_nil()).name("next_cursor");
  json.text_or_null(page.next.is_nil() ? std::string() : page.next.to_text()).end_object();
}

Step explain_order(const Request&, std::string_view order, HandlerContext&, Operation& operation,
                   Reply& reply) {
  const auto id = read_order_id(order, reply);
  if (!id) return Step::reply;
  operation.command.emplace<ExplainOrder>().order_id = *id;
  return Step::submit;
}

void show_explanation(const Operation& operation, HandlerContext& context, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  ExplanationContext now{context.engine.now(context.thread), {}};
  if (context.gateways != nullptr)
    now.calls = [&](const GatewayName& gateway) { return context.gateways->caller(gateway) != nullptr; };
  write_explanation(json, std::get<Explanation>(operation.outcome.shown), now);
}

Step close_order(const Request& request, std::string_view order, HandlerContext& context,
                 Operation& operation, Reply& reply) {
  const auto id = read_order_id(order, reply);
  if (!id) return Step::reply;
  const BodyFields fields(request.body, BodyFields::Empty::allow, context, reply);
  if (!fields.ok()) return Step::reply;
  operation.command.emplace<CloseOrder>().order_id = *id;
  return Step::submit;
}

// Its payment is closed at the gateway, too.
void show_closed_order(const Operation& operation, HandlerContext& context, Reply& reply) {
  show_order(operation, context, reply);
  if (operation.outcome.code == OutcomeCode::order_closed && context.service.hurry)
    context.service.hurry(std::get<Order>(operation.outcome.shown).id);
}

Step refund(const Request& request, std::string_view order, HandlerContext& context, Operation& operation,
            Reply& reply) {
  const auto id = read_order_id(order, reply);
  if (!id) return Step::reply;
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  const std::string_view text = fields.ok() ? fields.text("refund_id", true) : std::string_view();
  const auto refund_id = make_refund_id(text);
  if (!refund_id) fields.fail("refund_id", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -");
  if (!fields.ok()) return Step::reply;
  RequestRefund& command = operation.command.emplace<RequestRefund>();
  command.amount = fields.amount("amount", false);
  if (!fields.ok()) return Step::reply;
  command.order_id = *id;
  command.refund_id = *refund_id;
  return Step::submit;
}

void show_refund(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("refund");
  write_refund(json, std::get<RefundAndOrder>(operation.outcome.shown).refund);
  json.end_object();
}

}  // namespace recharge
