// What GatewayDesk does for requests: it starts payments, asks for them, and asks for bills.
#include <array>

#include "core/check.h"
#include "server/gateway_desk.h"
#include "server/json_text.h"
#include "server/log.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

GatewayRequest traced(GatewayRequest request, const PaymentDetails& caused_by) {
  if (!caused_by.traceparent.empty()) request.headers.emplace_back("traceparent", caused_by.traceparent);
  return request;
}

}  // namespace

bool GatewayDesk::pursue_payment(Operation& operation) {
  if (!operation.payment) return false;
  PaymentDetails& details = *operation.payment;
  if (std::holds_alternative<ReadOrder>(operation.command)) {
    if (operation.outcome.code != OutcomeCode::found) return false;
    const Order order = std::get<Order>(operation.outcome.shown);
    GatewayCaller* gateway = caller(order.gateway);
    details.problem = order.gateway.empty() ? "gateway: must be named"
                      : gateway == nullptr  ? "gateway: its payments are not started here"
                                            : "";
    if (gateway != nullptr && !details.method) details.method = gateway->usual_method();
    if (gateway != nullptr && !gateway->offers(*details.method))
      details.problem = "method: not of this gateway";
    if (!details.problem.empty()) return false;
    const Account only = std::get<ReadOrder>(operation.command).only_account;
    operation.command = StartPayment{order.id, order.gateway, *details.method, only};
    context_.engine.submit(context_.thread, operation);
    return true;
  }
  if (operation.outcome.code != OutcomeCode::payment_to_start) return false;
  begin_payment(operation);
  return true;
}

bool GatewayDesk::pursue_question(Operation& operation) {
  PaymentDetails& details = *operation.payment;
  if (!std::holds_alternative<ReadOrder>(operation.command) || operation.outcome.code != OutcomeCode::found ||
      !details.page.empty())
    return false;
  const Order order = std::get<Order>(operation.outcome.shown);
  GatewayCaller* gateway = caller(order.gateway);
  GatewayWork work;
  work.key = GatewayWorkKey::of_payment(order.id, PayMethod::qr);
  work.gateway = order.gateway;
  work.order_id = order.id;
  static_cast<void>(work.gateway_id.assign(details.transaction_id));
  details.problem = order.gateway.empty()      ? "The order has no gateway that could be asked"
                    : gateway == nullptr       ? "The order's gateway is not called from here"
                    : !gateway->can_name(work) ? "transaction_id: needed to ask this gateway"
                                               : "";
  if (!details.problem.empty()) return false;
  call(order.gateway, GatewayCall::query, gateway->query(work, now()),
       [this, gateway, order, &operation](const GatewayReply& reply) {
         const QueryAnswer answer = gateway->read_query(reply, order.id, now());
         on_question(operation, *gateway, order, answer, reply);
         return answer.kind;
       });
  payments_.emplace(last_number_, &operation);
  return true;
}

void GatewayDesk::on_question(Operation& operation, const GatewayCaller& gateway, const Order& order,
                              const QueryAnswer& answer, const GatewayReply& reply) {
  constexpr std::array<std::string_view, 5> kStates = {"not_found", "waiting", "paid", "closed", "refunded"};
  if (answer.kind != Kind::done) {
    operation.payment->page = answer.reason;
    return complete_payment(operation, answer.kind == Kind::refused ? OutcomeCode::payment_refused
                                                                    : OutcomeCode::gateway_unavailable);
  }
  operation.payment->page = kStates[static_cast<std::size_t>(answer.state)];
  if (answer.state != QueryAnswer::State::paid)
    return complete_payment(operation, OutcomeCode::nothing_to_do);
  fill_report(operation, order, gateway, answer, reply);
  context_.engine.submit(context_.thread, operation);
}

void GatewayDesk::ask_for_bill(Operation& operation, const GatewayName& name, const BillQuestion& question) {
  GatewayCaller* gateway = caller(name);
  RECHARGE_CHECK(gateway != nullptr);
  call(name, GatewayCall::bill, gateway->bill(question, now()),
       [this, gateway, &operation](const GatewayReply& reply) {
         const BillAnswer answer = gateway->read_bill(reply, now());
         operation.later_body.clear();
         if (answer.kind != Kind::done) {
           operation.later_body = answer.reason;
           complete_payment(operation, answer.kind == Kind::refused ? OutcomeCode::payment_refused
                                                                    : OutcomeCode::gateway_unavailable);
           return answer.kind;
         }
         JsonText json(operation.later_body);
         json.begin_object().name("code").integer(200).name("format").text(to_text(gateway->scheme()));
         json.name("url").text_or_null(answer.url).name("authorization").text_or_null(answer.authorization);
         json.name("sha1").text_or_null(answer.sha1).name("page").array_or_null(answer.page);
         json.name("next").text_or_null(answer.next).end_object();
         complete_payment(operation, OutcomeCode::found);
         return answer.kind;
       });
  payments_.emplace(last_number_, &operation);
}

void GatewayDesk::begin_payment(Operation& operation) {
  const auto shown = std::get<GatewayWorkAndOrder>(operation.outcome.shown);
  GatewayCaller* gateway = caller(shown.work.gateway);
  if (gateway == nullptr) return complete_payment(operation, OutcomeCode::gateway_unavailable);
  PaymentStart payment = payment_of(*shown.order);
  payment.return_url = operation.payment->return_url;
  payment.client_ip = operation.payment->client_ip;
  const PayMethod method = shown.work.key.method;
  if (auto page = gateway->page(payment, method, shown.work.started_at)) {
    operation.payment->page = std::move(*page);
    return complete_payment(operation, OutcomeCode::payment_started);
  }
  const Order order = *shown.order;
  call(order.gateway, GatewayCall::start, traced(gateway->start(payment, method, now()), *operation.payment),
       [this, gateway, order, method, &operation](const GatewayReply& reply) {
         const auto answer = gateway->read_start(reply, order.id, method, now());
         on_started(operation, *gateway, order, method, answer);
         return answer.kind;
       });
  payments_.emplace(last_number_, &operation);
}

void GatewayDesk::on_started(Operation& operation, const GatewayCaller& gateway, const Order& order,
                             PayMethod method, const GatewayCaller::Started& answer) {
  if (answer.kind == Kind::refused) {
    log_warning("gateway " + std::string(order.gateway.view()) +
                " refused to start a payment: " + answer.reason);
    hurry(order.id);  // it may be because it is paid already
    return complete_payment(operation, OutcomeCode::payment_refused);
  }
  NotePaymentStart command;
  command.order_id = order.id;
  command.method = method;
  if (answer.kind != Kind::done || !command.pay_text.assign(answer.pay_text)) {
    log_warning("gateway " + std::string(order.gateway.view()) + " did not start a payment: " +
                (answer.reason.empty() ? "its answer is too long" : answer.reason));
    return complete_payment(operation, OutcomeCode::gateway_unavailable);
  }
  command.pay_text_until = gateway.shown_until(method, now(), order.expires_at);
  command.gateway_id = answer.transaction_id;
  operation.command = command;
  context_.engine.submit(context_.thread, operation);
}

void GatewayDesk::complete_payment(Operation& operation, OutcomeCode code) {
  operation.outcome.code = code;
  operation.complete(operation);
}

}  // namespace recharge
