// GET /api/gateways/{gateway}/bill, POST /api/orders/{order_id}/query: what gateways know, for operators.
#include <algorithm>

#include "server/audit.h"
#include "server/body_fields.h"
#include "server/gateway_desk.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/outcome_reply.h"
#include "server/percent.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxCursorBytes = 64;

bool is_date(std::string_view text) noexcept {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

bool is_cursor(std::string_view text) noexcept {
  return text.size() <= kMaxCursorBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// Nothing where the reply says why.
std::optional<BillQuestion> read_question(std::string_view query, Reply& reply) {
  BillQuestion question;
  const QueryValue date = query_value(query, "date");
  const QueryValue from = query_value(query, "from");
  const QueryValue until = query_value(query, "until");
  const QueryValue after = query_value(query, "after");
  if (date.malformed || !is_date(date.text)) {
    reply.invalid_request("date: must be YYYY-MM-DD");
    return std::nullopt;
  }
  const auto begin = parse_rfc3339(from.text);
  const auto end = parse_rfc3339(until.text);
  if (from.malformed || until.malformed || !begin || !end || !(*begin < *end)) {
    reply.invalid_request("from, until: must be two times in their order");
    return std::nullopt;
  }
  if (after.malformed || !is_cursor(after.text)) {
    reply.invalid_request("after: not one of this list");
    return std::nullopt;
  }
  return BillQuestion{std::string(date.text), *begin, *end, std::string(after.text)};
}

void refuse_as_gateway(OutcomeCode code, std::string_view reason, Reply& reply) {
  if (code == OutcomeCode::payment_refused)
    return reply.fail(409, "gateway_refused", std::string("The gateway refused: ").append(reason));
  Outcome outcome;
  outcome.code = code;
  static_cast<void>(refuse(outcome, reply));
}

}  // namespace

Step read_bill(const Request& request, std::string_view gateway, HandlerContext& context,
               Operation& operation, Reply& reply) {
  GatewayName name;
  if (!name.assign(gateway) || context.gateways == nullptr || context.gateways->caller(name) == nullptr) {
    reply.fail(404, "not_found", "No such gateway is called from here");
    return Step::reply;
  }
  const auto question = read_question(request.query, reply);
  if (!question) return Step::reply;
  audit_operator(context, "read_bill", gateway);
  context.gateways->ask_for_bill(operation, name, *question);
  return Step::later;
}

void show_bill(const Operation& operation, HandlerContext&, Reply& reply) {
  if (operation.outcome.code != OutcomeCode::found)
    return refuse_as_gateway(operation.outcome.code, operation.later_body, reply);
  reply.body = operation.later_body;
}

Step ask_gateway(const Request& request, std::string_view order, HandlerContext& context,
                 Operation& operation, Reply& reply) {
  const auto id = OrderId::parse(order);
  if (!id) {
    reply.fail(404, "order_not_found", "Order not found");
    return Step::reply;
  }
  BodyFields fields(request.body, BodyFields::Empty::allow, context, reply);
  const std::string_view text = fields.ok() ? fields.text("transaction_id", false) : std::string_view();
  if (!text.empty() && !is_cursor(text)) fields.fail("transaction_id", "not one of a gateway");
  if (!fields.ok()) return Step::reply;
  operation.payment = std::make_unique<PaymentDetails>();
  operation.payment->transaction_id = text;
  operation.command.emplace<ReadOrder>().order_id = *id;
  audit_operator(context, "ask_gateway", order);
  return Step::submit;
}

bool pursue_question(Operation& operation, HandlerContext& context) {
  if (context.gateways != nullptr) return context.gateways->pursue_question(operation);
  operation.payment->problem = "The order's gateway is not called from here";
  return false;
}

void show_answer(const Operation& operation, HandlerContext&, Reply& reply) {
  const PaymentDetails& details = *operation.payment;
  if (!details.problem.empty()) return reply.fail(409, "invalid_state", details.problem);
  const OutcomeCode code = operation.outcome.code;
  const bool told = code == OutcomeCode::recharge_succeeded || code == OutcomeCode::already_processed ||
                    code == OutcomeCode::kept_for_review || code == OutcomeCode::nothing_to_do;
  if (!told) return refuse_as_gateway(code, details.page, reply);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("state").text(details.page).name("outcome");
  json.text_or_null(code == OutcomeCode::nothing_to_do ? std::string_view() : slug(code)).end_object();
}

}  // namespace recharge
