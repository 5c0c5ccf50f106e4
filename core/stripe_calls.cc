#include "core/stripe_calls.h"

#include <algorithm>

#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/json_array.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

void set(CallAnswer& answer, Kind kind, std::string_view reason) {
  answer.kind = kind;
  answer.reason = reason;
}

std::string lower_code(Currency currency) {
  std::string code(currency_code(currency));
  std::transform(code.begin(), code.end(), code.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  return code;
}

}  // namespace

// The key of idempotency is made of the order or the refund: a repeat is the same call, and is done once.
GatewayRequest StripeCalls::call(std::string_view method, const std::string& path, std::string body,
                                 std::string idempotency_key) const {
  GatewayRequest request;
  request.method = method;
  request.url = caller_.base_url + path;
  request.headers = {{"Authorization", "Bearer " + std::string(caller_.secret_key.reveal())},
                     {"Stripe-Version", std::string(kVersion)}};
  if (!body.empty()) request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  if (!idempotency_key.empty()) request.headers.emplace_back("Idempotency-Key", std::move(idempotency_key));
  request.body = std::move(body);
  return request;
}

GatewayRequest StripeCalls::start(const PaymentStart& payment) const {
  std::string body;
  append_form_field(body, "amount", std::to_string(payment.amount.minor_units()));
  append_form_field(body, "currency", lower_code(caller_.currency));
  append_form_field(body, "metadata[order_id]", payment.order_id.to_text());
  append_form_field(body, "automatic_payment_methods[enabled]", "true");
  if (!payment.subject.empty()) append_form_field(body, "description", payment.subject);
  return call("POST", "/v1/payment_intents", std::move(body), "pi-" + payment.order_id.to_text());
}

GatewayRequest StripeCalls::query(std::string_view intent) const {
  return call("GET", "/v1/payment_intents/" + std::string(intent), "", "");
}

GatewayRequest StripeCalls::cancel(std::string_view intent) const {
  return call("POST", "/v1/payment_intents/" + std::string(intent) + "/cancel", "", "");
}

GatewayRequest StripeCalls::refund(const RefundStart& refund) const {
  const std::string number = refund_number(refund.order_id, refund.refund_id);
  std::string body;
  append_form_field(body, "payment_intent", refund.transaction_id);
  append_form_field(body, "amount", std::to_string(refund.amount.minor_units()));
  append_form_field(body, "metadata[refund]", number);
  return call("POST", "/v1/refunds", std::move(body), "rf-" + number);
}

GatewayRequest StripeCalls::query_refund(const RefundStart& refund) const {
  std::string query;
  append_form_field(query, "payment_intent", refund.transaction_id);
  append_form_field(query, "limit", "100");
  return call("GET", "/v1/refunds?" + query, "", "");
}

GatewayRequest StripeCalls::bill(const BillQuestion& question) const {
  std::string query;
  append_form_field(query, "created[gte]", std::to_string(question.from.ms / 1000));
  append_form_field(query, "created[lt]", std::to_string(question.until.ms / 1000));
  append_form_field(query, "expand[]", "data.source");
  append_form_field(query, "limit", "100");
  if (!question.after.empty()) append_form_field(query, "starting_after", question.after);
  return call("GET", "/v1/balance_transactions?" + query, "", "");
}

std::optional<JsonObject> StripeCalls::open(const GatewayReply& reply, CallAnswer& answer) {
  set(answer, Kind::unknown, "status " + std::to_string(reply.status));
  const bool refused =
      reply.status >= 400 && reply.status < 500 && reply.status != 409 && reply.status != 429;
  if (reply.status != 200 && !refused) return std::nullopt;
  const auto object = outer_.read_copy(reply.body, Nested::allow);
  if (!object) {
    set(answer, Kind::unknown, "malformed");
    return std::nullopt;
  }
  if (reply.status == 200) {
    set(answer, Kind::done, "");
    return *object;
  }
  const auto inner = object->object("error");
  if (!inner) {
    set(answer, Kind::unknown, "malformed");
    return std::nullopt;
  }
  const std::string_view code = read_text(*inner, "code");
  set(answer, Kind::refused, code.empty() ? read_text(*inner, "type") : code);
  return std::nullopt;
}

bool StripeCalls::is_of(const JsonObject& intent, const OrderId& order_id, CallAnswer& answer) {
  set(answer, Kind::unknown, "of another order");
  const JsonMember* livemode = intent.find("livemode");
  const JsonType mode = caller_.livemode ? JsonType::boolean_true : JsonType::boolean_false;
  if (read_text(intent, "object") != "payment_intent" || livemode == nullptr || livemode->type != mode)
    return false;
  const auto metadata = intent.object("metadata");
  if (!metadata) return false;
  const auto id = OrderId::parse(read_text(*metadata, "order_id"));
  if (!id || *id != order_id) return false;
  set(answer, Kind::done, "");
  return true;
}

