// POST /api/pay
#include <cstdio>

#include "server/body_fields.h"
#include "server/gateway_desk.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/net_address.h"
#include "server/outcome_reply.h"
#include "server/payment_report.h"

namespace recharge {
namespace {

constexpr std::string_view kAutomaticKey = "auto";
constexpr std::size_t kMaxReturnUrl = 512;

TransactionId simulated_transaction(RandomSource& random) {
  char text[35] = {'S', 'I', 'M'};
  random.write_hex(text + 3);
  random.write_hex(text + 19);
  TransactionId id;
  if (!id.assign({text, sizeof text})) std::terminate();
  return id;
}

std::string_view name_of(PayMethod method) noexcept {
  switch (method) {
    case PayMethod::qr:
      return "qr_code";
    case PayMethod::h5:
      return "pay_url";
    case PayMethod::intent:
      break;
  }
  return "client_secret";
}

// What a browser may be sent to, or nothing.
bool is_page(std::string_view url) noexcept {
  const bool page = url.starts_with("https://") || url.starts_with("http://");
  return page && url.find_first_of("\"'<>\\ ") == std::string_view::npos;
}

Step begin_simulated(const OrderId& order_id, HandlerContext& context, Operation& operation) {
  SimulatePayment& command = operation.command.emplace<SimulatePayment>();
  command.order_id = order_id;
  if (!command.gateway.assign(kSimulatedGatewayName)) std::terminate();
  command.transaction_id = simulated_transaction(context.random);
  command.approved = context.random.happens(context.settings.simulated()->success_rate);
  return Step::submit;
}

// The order is looked at first where it alone may know its gateway.
Step begin_at_gateway(const OrderId& order_id, std::string_view named, BodyFields& fields,
                      HandlerContext& context, Operation& operation) {
  PaymentDetails& details = *operation.payment;
  GatewayName gateway;
  if (!gateway.assign(named)) std::terminate();
  if (const GatewayName* only = context.gateways->only_gateway(); named.empty() && only != nullptr)
    gateway = *only;
  if (gateway.empty()) {
    operation.command.emplace<ReadOrder>().order_id = order_id;
    return Step::submit;
  }
  const GatewayCaller* caller = context.gateways->caller(gateway);
  if (caller == nullptr) {
    fields.fail("gateway", "its payments are not started here");
    return Step::reply;
  }
  if (!details.method) details.method = caller->usual_method();
  if (!caller->offers(*details.method)) {
    fields.fail("method", "not of this gateway");
    return Step::reply;
  }
  StartPayment& command = operation.command.emplace<StartPayment>();
  command.order_id = order_id;
  command.gateway = gateway;
  command.method = *details.method;
  return Step::submit;
}

}  // namespace

Step pay(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
         Reply& reply) {
  operation.payment.reset();
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view order = fields.text("order_id", true);
  const std::string_view gateway = fields.text("gateway", false);
  const std::string_view method = fields.text("method", false);
  if (!method.empty() && method != "qr" && method != "h5") fields.fail("method", "must be qr or h5");
  const std::string_view client_ip = fields.text("client_ip", false);
  if (!client_ip.empty() && !parse_net_address(client_ip)) fields.fail("client_ip", "not an IP address");
  const std::string_view return_url = fields.text("return_url", false);
  if (!return_url.empty() && (!is_page(return_url) || return_url.size() > kMaxReturnUrl))
    fields.fail("return_url", "must be a URL of http or https of at most 512 characters");
  if (!is_known_gateway(context.settings, gateway)) fields.fail("gateway", "not configured");
  const bool simulated = context.settings.simulated() != nullptr;
  const bool at_gateway =
      context.gateways != nullptr && context.gateways->calls_any() && gateway != kSimulatedGatewayName;
  if (!at_gateway && (!simulated || (!gateway.empty() && gateway != kSimulatedGatewayName)))
    fields.fail("gateway", "its payments are not started here");
  if (!fields.ok()) return Step::reply;
  const auto order_id = OrderId::parse(order);
  if (!order_id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  if (!at_gateway) return begin_simulated(*order_id, context, operation);
  operation.payment = std::make_unique<PaymentDetails>();
  if (!method.empty()) operation.payment->method = method == "qr" ? PayMethod::qr : PayMethod::h5;
  operation.payment->return_url = return_url;
  operation.payment->client_ip = client_ip;
  operation.payment->traceparent = context.trace.child(context.random);
  return begin_at_gateway(*order_id, gateway, fields, context, operation);
}

bool pursue_payment(Operation& operation, HandlerContext& context) {
  return context.gateways != nullptr && context.gateways->pursue_payment(operation);
}

void show_payment(const Operation& operation, HandlerContext& context, Reply& reply) {
  if (operation.payment && !operation.payment->problem.empty())
    return reply.invalid_request(operation.payment->problem);
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  if (!operation.payment) {
    const Order& order = std::get<Order>(operation.outcome.shown);
    json.begin_object().name("code").integer(200).name("msg").text("Payment succeeded");
    json.name("transaction_id").text_or_null(order.transaction_id.view());
    json.name("status").text("paid").end_object();
    return;
  }
  const auto& started = std::get<GatewayWorkAndOrder>(operation.outcome.shown);
  const GatewayWork& work = started.work;
  const std::optional<Order>& order = started.order;
  const GatewayCaller* caller = context.gateways->caller(work.gateway);
  const std::string& page = operation.payment->page;
  const std::string shown =
      page.empty() && caller != nullptr
          ? caller->shown_text(work.pay_text.view(), work.key.method, operation.payment->return_url)
          : page;
  const Time until = page.empty() ? work.pay_text_until : order->expires_at;
  json.begin_object().name("code").integer(200).name("status").text(to_text(order->status));
  json.name("gateway").text(work.gateway.view());
  json.name(name_of(work.key.method)).text(shown).name("expires_at").time(until).end_object();
}

// With auto_callback the simulated gateway reports its payment itself, as soon as that is durable.
bool report_simulated_payment(Operation& operation, HandlerContext& context, Reply& reply) {
  if (operation.payment) return false;
  const GatewaySettings* simulated = context.settings.simulated();
  if (simulated == nullptr || !simulated->auto_callback) return false;
  if (operation.outcome.code != OutcomeCode::payment_simulated) return false;
  const Order order = std::get<Order>(operation.outcome.shown);
  if (order.status != OrderStatus::paid) return false;
  show_payment(operation, context, reply);
  const std::string id = order.id.to_text();
  ReportPayment& report = begin_report(id, order.transaction_id.view(), kAutomaticKey, context, operation);
  report.gateway = order.gateway;
  report.amount = order.amount;
  report.paid_at = order.paid_at;
  operation.evidence.clear();
  operation.evidence_headers.clear();
  JsonText json(operation.evidence);
  json.begin_object().name("order_id").text(id).name("transaction_id").text(order.transaction_id.view());
  json.name("amount").money(order.amount).name("status").text("success").end_object();
  attach_evidence(operation);
  return true;
}

}  // namespace recharge
