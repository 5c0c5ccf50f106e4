#include "core/wechat_calls.h"

#include "core/check.h"
#include "core/form_fields.h"
#include "core/json_members.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

constexpr std::string_view kOrders = "/v3/pay/transactions/out-trade-no/";
constexpr std::string_view kRefunds = "/v3/refund/domestic/refunds";

void set(CallAnswer& answer, Kind kind, std::string_view reason) {
  answer.kind = kind;
  answer.reason = reason;
}

JsonMembers amount_of(const char* name, Money amount) {
  JsonMembers members;
  members.number(name, amount.minor_units()).text("currency", "CNY");
  return members;
}

// Nobody but the server itself can have made it: 5xx, 429 and what stands between say nothing of the call.
bool is_refusal(unsigned status) noexcept { return status >= 400 && status < 500 && status != 429; }

}  // namespace

WechatCalls::WechatCalls(const WechatCaller& caller) : caller_(caller), verifier_(caller.wechat_keys) {}

GatewayRequest WechatCalls::sign(std::string_view method, const std::string& path, std::string body, Time now,
                                 std::string_view nonce) const {
  const std::string timestamp = std::to_string(now.ms / 1000);
  std::string text(method);
  text.append("\n").append(path).append("\n").append(timestamp).append("\n");
  text.append(nonce).append("\n").append(body).append("\n");
  const auto signature = caller_.key.sign(text);
  RECHARGE_CHECK(signature.has_value());
  std::string authorization = "WECHATPAY2-SHA256-RSA2048 mchid=\"" + caller_.mchid + "\",nonce_str=\"";
  authorization.append(nonce).append("\",signature=\"").append(*signature);
  authorization.append("\",timestamp=\"").append(timestamp);
  authorization.append("\",serial_no=\"").append(caller_.serial_no).append("\"");
  GatewayRequest request;
  request.method = method;
  request.url = caller_.base_url + path;
  request.headers = {{"Authorization", std::move(authorization)},
                     {"Accept", "application/json"},
                     {"Content-Type", "application/json"},
                     {"User-Agent", "recharged"}};
  // Which of their keys the answer is to be signed with.
  if (!caller_.wechat_keys.empty())
    request.headers.emplace_back("Wechatpay-Serial", caller_.wechat_keys.front().id);
  request.body = std::move(body);
  return request;
}

GatewayRequest WechatCalls::start(const PaymentStart& payment, PayMethod method, Time now,
                                  std::string_view nonce) const {
  JsonMembers body;
  body.text("appid", caller_.appid).text("mchid", caller_.mchid);
  body.text("description", payment.subject.empty() ? "Top-up" : payment.subject);
  body.text("out_trade_no", payment.order_id.to_hex()).text("notify_url", caller_.notify_url);
  body.text("time_expire", to_rfc3339(Time{payment.expires_at.ms / 1000 * 1000}).substr(0, 19) + "+00:00");
  body.object("amount", amount_of("total", payment.amount));
  if (method == PayMethod::qr) return sign("POST", "/v3/pay/transactions/native", body.str(), now, nonce);
  JsonMembers page, scene;
  page.text("type", "Wap");
  scene.text("payer_client_ip", payment.client_ip).object("h5_info", page);
  body.object("scene_info", scene);
  return sign("POST", "/v3/pay/transactions/h5", body.str(), now, nonce);
}

GatewayRequest WechatCalls::query(const OrderId& order_id, Time now, std::string_view nonce) const {
  std::string query;
  append_form_field(query, "mchid", caller_.mchid);
  return sign("GET", std::string(kOrders) + order_id.to_hex() + "?" + query, "", now, nonce);
}

GatewayRequest WechatCalls::close(const OrderId& order_id, Time now, std::string_view nonce) const {
  JsonMembers body;
  body.text("mchid", caller_.mchid);
  return sign("POST", std::string(kOrders) + order_id.to_hex() + "/close", body.str(), now, nonce);
}

GatewayRequest WechatCalls::refund(const RefundStart& refund, Time now, std::string_view nonce) const {
  JsonMembers amount, body;
  amount.number("refund", refund.amount.minor_units()).number("total", refund.total.minor_units());
  amount.text("currency", "CNY");
  if (refund.order_id.is_nil()) {
    body.text("transaction_id", refund.transaction_id);
  } else {
    body.text("out_trade_no", refund.order_id.to_hex());
  }
  body.text("out_refund_no", refund_number(refund.order_id, refund.refund_id));
  body.object("amount", amount);
  if (!caller_.notify_url.empty()) body.text("notify_url", caller_.notify_url);
  return sign("POST", std::string(kRefunds), body.str(), now, nonce);
}

GatewayRequest WechatCalls::query_refund(const RefundStart& refund, Time now, std::string_view nonce) const {
  const std::string path = std::string(kRefunds) + "/" + refund_number(refund.order_id, refund.refund_id);
  return sign("GET", path, "", now, nonce);
}

GatewayRequest WechatCalls::bill(const BillQuestion& question, Time now, std::string_view nonce) const {
  std::string query;
  append_form_field(query, "bill_date", question.date);
  append_form_field(query, "bill_type", "ALL");
  append_form_field(query, "tar_type", "GZIP");
  return sign("GET", "/v3/bill/tradebill?" + query, "", now, nonce);
}