StripeCalls::Started StripeCalls::read_start(const GatewayReply& reply, const OrderId& order_id) {
  Started answer;
  const auto intent = open(reply, answer);
  if (!intent || !is_of(*intent, order_id, answer)) return answer;
  const auto id = make_transaction_id(read_text(*intent, "id"));
  answer.pay_text = read_text(*intent, "client_secret");
  if (!id || answer.pay_text.empty()) {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  answer.transaction_id = *id;
  return answer;
}

QueryAnswer StripeCalls::read_query(const GatewayReply& reply, const OrderId& order_id) {
  QueryAnswer answer;
  const auto intent = open(reply, answer);
  if (answer.kind == Kind::refused && reply.status == 404) {
    answer.kind = Kind::done;
    answer.state = QueryAnswer::State::not_found;
  }
  if (!intent || !is_of(*intent, order_id, answer)) return answer;
  const std::string_view status = read_text(*intent, "status");
  if (status == "canceled") answer.state = QueryAnswer::State::closed;
  if (status != "succeeded") return answer;
  const auto currency = read_currency(read_text(*intent, "currency"));
  const auto amount = read_minor_units(*intent, "amount_received");
  const auto id = make_transaction_id(read_text(*intent, "id"));
  if (!currency || *currency != caller_.currency || !amount || !id) {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  answer.state = QueryAnswer::State::paid;
  answer.amount = *amount;
  answer.transaction_id = *id;
  return answer;
}

RefundAnswer StripeCalls::read_refund(const GatewayReply& reply, const RefundStart& refund) {
  RefundAnswer answer;
  if (const auto object = open(reply, answer)) read_refund_object(*object, refund, answer);
  return answer;
}

void StripeCalls::read_refund_object(const JsonObject& object, const RefundStart& refund,
                                     RefundAnswer& answer) {
  const auto amount = read_minor_units(object, "amount");
  if (read_text(object, "object") != "refund" ||
      read_text(object, "payment_intent") != refund.transaction_id || !amount || *amount != refund.amount) {
    set(answer, Kind::unknown, "of another refund");
    return;
  }
  const std::string_view status = read_text(object, "status");
  if (status == "succeeded") {
    answer.state = RefundAnswer::State::succeeded;
  } else if (status == "failed" || status == "canceled") {
    answer.state = RefundAnswer::State::failed;
  } else if (status != "pending" && status != "requires_action") {
    set(answer, Kind::unknown, "malformed");
  }
}

// Ours has its number in the metadata, which nobody else writes.
RefundAnswer StripeCalls::read_query_refund(const GatewayReply& reply, const RefundStart& refund) {
  RefundAnswer answer;
  const auto list = open(reply, answer);
  if (!list) return answer;
  const JsonMember* data = list->find("data");
  const JsonMember* more = list->find("has_more");
  if (read_text(*list, "object") != "list" || data == nullptr || data->type != JsonType::nested ||
      !data->text.starts_with('[') || more == nullptr) {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  const std::string number = refund_number(refund.order_id, refund.refund_id);
  for (const std::string_view element : json_array_objects(data->text)) {
    const auto object = inner_.read_copy(element, Nested::allow);
    const auto metadata = object ? object->object("metadata") : std::nullopt;
    if (!metadata || read_text(*metadata, "refund") != number) continue;
    read_refund_object(*object, refund, answer);
    return answer;
  }
  answer.state = RefundAnswer::State::not_found;
  if (more->type != JsonType::boolean_false) set(answer, Kind::unknown, "more refunds than are listed");
  return answer;
}

BillAnswer StripeCalls::read_bill(const GatewayReply& reply) {
  BillAnswer answer;
  const auto list = open(reply, answer);
  if (!list) return answer;
  const JsonMember* data = list->find("data");
  const JsonMember* more = list->find("has_more");
  set(answer, Kind::unknown, "malformed");
  if (read_text(*list, "object") != "list" || data == nullptr || data->type != JsonType::nested ||
      !data->text.starts_with('[') || more == nullptr)
    return answer;
  if (more->type == JsonType::boolean_true) {
    const auto objects = json_array_objects(data->text);
    const auto last = objects.empty() ? Result<JsonObject>(Errc::not_found)
                                      : inner_.read_copy(objects.back(), Nested::allow);
    if (last) answer.next = read_text(*last, "id");
    if (answer.next.empty()) return answer;
  }
  answer.page = data->text;
  set(answer, Kind::done, "");
  return answer;
}

}  // namespace recharge
