// gateway.do of Alipay's open platform, and its bills.
#include "core/beijing_time.h"
#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/json_members.h"
#include "core/json_object.h"
#include "tools/bill_writer.h"
#include "tools/simulated_apis.h"

namespace recharge {
namespace {

constexpr std::string_view kMissing = "ACQ.TRADE_NOT_EXIST";

class AlipayCall {
 public:
  explicit AlipayCall(const ApiCall& call) : call_(call) {}

  ApiReply answer() {
    if (call_.path == "/bill" && call_.request.method == "GET") return bill();
    if (!read_parameters()) return signed_reply("error", failure("40002", "isv.invalid-signature"));
    const std::string_view method = parameters_.value("method");
    if (parameters_.value("app_id") != call_.accounts.app_id)
      return signed_reply(method, failure("40002", "isv.invalid-app-id"));
    const auto content = content_.read_copy(parameters_.value("biz_content"), Nested::allow);
    if (!content) return signed_reply(method, failure("40002", "isv.invalid-parameter"));
    if (method == "alipay.data.dataservice.bill.downloadurl.query") {
      std::string url = call_.url + "/alipay/bill?";
      std::string query;
      append_form_field(query, "bill_date", read_text(*content, "bill_date"));
      return signed_reply(method, done().text("bill_download_url", url + query));
    }
    const auto order_id = OrderId::parse(read_text(*content, "out_trade_no"));
    if (!order_id) return signed_reply(method, failure("40004", "ACQ.INVALID_PARAMETER"));
    if (method == "alipay.trade.precreate" || method == "alipay.trade.wap.pay")
      return start(*content, *order_id);
    SimulatedTrade* trade = call_.trades.find(SimulatedGateway::alipay, *order_id);
    if (trade == nullptr) return signed_reply(method, failure("40004", kMissing));
    if (method == "alipay.trade.query") return query(*trade);
    if (method == "alipay.trade.close") return close(*trade);
    if (method == "alipay.trade.refund") return refund(*trade, *content);
    if (method == "alipay.trade.fastpay.refund.query") return query_refund(*trade, *content);
    return signed_reply(method, failure("40002", "isv.invalid-method"));
  }

 private:
  // All parameters but sign that are not empty, of the address and of the body.
  bool read_parameters() {
    std::string all(call_.query);
    if (call_.request.method == "POST") all.append("&").append(call_.request.body);
    if (!parameters_.read(all)) return false;
    std::string text;
    for (const FormField& field : parameters_.all()) {
      if (field.name == "sign" || field.value.empty()) continue;
      text.append(text.empty() ? "" : "&").append(field.name).append("=").append(field.value);
    }
    return parameters_.value("sign_type") == "RSA2" &&
           RsaVerifier(call_.accounts.merchant.public_key()).verify(text, parameters_.value("sign"));
  }

  static JsonMembers done() {
    JsonMembers members;
    members.text("code", "10000").text("msg", "Success");
    return members;
  }
  static JsonMembers failure(std::string_view code, std::string_view sub_code) {
    JsonMembers members;
    members.text("code", code).text("msg", "Failed").text("sub_code", sub_code).text("sub_msg", sub_code);
    return members;
  }

  ApiReply signed_reply(std::string_view method, const JsonMembers& members) const {
    std::string name(method);
    for (char& c : name) c = c == '.' ? '_' : c;
    const std::string inner = members.str();
    ApiReply reply;
    reply.body = "{\"" + name + "_response\":" + inner + ",\"sign\":\"" +
                 call_.accounts.alipay.sign(inner).value() + "\"}";
    return reply;
  }