// Failures need no signature: they only say that this call did nothing, and never that something was paid.
std::optional<JsonObject> WechatCalls::open(const GatewayReply& reply, Time now, CallAnswer& answer) {
  const bool good = reply.status >= 200 && reply.status < 300;
  set(answer, Kind::unknown, "status " + std::to_string(reply.status));
  if (!good && !is_refusal(reply.status)) return std::nullopt;
  if (good) {
    if (const auto proof = verifier_.verify({reply.header_lines, reply.body}, now); !proof) {
      set(answer, Kind::unknown, to_text(proof.error()));
      return std::nullopt;
    }
    if (reply.body.empty()) {
      set(answer, Kind::done, "");
      return JsonObject();
    }
  }
  const auto object = outer_.read_copy(reply.body, Nested::allow);
  if (!object) {
    set(answer, Kind::unknown, "malformed");
    return std::nullopt;
  }
  if (good) {
    set(answer, Kind::done, "");
    return *object;
  }
  const std::string_view code = read_text(*object, "code");
  set(answer, code.empty() ? Kind::unknown : Kind::refused, code.empty() ? "malformed" : code);
  return std::nullopt;
}

StartAnswer WechatCalls::read_start(const GatewayReply& reply, PayMethod method, std::string_view return_url,
                                    Time now) {
  StartAnswer answer;
  const auto object = open(reply, now, answer);
  if (!object) return answer;
  answer.pay_text = read_text(*object, method == PayMethod::qr ? "code_url" : "h5_url");
  if (answer.pay_text.empty()) set(answer, Kind::unknown, "malformed");
  if (answer.kind == Kind::done && method == PayMethod::h5 && !return_url.empty())
    append_form_field(answer.pay_text, "redirect_url", return_url);
  return answer;
}

QueryAnswer WechatCalls::read_query(const GatewayReply& reply, const OrderId& order_id, Time now) {
  QueryAnswer answer;
  const auto object = open(reply, now, answer);
  if (answer.kind == Kind::refused && reply.status == 404 &&
      (answer.reason == "ORDER_NOT_EXIST" || answer.reason == "ORDERNOTEXIST")) {
    answer.kind = Kind::done;
    answer.state = QueryAnswer::State::not_found;
  }
  if (!object) return answer;
  if (read_text(*object, "mchid") != caller_.mchid || read_text(*object, "appid") != caller_.appid ||
      read_text(*object, "out_trade_no") != order_id.to_hex()) {
    set(answer, Kind::unknown, "of another order");
    return answer;
  }
  const std::string_view state = read_text(*object, "trade_state");
  if (state == "NOTPAY" || state == "USERPAYING") return answer;
  if (state == "CLOSED" || state == "REVOKED" || state == "PAYERROR") {
    answer.state = QueryAnswer::State::closed;
    return answer;
  }
  const auto amount = object->object("amount");
  const auto total = amount ? read_minor_units(*amount, "total") : std::nullopt;
  const auto transaction = make_transaction_id(read_text(*object, "transaction_id"));
  if ((state != "SUCCESS" && state != "REFUND") || !total || !transaction ||
      read_text(*amount, "currency") != "CNY") {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  answer.state = state == "SUCCESS" ? QueryAnswer::State::paid : QueryAnswer::State::refunded;
  answer.amount = *total;
  answer.transaction_id = *transaction;
  if (const auto time = parse_rfc3339(read_text(*object, "success_time"))) answer.paid_at = *time;
  return answer;
}

CallAnswer WechatCalls::read_close(const GatewayReply& reply, Time now) {
  CallAnswer answer;
  open(reply, now, answer);
  return answer;
}

RefundAnswer WechatCalls::read_refund(const GatewayReply& reply, const RefundStart& refund, Time now) {
  RefundAnswer answer;
  const auto object = open(reply, now, answer);
  if (answer.kind == Kind::refused && reply.status == 404 && answer.reason == "RESOURCE_NOT_EXISTS") {
    answer.kind = Kind::done;
    answer.state = RefundAnswer::State::not_found;
  }
  if (!object) return answer;
  const std::string_view status = read_text(*object, "status");
  if (read_text(*object, "out_refund_no") != refund_number(refund.order_id, refund.refund_id)) {
    set(answer, Kind::unknown, "of another refund");
  } else if (status == "SUCCESS") {
    answer.state = RefundAnswer::State::succeeded;
  } else if (status == "CLOSED" || status == "ABNORMAL") {
    answer.state = RefundAnswer::State::failed;
  } else if (status != "PROCESSING") {
    set(answer, Kind::unknown, "malformed");
  }
  return answer;
}

BillAnswer WechatCalls::read_bill(const GatewayReply& reply, Time now, std::string_view nonce) {
  BillAnswer answer;
  const auto object = open(reply, now, answer);
  if (!object) return answer;
  const std::string_view url = read_text(*object, "download_url");
  answer.sha1 = read_text(*object, "hash_value");
  const bool known_hash = read_text(*object, "hash_type") == "SHA1" && answer.sha1.size() == 40;
  // What we sign goes nowhere else.
  if (!known_hash || !url.starts_with(caller_.base_url + "/")) {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  answer.url = url;
  const GatewayRequest fetch = sign("GET", std::string(url.substr(caller_.base_url.size())), "", now, nonce);
  answer.authorization = fetch.headers.front().second;
  return answer;
}

}  // namespace recharge
