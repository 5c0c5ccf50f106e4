#include "core/alipay_calls.h"

#include <algorithm>

#include "core/beijing_time.h"
#include "core/check.h"
#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/json_members.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

constexpr std::string_view kPrecreate = "alipay.trade.precreate";
constexpr std::string_view kPayPage = "alipay.trade.wap.pay";
constexpr std::string_view kQuery = "alipay.trade.query";
constexpr std::string_view kClose = "alipay.trade.close";
constexpr std::string_view kRefund = "alipay.trade.refund";
constexpr std::string_view kQueryRefund = "alipay.trade.fastpay.refund.query";
constexpr std::string_view kBill = "alipay.data.dataservice.bill.downloadurl.query";
constexpr std::string_view kDone = "10000";
constexpr std::string_view kUnknown = "20000";
constexpr std::string_view kNoTrade = "ACQ.TRADE_NOT_EXIST";

// A failure of theirs, after which nobody knows what was done.
bool is_their_failure(std::string_view code, std::string_view sub_code) noexcept {
  return code == kUnknown || sub_code.ends_with("SYSTEM_ERROR") || sub_code.starts_with("isp.") ||
         sub_code.starts_with("aop.");
}

void set(CallAnswer& answer, Kind kind, std::string_view reason) {
  answer.kind = kind;
  answer.reason = reason;
}

JsonMembers payment_content(const PaymentStart& payment) {
  JsonMembers content;
  content.text("out_trade_no", payment.order_id.to_hex()).text("total_amount", to_text(payment.amount));
  content.text("subject", payment.subject.empty() ? "Top-up" : payment.subject);
  content.text("time_expire", to_beijing_time(payment.expires_at));
  return content;
}

std::string order_content(const OrderId& order_id) {
  return JsonMembers().text("out_trade_no", order_id.to_hex()).str();
}

JsonMembers payment_of(const RefundStart& refund) {
  JsonMembers content;
  if (refund.order_id.is_nil()) {
    content.text("trade_no", refund.transaction_id);
  } else {
    content.text("out_trade_no", refund.order_id.to_hex());
  }
  return content;
}

}  // namespace

AlipayCalls::AlipayCalls(const AlipayCaller& caller) : caller_(caller) {
  for (const RsaPublicKey& key : caller.alipay_keys) verifiers_.emplace_back(key);
}

// All parameters that are not empty are signed, sign_type too, in the order of their names.
std::string AlipayCalls::signed_url(std::string_view method, const std::string& content, Parameters more,
                                    Time now, bool content_in_url) const {
  Parameters parameters = std::move(more);
  parameters.insert(parameters.end(), {{"app_id", caller_.app_id},
                                       {"method", std::string(method)},
                                       {"format", "JSON"},
                                       {"charset", "utf-8"},
                                       {"sign_type", "RSA2"},
                                       {"timestamp", to_beijing_time(now)},
                                       {"version", "1.0"},
                                       {"biz_content", content}});
  std::erase_if(parameters, [](const auto& parameter) { return parameter.second.empty(); });
  std::sort(parameters.begin(), parameters.end());
  std::string text, query;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text.push_back('&');
    text.append(name).append("=").append(value);
    if (content_in_url || name != "biz_content") append_form_field(query, name, value);
  }
  const auto signature = caller_.key.sign(text);
  RECHARGE_CHECK(signature.has_value());
  append_form_field(query, "sign", *signature);
  return caller_.base_url + "?" + query;
}

GatewayRequest AlipayCalls::call(std::string_view method, const std::string& content, Parameters more,
                                 Time now) const {
  GatewayRequest request;
  request.method = "POST";
  request.url = signed_url(method, content, std::move(more), now, false);
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                     {"Accept", "application/json"}};
  append_form_field(request.body, "biz_content", content);
  return request;
}

GatewayRequest AlipayCalls::precreate(const PaymentStart& payment, Time now) const {
  JsonMembers content = payment_content(payment);
  content.text("seller_id", caller_.seller_id);
  return call(kPrecreate, content.str(), {{"notify_url", caller_.notify_url}}, now);
}