  ApiReply start(const JsonObject& content, const OrderId& order_id) {
    const std::string_view method = parameters_.value("method");
    const auto amount = parse_money(read_text(content, "total_amount"));
    if (!amount || !amount->is_positive())
      return signed_reply(method, failure("40004", "ACQ.INVALID_PARAMETER"));
    SimulatedTrade& trade = call_.trades.start(SimulatedGateway::alipay, order_id, *amount, call_.now);
    if (trade.amount != *amount) return signed_reply(method, failure("40004", "ACQ.CONTEXT_INCONSISTENT"));
    if (trade.state == SimulatedTrade::State::paid)
      return signed_reply(method, failure("40004", "ACQ.TRADE_HAS_SUCCESS"));
    trade.subject = read_text(content, "subject");
    if (method == "alipay.trade.wap.pay") {
      ApiReply reply;
      reply.status = 302;
      reply.headers = {"Location: " + call_.cashier(trade)};
      return reply;
    }
    return signed_reply(method,
                        done().text("out_trade_no", order_id.to_hex()).text("qr_code", call_.cashier(trade)));
  }

  ApiReply query(const SimulatedTrade& trade) {
    const bool refunded = trade.refunded() == trade.amount;
    std::string_view status = "WAIT_BUYER_PAY";
    if (trade.state == SimulatedTrade::State::paid) status = refunded ? "TRADE_CLOSED" : "TRADE_SUCCESS";
    if (trade.state == SimulatedTrade::State::closed) status = "TRADE_CLOSED";
    JsonMembers members = done();
    members.text("out_trade_no", trade.order_id.to_hex())
        .text("trade_no", trade.transaction_id)
        .text("trade_status", status)
        .text("total_amount", to_text(trade.amount));
    if (trade.paid_at.reached()) members.text("send_pay_date", to_beijing_time(trade.paid_at));
    return signed_reply("alipay.trade.query", members);
  }

  ApiReply close(SimulatedTrade& trade) {
    if (trade.state == SimulatedTrade::State::paid)
      return signed_reply("alipay.trade.close", failure("40004", "ACQ.TRADE_STATUS_ERROR"));
    trade.state = SimulatedTrade::State::closed;
    return signed_reply("alipay.trade.close", done().text("out_trade_no", trade.order_id.to_hex()));
  }

  ApiReply refund(SimulatedTrade& trade, const JsonObject& content) {
    constexpr std::string_view kMethod = "alipay.trade.refund";
    const auto amount = parse_money(read_text(content, "refund_amount"));
    const std::string_view number = read_text(content, "out_request_no");
    const bool known = SimulatedTrades::find_refund(trade, number) != nullptr;
    const SimulatedRefund* made =
        amount && !number.empty() ? call_.trades.refund(trade, number, *amount, call_.now) : nullptr;
    if (made == nullptr) return signed_reply(kMethod, failure("40004", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"));
    return signed_reply(kMethod, done()
                                     .text("out_trade_no", trade.order_id.to_hex())
                                     .text("trade_no", trade.transaction_id)
                                     .text("fund_change", known ? "N" : "Y")
                                     .text("refund_fee", to_text(trade.refunded())));
  }

  ApiReply query_refund(const SimulatedTrade& trade, const JsonObject& content) {
    const SimulatedRefund* refund = SimulatedTrades::find_refund(trade, read_text(content, "out_request_no"));
    JsonMembers members = done();
    if (refund != nullptr) {
      members.text("out_trade_no", trade.order_id.to_hex())
          .text("out_request_no", refund->number)
          .text("refund_amount", to_text(refund->amount))
          .text("refund_status", "REFUND_SUCCESS");
    }
    return signed_reply("alipay.trade.fastpay.refund.query", members);
  }

  ApiReply bill() {
    FormFields query;
    const BillPeriod day =
        query.read(call_.query) ? call_.beijing_day(query.value("bill_date")) : BillPeriod{};
    if (!day.from.reached()) return {404, "text/plain", {}, "no such bill"};
    return {200,
            "application/zip",
            {},
            write_bill(BillFormat::alipay, call_.trades.bill(SimulatedGateway::alipay, day), day)};
  }

  const ApiCall& call_;
  FormFields parameters_;
  JsonReader content_;
};

}  // namespace

ApiReply answer_alipay(const ApiCall& call) { return AlipayCall(call).answer(); }

}  // namespace recharge
