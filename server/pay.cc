// POST /api/pay
#include <cstdio>

#include "core/digest.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/outcome_reply.h"

namespace recharge {
namespace {

constexpr std::string_view kAutomaticKey = "auto";

TransactionId simulated_transaction(RandomSource& random) {
  char text[35] = {'S', 'I', 'M'};
  random.write_hex(text + 3);
  random.write_hex(text + 19);
  TransactionId id;
  if (!id.assign({text, sizeof text})) std::terminate();
  return id;
}

}  // namespace

Step pay(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
         Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view order = fields.text("order_id", true);
  const std::string_view gateway = fields.text("gateway", false);
  const std::string_view method = fields.text("method", false);
  if (!method.empty() && method != "qr" && method != "h5") fields.fail("method", "must be qr or h5");
  fields.text("client_ip", false);
  fields.text("return_url", false);
  if (!is_known_gateway(context.settings, gateway)) fields.fail("gateway", "not configured");
  const GatewaySettings* simulated = context.settings.simulated();
  if (simulated == nullptr || (!gateway.empty() && gateway != kSimulatedGatewayName)) {
    fields.fail("gateway", "its payments are not started here");
  }
  if (!fields.ok()) return Step::reply;
  const auto order_id = OrderId::parse(order);
  if (!order_id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  SimulatePayment& command = operation.command.emplace<SimulatePayment>();
  command.order_id = *order_id;
  if (!command.gateway.assign(kSimulatedGatewayName)) std::terminate();
  command.transaction_id = simulated_transaction(context.random);
  command.approved = context.random.happens(simulated->success_rate);
  return Step::submit;
}

void show_payment(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  const Order& order = std::get<Order>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("msg").text("Payment succeeded");
  json.name("transaction_id")
      .text_or_null(order.transaction_id.view())
      .name("status")
      .text("paid")
      .end_object();
}

// With auto_callback the simulated gateway reports its payment itself, as soon as that is durable.
bool report_simulated_payment(Operation& operation, HandlerContext& context, Reply& reply) {
  const GatewaySettings* simulated = context.settings.simulated();
  if (simulated == nullptr || !simulated->auto_callback) return false;
  if (operation.outcome.code != OutcomeCode::payment_simulated) return false;
  const Order order = std::get<Order>(operation.outcome.shown);
  if (order.status != OrderStatus::paid) return false;
  show_payment(operation, context, reply);
  ReportPayment& report = operation.command.emplace<ReportPayment>();
  const std::string id = order.id.to_text();
  if (!report.reference.assign(id) || !report.key_id.assign(kAutomaticKey)) std::terminate();
  report.order_id = order.id;
  report.gateway = order.gateway;
  report.transaction_id = order.transaction_id;
  report.amount = order.amount;
  report.paid_at = order.paid_at;
  report.late_policy = context.policy.late_payment;
  report.currency = context.settings.orders.currency;
  report.exception_id = context.engine.fresh_exception_id(context.thread, order.id.shard());
  operation.evidence.clear();
  operation.evidence_headers.clear();
  JsonText json(operation.evidence);
  json.begin_object().name("order_id").text(id).name("transaction_id").text(order.transaction_id.view());
  json.name("amount").money(order.amount).name("status").text("success").end_object();
  report.evidence = operation.evidence;
  report.evidence_digest = digest_of(operation.evidence);
  return true;
}

}  // namespace recharge