std::string AlipayCalls::pay_page(const PaymentStart& payment, Time now) const {
  JsonMembers content = payment_content(payment);
  content.text("seller_id", caller_.seller_id).text("product_code", "QUICK_WAP_WAY");
  if (!payment.return_url.empty()) content.text("quit_url", payment.return_url);
  return signed_url(kPayPage, content.str(),
                    {{"notify_url", caller_.notify_url}, {"return_url", std::string(payment.return_url)}},
                    now, true);
}

GatewayRequest AlipayCalls::query(const OrderId& order_id, Time now) const {
  return call(kQuery, order_content(order_id), {}, now);
}

GatewayRequest AlipayCalls::close(const OrderId& order_id, Time now) const {
  return call(kClose, order_content(order_id), {}, now);
}

GatewayRequest AlipayCalls::refund(const RefundStart& refund, Time now) const {
  JsonMembers content = payment_of(refund);
  content.text("refund_amount", to_text(refund.amount));
  content.text("out_request_no", refund_number(refund.order_id, refund.refund_id));
  return call(kRefund, content.str(), {}, now);
}

GatewayRequest AlipayCalls::query_refund(const RefundStart& refund, Time now) const {
  JsonMembers content = payment_of(refund);
  content.text("out_request_no", refund_number(refund.order_id, refund.refund_id));
  return call(kQueryRefund, content.str(), {}, now);
}

GatewayRequest AlipayCalls::bill(const BillQuestion& question, Time now) const {
  JsonMembers content;
  content.text("bill_type", "trade").text("bill_date", question.date);
  return call(kBill, content.str(), {}, now);
}

std::optional<JsonObject> AlipayCalls::open(const GatewayReply& reply, std::string_view method,
                                            CallAnswer& answer) {
  set(answer, Kind::unknown, "status " + std::to_string(reply.status));
  if (reply.status != 200) return std::nullopt;
  set(answer, Kind::unknown, "malformed");
  const auto outer = outer_.read_copy(reply.body, Nested::allow);
  if (!outer) return std::nullopt;
  std::string name(method);
  std::replace(name.begin(), name.end(), '.', '_');
  const JsonMember* node = outer->find(name + "_response");
  const JsonMember* failure = outer->find("error_response");
  if ((node == nullptr) == (failure == nullptr)) return std::nullopt;
  if (node == nullptr) node = failure;
  if (node->type != JsonType::nested) return std::nullopt;
  set(answer, Kind::unknown, "invalid_signature");
  const std::string_view signature = read_text(*outer, "sign");
  const bool good = std::any_of(verifiers_.begin(), verifiers_.end(), [&](RsaVerifier& verifier) {
    return verifier.verify(node->text, signature);
  });
  if (!good) return std::nullopt;
  set(answer, Kind::unknown, "malformed");
  const auto inner = outer->object(node->name);
  if (!inner) return std::nullopt;
  const std::string_view code = read_text(*inner, "code");
  const std::string_view sub_code = read_text(*inner, "sub_code");
  if (code == kDone) {
    set(answer, Kind::done, "");
    return *inner;
  }
  set(answer, is_their_failure(code, sub_code) ? Kind::unknown : Kind::refused,
      sub_code.empty() ? code : sub_code);
  return std::nullopt;
}

// A good signature says that Alipay wrote it, and not that it is the answer to this call.
bool AlipayCalls::is_of(const JsonObject& object, const OrderId& order_id, CallAnswer& answer) const {
  if (read_text(object, "out_trade_no") == order_id.to_hex()) return true;
  set(answer, Kind::unknown, "of another order");
  return false;
}

bool AlipayCalls::is_of_payment(const JsonObject& object, const RefundStart& refund,
                                CallAnswer& answer) const {
  if (!refund.order_id.is_nil()) return is_of(object, refund.order_id, answer);
  if (read_text(object, "trade_no") == refund.transaction_id) return true;
  set(answer, Kind::unknown, "of another payment");
  return false;
}

StartAnswer AlipayCalls::read_precreate(const GatewayReply& reply, const OrderId& order_id) {
  StartAnswer answer;
  const auto object = open(reply, kPrecreate, answer);
  if (!object || !is_of(*object, order_id, answer)) return answer;
  answer.pay_text = read_text(*object, "qr_code");
  if (answer.pay_text.empty()) set(answer, Kind::unknown, "malformed");
  return answer;
}

QueryAnswer AlipayCalls::read_query(const GatewayReply& reply, const OrderId& order_id) {
  QueryAnswer answer;
  const auto object = open(reply, kQuery, answer);
  if (answer.kind == Kind::refused && answer.reason == kNoTrade) {  // nobody has opened the code yet
    answer.kind = Kind::done;
    answer.state = QueryAnswer::State::not_found;
  }
  if (!object || !is_of(*object, order_id, answer)) return answer;
  const std::string_view status = read_text(*object, "trade_status");
  if (status == "WAIT_BUYER_PAY") return answer;
  if (status == "TRADE_CLOSED") {  // unpaid, or refunded in full
    answer.state = QueryAnswer::State::closed;
    return answer;
  }
  const auto amount = parse_money(read_text(*object, "total_amount"));
  const auto transaction = make_transaction_id(read_text(*object, "trade_no"));
  const bool paid = status == "TRADE_SUCCESS" || status == "TRADE_FINISHED";
  if (!paid || !amount || !amount->is_positive() || !transaction) {
    set(answer, Kind::unknown, "malformed");
    return answer;
  }
  answer.state = QueryAnswer::State::paid;
  answer.amount = *amount;
  answer.transaction_id = *transaction;
  answer.paid_at = parse_beijing_time(read_text(*object, "send_pay_date"));
  return answer;
}

CallAnswer AlipayCalls::read_close(const GatewayReply& reply, const OrderId& order_id) {
  CallAnswer answer;
  const auto object = open(reply, kClose, answer);
  if (object) is_of(*object, order_id, answer);
  return answer;
}

RefundAnswer AlipayCalls::read_refund(const GatewayReply& reply, const RefundStart& refund) {
  RefundAnswer answer;
  const auto object = open(reply, kRefund, answer);
  if (!object || !is_of_payment(*object, refund, answer)) return answer;
  if (read_text(*object, "fund_change") == "Y") {
    answer.state = RefundAnswer::State::succeeded;
  } else {
    set(answer, Kind::unknown, "fund_change");
  }
  return answer;
}

RefundAnswer AlipayCalls::read_query_refund(const GatewayReply& reply, const RefundStart& refund) {
  RefundAnswer answer;
  const auto object = open(reply, kQueryRefund, answer);
  if (answer.kind == Kind::refused && answer.reason == kNoTrade) {
    answer.kind = Kind::done;
    answer.state = RefundAnswer::State::not_found;
  }
  if (!object) return answer;
  const std::string_view number = read_text(*object, "out_request_no");
  if (number.empty()) {  // done without a refund in it: there is none of this number
    answer.state = RefundAnswer::State::not_found;
    return answer;
  }
  if (!is_of_payment(*object, refund, answer)) return answer;
  if (number != refund_number(refund.order_id, refund.refund_id)) {
    set(answer, Kind::unknown, "of another refund");
  } else if (read_text(*object, "refund_status") == "REFUND_SUCCESS") {
    answer.state = RefundAnswer::State::succeeded;
  }
  return answer;
}

BillAnswer AlipayCalls::read_bill(const GatewayReply& reply) {
  BillAnswer answer;
  const auto object = open(reply, kBill, answer);
  if (!object) return answer;
  answer.url = read_text(*object, "bill_download_url");
  if (!answer.url.starts_with("https://") && !answer.url.starts_with("http://"))
    set(answer, Kind::unknown, "malformed");
  return answer;
}

}  // namespace recharge
