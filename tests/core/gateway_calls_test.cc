// Rule: what is sent to a gateway is signed as it documents; an answer counts only where it is verified and
// of this very order; whatever else comes is unknown, and never a success.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/alipay_calls.h"
#include "core/beijing_time.h"
#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/json_members.h"
#include "core/stripe_calls.h"
#include "core/wechat_calls.h"
#include "tests/core/rsa_test_key.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;
using State = QueryAnswer::State;

constexpr Time kNow{1'700'000'000'000};  // 2023-11-14T22:13:20Z
const std::string kHex = "0190a1b2c3d47e5f8a6b0123456789ab";
const OrderId kOrder = *OrderId::parse(kHex);
constexpr std::string_view kNonce = "0123456789abcdef0123456789abcdef";

PaymentStart payment() {
  PaymentStart start;
  start.order_id = kOrder;
  start.amount = Money::from_minor_units(5000);
  start.subject = "充值 \"50\" & 100%+";
  start.expires_at = Time{kNow.ms + 1'800'000};
  start.return_url = "https://shop.example/back?a=1&b=2";
  start.client_ip = "203.0.113.9";
  return start;
}

RefundStart refund() {
  RefundStart start;
  start.order_id = kOrder;
  start.transaction_id = "pi_1";
  start.refund_id = *make_refund_id("r-1");
  start.amount = Money::from_minor_units(1000);
  start.total = Money::from_minor_units(5000);
  return start;
}

std::string header(const GatewayRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(RefundNumber, NamesOneRefundInAtMost64Characters) {
  const std::string number = refund_number(kOrder, *make_refund_id("r-1"));
  EXPECT_EQ(number.size(), 64U);
  EXPECT_EQ(number.substr(0, 32), kHex);
  EXPECT_EQ(number, refund_number(kOrder, *make_refund_id("r-1")));
  EXPECT_NE(number, refund_number(kOrder, *make_refund_id("r-2")));
}

TEST(BeijingTime, IsEightHoursAhead) {
  EXPECT_EQ(to_beijing_time(kNow), "2023-11-15 06:13:20");
  EXPECT_EQ(parse_beijing_time("2023-11-15 06:13:20"), kNow);
  for (const char* text : {"", "2023-11-15T06:13:20", "2023-11-15 06:13:20Z", "2023-02-30 06:13:20"})
    EXPECT_FALSE(parse_beijing_time(text)) << text;
}

TEST(JsonMembers, AreEscaped) {
  JsonMembers inner, outer;
  inner.number("n", -1);
  outer.text("a\"b", "x\\\n\x01").object("o", inner).text("e", "");
  EXPECT_EQ(outer.str(), R"({"a\"b":"x\\\n\u0001","o":{"n":-1},"e":""})");
  EXPECT_EQ(JsonMembers().str(), "{}");
}

// --- Alipay ------------------------------------------------------------------------------------------------

class AlipayCallsTest : public testing::Test {
 protected:
  static AlipayCaller caller() {
    return {"2021000000000001",
            "2088000000000001",
            "https://openapi.alipay.com/gateway.do",
            "https://pay.example/api/callbacks/alipay",
            merchant_test_key(),
            {gateway_test_key().public_key()}};
  }
  // The parameters of a URL; its signature was checked as Alipay checks it.
  static FormFields opened(const std::string& url, const std::string& body) {
    FormFields form;
    const std::size_t question = url.find('?');
    EXPECT_EQ(url.substr(0, question), caller().base_url);
    EXPECT_TRUE(form.read(url.substr(question + 1) + "&" + body));
    std::string text;
    for (const FormField& field : form.all()) {
      EXPECT_FALSE(field.value.empty()) << field.name;
      if (field.name == "sign") continue;
      text.append(text.empty() ? "" : "&").append(field.name).append("=").append(field.value);
    }
    RsaVerifier verifier(merchant_test_key().public_key());
    EXPECT_TRUE(verifier.verify(text, form.value("sign"))) << text;
    return form;
  }
  static GatewayReply answer(const std::string& node, const std::string& inner,
                             const std::string& between = "") {
    return {
        200, "",
        "{\"" + node + "\":" + inner + between + ",\"sign\":\"" + *gateway_test_key().sign(inner) + "\"}"};
  }
  static GatewayReply query_answer(const std::string& members) {
    return answer("alipay_trade_query_response",
                  R"({"code":"10000","msg":"Success","out_trade_no":")" + kHex + "\"" + members + "}");
  }

  AlipayCalls calls_{caller()};
};

TEST_F(AlipayCallsTest, SignsEveryParameterThatIsNotEmpty) {
  const GatewayRequest request = calls_.precreate(payment(), kNow);
  EXPECT_EQ(request.method, "POST");
  const FormFields form = opened(request.url, request.body);
  EXPECT_EQ(form.value("method"), "alipay.trade.precreate");
  EXPECT_EQ(form.value("timestamp"), "2023-11-15 06:13:20");
  EXPECT_EQ(form.value("sign_type"), "RSA2");
  EXPECT_EQ(form.value("app_id"), "2021000000000001");
  EXPECT_EQ(form.value("notify_url"), "https://pay.example/api/callbacks/alipay");
  EXPECT_EQ(
      form.value("biz_content"),
      R"({"out_trade_no":"0190a1b2c3d47e5f8a6b0123456789ab","total_amount":"50.00",)"
      R"("subject":"充值 \"50\" & 100%+","time_expire":"2023-11-15 06:43:20","seller_id":"2088000000000001"})");
  EXPECT_EQ(request.url.find("biz_content"), std::string::npos) << "stands in the body";
}

TEST_F(AlipayCallsTest, MakesTheAddressOfThePage) {
  const FormFields form = opened(calls_.pay_page(payment(), kNow), "");
  EXPECT_EQ(form.value("method"), "alipay.trade.wap.pay");
  EXPECT_EQ(form.value("return_url"), payment().return_url);
  EXPECT_NE(form.value("biz_content").find(R"("product_code":"QUICK_WAP_WAY")"), std::string::npos);
  PaymentStart plain = payment();
  plain.return_url = {};
  EXPECT_EQ(opened(calls_.pay_page(plain, kNow), "").find("return_url"), nullptr);
}

TEST_F(AlipayCallsTest, NamesTheSameRefundAtEveryTry) {
  const GatewayRequest first = calls_.refund(refund(), kNow);
  const GatewayRequest again = calls_.refund(refund(), Time{kNow.ms + 60'000});
  EXPECT_EQ(first.body, again.body);
  const FormFields form = opened(first.url, first.body);
  EXPECT_EQ(form.value("biz_content"), R"({"out_trade_no":")" + kHex +
                                           R"(","refund_amount":"10.00","out_request_no":")" +
                                           refund_number(kOrder, refund().refund_id) + "\"}");
  for (const GatewayRequest& request :
       {calls_.query(kOrder, kNow), calls_.close(kOrder, kNow), calls_.query_refund(refund(), kNow)})
    EXPECT_NE(opened(request.url, request.body).value("biz_content").find(kHex), std::string::npos);
}

TEST_F(AlipayCallsTest, TakesTheBytesAsTheyCame) {
  const std::string node = "alipay_trade_precreate_response";
  for (const std::string& inner :
       {R"({"code":"10000","out_trade_no":")" + kHex + R"(","qr_code":"https:\/\/qr.alipay.com\/x"})",
        R"({ "code" : "10000" , "qr_code":"https://qr.alipay.com/x",  "out_trade_no":")" + kHex + "\"\n}",
        R"({"code":"10000","msg":"}\"{","a":[{"b":"}"}],"out_trade_no":")" + kHex +
            R"(","qr_code":"https://qr.alipay.com/x"})"}) {
    for (const char* between : {"", ",\"alipay_cert_sn\":\"1f\"", " "}) {
      const StartAnswer started = calls_.read_precreate(answer(node, inner, between), kOrder);
      EXPECT_EQ(started.kind, Kind::done) << inner << started.reason;
      EXPECT_EQ(started.pay_text, "https://qr.alipay.com/x");
    }
  }
}

TEST_F(AlipayCallsTest, TakesNothingThatIsNotVerified) {
  const std::string node = "alipay_trade_query_response";
  const std::string inner = R"({"code":"10000","out_trade_no":")" + kHex +
                            R"(","trade_status":"TRADE_SUCCESS","total_amount":"50.00","trade_no":"2023"})";
  const GatewayReply good = answer(node, inner);
  ASSERT_EQ(calls_.read_query(good, kOrder).state, State::paid);
  const auto reason = [&](GatewayReply reply) {
    const QueryAnswer read = calls_.read_query(reply, kOrder);
    EXPECT_EQ(read.kind, Kind::unknown) << reply.body;
    EXPECT_FALSE(read.amount.is_positive());
    return read.reason;
  };
  EXPECT_EQ(reason({200, "", "{\"" + node + "\":" + inner + "}"}), "invalid_signature") << "no sign";
  EXPECT_EQ(reason({200, "", "{\"" + node + "\":" + inner + ",\"sign\":\"\"}"}), "invalid_signature");
  EXPECT_EQ(reason({502, "", good.body}), "status 502");
  EXPECT_EQ(reason({0, "", ""}), "status 0");
  EXPECT_EQ(reason({200, "", "<html>"}), "malformed");
  EXPECT_EQ(reason({200, "", "{}"}), "malformed");
  EXPECT_EQ(reason(answer("alipay_trade_close_response", inner)), "malformed") << "of another call";
  EXPECT_EQ(reason({200, "", "{\"error_response\":{}," + good.body.substr(1)}), "malformed") << "both";
  std::string other = inner;
  other.replace(other.find(kHex), kHex.size(), "0190a1b2c3d47e5f8a6b0123456789ac");
  EXPECT_EQ(reason(answer(node, other)), "of another order");
  for (std::size_t at = node.size() + 4; at < node.size() + 4 + inner.size(); ++at) {
    GatewayReply forged = good;
    forged.body[at] = static_cast<char>(forged.body[at] ^ 1);
    EXPECT_EQ(calls_.read_query(forged, kOrder).kind, Kind::unknown) << at;
  }
}

TEST_F(AlipayCallsTest, TellsRefusedFromUnknown) {
  const auto read = [&](const std::string& inner, const char* node = "alipay_trade_close_response") {
    return calls_.read_close(answer(node, inner), kOrder);
  };
  const CallAnswer paid = read(R"({"code":"40004","sub_code":"ACQ.TRADE_STATUS_ERROR"})");
  EXPECT_EQ(paid.kind, Kind::refused);
  EXPECT_EQ(paid.reason, "ACQ.TRADE_STATUS_ERROR");
  EXPECT_EQ(read(R"({"code":"40002","sub_code":"isv.invalid-signature"})", "error_response").kind,
            Kind::refused);
  EXPECT_EQ(read(R"({"code":"20000","sub_code":"isp.unknow-error"})").kind, Kind::unknown);
  EXPECT_EQ(read(R"({"code":"20000"})").kind, Kind::unknown);
  EXPECT_EQ(read(R"({"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"})").kind, Kind::unknown);
  EXPECT_EQ(read(R"({"code":"10000","out_trade_no":")" + kHex + "\"}").kind, Kind::done);
}

TEST_F(AlipayCallsTest, ReadsEveryStateOfAPayment) {
  const auto read = [&](const std::string& members) {
    return calls_.read_query(query_answer(members), kOrder);
  };
  const QueryAnswer paid = read(
      R"(,"trade_status":"TRADE_SUCCESS","total_amount":"50.00","trade_no":"2023","send_pay_date":"2023-11-15 06:13:20")");
  EXPECT_EQ(paid.kind, Kind::done);
  EXPECT_EQ(paid.state, State::paid);
  EXPECT_EQ(paid.amount, Money::from_minor_units(5000));
  EXPECT_EQ(paid.transaction_id.view(), "2023");
  EXPECT_EQ(paid.paid_at, kNow);
  EXPECT_EQ(read(R"(,"trade_status":"TRADE_FINISHED","total_amount":"50","trade_no":"2023")").state,
            State::paid);
  EXPECT_EQ(read(R"(,"trade_status":"WAIT_BUYER_PAY")").state, State::waiting);
  EXPECT_EQ(read(R"(,"trade_status":"TRADE_CLOSED")").state, State::closed);
  for (const char* members :
       {"", R"(,"trade_status":"NEW")", R"(,"trade_status":"TRADE_SUCCESS","total_amount":"50.00")",
        R"(,"trade_status":"TRADE_SUCCESS","total_amount":"5e1","trade_no":"2023")"})
    EXPECT_EQ(read(members).kind, Kind::unknown) << members;
  const QueryAnswer none = calls_.read_query(
      answer("alipay_trade_query_response", R"({"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"})"), kOrder);
  EXPECT_EQ(none.kind, Kind::done);
  EXPECT_EQ(none.state, State::not_found);
}

TEST_F(AlipayCallsTest, RefundsAPaymentOfNoOrderByItsTransaction) {
  RefundStart unknown = refund();
  unknown.order_id = OrderId();
  const auto read = [&](const std::string& trade) {
    return calls_.read_refund(answer("alipay_trade_refund_response",
                                     R"({"code":"10000","fund_change":"Y","trade_no":")" + trade + "\"}"),
                              unknown);
  };
  EXPECT_EQ(read(std::string(unknown.transaction_id)).kind, Kind::done);
  EXPECT_EQ(read("another").kind, Kind::unknown);
  const std::string body = calls_.refund(unknown, kNow).body;
  EXPECT_NE(body.find("trade_no"), std::string::npos) << body;
  EXPECT_EQ(body.find("out_trade_no"), std::string::npos) << body;
}

TEST_F(AlipayCallsTest, BelievesInARefundOnlyWhereMoneyMoved) {
  const auto read = [&](const std::string& change) {
    return calls_.read_refund(
        answer("alipay_trade_refund_response",
               R"({"code":"10000","out_trade_no":")" + kHex + R"(","fund_change":")" + change + "\"}"),
        refund());
  };
  EXPECT_EQ(read("Y").kind, Kind::done);
  EXPECT_EQ(read("Y").state, RefundAnswer::State::succeeded);
  EXPECT_EQ(read("N").kind, Kind::unknown) << "to be asked for";
  const auto query = [&](const std::string& members) {
    return calls_.read_query_refund(
        answer("alipay_trade_fastpay_refund_query_response", R"({"code":"10000")" + members + "}"), refund());
  };
  const std::string number = refund_number(kOrder, refund().refund_id);
  const std::string ours = R"(,"out_trade_no":")" + kHex + R"(","out_request_no":")" + number + "\"";
  EXPECT_EQ(query(ours + R"(,"refund_status":"REFUND_SUCCESS")").state, RefundAnswer::State::succeeded);
  EXPECT_EQ(query(ours).state, RefundAnswer::State::pending);
  EXPECT_EQ(query("").state, RefundAnswer::State::not_found);
  EXPECT_EQ(query(R"(,"out_trade_no":")" + kHex + R"(","out_request_no":"x")").kind, Kind::unknown);
}

BillQuestion bill_of_the_day() {
  return {"2023-11-14", Time{kNow.ms - 1000}, Time{kNow.ms + 86'400'000}, ""};
}

TEST_F(AlipayCallsTest, AsksWhereABillIs) {
  const GatewayRequest request = calls_.bill(bill_of_the_day(), kNow);
  const FormFields form = opened(request.url, request.body);
  EXPECT_EQ(form.value("method"), "alipay.data.dataservice.bill.downloadurl.query");
  EXPECT_EQ(form.value("biz_content"), R"({"bill_type":"trade","bill_date":"2023-11-14"})");
  const std::string node = "alipay_data_dataservice_bill_downloadurl_query_response";
  const auto read = [&](const std::string& url) {
    return calls_.read_bill(answer(node, R"({"code":"10000","bill_download_url":")" + url + "\"}"));
  };
  EXPECT_EQ(read("https://dwbillcenter.alipay.com/x?a=1").kind, Kind::done);
  EXPECT_EQ(read("https://dwbillcenter.alipay.com/x?a=1").url, "https://dwbillcenter.alipay.com/x?a=1");
  EXPECT_EQ(read("file:///etc/passwd").kind, Kind::unknown);
  GatewayReply forged = answer(node, R"({"code":"10000","bill_download_url":"https://a.example/"})");
  forged.body.replace(forged.body.find("a.example"), 9, "b.example");
  EXPECT_EQ(calls_.read_bill(forged).kind, Kind::unknown);
  EXPECT_EQ(calls_.read_bill(forged).url, "");
}

// --- WeChat Pay --------------------------------------------------------------------------------------------

class WechatCallsTest : public testing::Test {
 protected:
  static WechatCaller caller() {
    return {"1900000001",
            "wx1",
            "AB12",
            "https://api.mch.weixin.qq.com",
            "https://pay.example/n",
            merchant_test_key(),
            {{"PUB_KEY_ID_1", gateway_test_key().public_key()}}};
  }
  // Checks the signature as WeChat does.
  static void check(const GatewayRequest& request, const std::string& method, const std::string& path) {
    EXPECT_EQ(request.method, method);
    EXPECT_EQ(request.url, "https://api.mch.weixin.qq.com" + path);
    const std::string authorization = header(request, "Authorization");
    const std::string mark = "signature=\"";
    const std::size_t start = authorization.find(mark) + mark.size();
    const std::string signature = authorization.substr(start, authorization.find('"', start) - start);
    EXPECT_EQ(authorization, "WECHATPAY2-SHA256-RSA2048 mchid=\"1900000001\",nonce_str=\"" +
                                 std::string(kNonce) + "\",signature=\"" + signature +
                                 "\",timestamp=\"1700000000\",serial_no=\"AB12\"");
    RsaVerifier verifier(merchant_test_key().public_key());
    EXPECT_TRUE(verifier.verify(
        method + "\n" + path + "\n1700000000\n" + std::string(kNonce) + "\n" + request.body + "\n",
        signature));
    EXPECT_EQ(header(request, "Wechatpay-Serial"), "PUB_KEY_ID_1");
  }
  static GatewayReply answer(unsigned status, const std::string& body, Time at = kNow) {
    const std::string time = std::to_string(at.ms / 1000);
    return {status,
            "Wechatpay-Timestamp: " + time + "\r\nWechatpay-Nonce: n\r\nWechatpay-Serial: PUB_KEY_ID_1\r\n" +
                "Wechatpay-Signature: " + *gateway_test_key().sign(time + "\nn\n" + body + "\n") + "\r\n",
            body};
  }
  static std::string transaction(const std::string& state, const std::string& more = "") {
    return R"({"mchid":"1900000001","appid":"wx1","out_trade_no":")" + kHex + R"(","trade_state":")" + state +
           "\"" + more + "}";
  }

  WechatCalls calls_{caller()};
};

TEST_F(WechatCallsTest, SignsWhatItSends) {
  const GatewayRequest native = calls_.start(payment(), PayMethod::qr, kNow, kNonce);
  check(native, "POST", "/v3/pay/transactions/native");
  EXPECT_EQ(native.body,
            R"({"appid":"wx1","mchid":"1900000001","description":"充值 \"50\" & 100%+","out_trade_no":")" +
                kHex +
                R"(","notify_url":"https://pay.example/n","time_expire":"2023-11-14T22:43:20+00:00",)" +
                R"("amount":{"total":5000,"currency":"CNY"}})");
  const GatewayRequest h5 = calls_.start(payment(), PayMethod::h5, kNow, kNonce);
  check(h5, "POST", "/v3/pay/transactions/h5");
  EXPECT_NE(h5.body.find(R"("scene_info":{"payer_client_ip":"203.0.113.9","h5_info":{"type":"Wap"}})"),
            std::string::npos);
  check(calls_.query(kOrder, kNow, kNonce), "GET",
        "/v3/pay/transactions/out-trade-no/" + kHex + "?mchid=1900000001");
  check(calls_.close(kOrder, kNow, kNonce), "POST", "/v3/pay/transactions/out-trade-no/" + kHex + "/close");
  const GatewayRequest back = calls_.refund(refund(), kNow, kNonce);
  check(back, "POST", "/v3/refund/domestic/refunds");
  const std::string number = refund_number(kOrder, refund().refund_id);
  EXPECT_NE(back.body.find("\"out_refund_no\":\"" + number + "\""), std::string::npos);
  EXPECT_NE(back.body.find(R"("amount":{"refund":1000,"total":5000,"currency":"CNY"})"), std::string::npos);
  check(calls_.query_refund(refund(), kNow, kNonce), "GET", "/v3/refund/domestic/refunds/" + number);
}

TEST_F(WechatCallsTest, TakesNothingThatIsNotVerified) {
  const std::string body = transaction(
      "SUCCESS",
      R"(,"transaction_id":"42","amount":{"total":5000,"currency":"CNY"},"success_time":"2023-11-15T06:13:20+08:00")");
  const QueryAnswer paid = calls_.read_query(answer(200, body), kOrder, kNow);
  ASSERT_EQ(paid.state, State::paid);
  EXPECT_EQ(paid.amount, Money::from_minor_units(5000));
  EXPECT_EQ(paid.paid_at, kNow);
  const auto reason = [&](const GatewayReply& reply) {
    const QueryAnswer read = calls_.read_query(reply, kOrder, kNow);
    EXPECT_EQ(read.kind, Kind::unknown);
    return read.reason;
  };
  EXPECT_EQ(reason({200, "", body}), "no_signature");
  EXPECT_EQ(reason({200, answer(200, body).header_lines, body + " "}), "invalid_signature");
  EXPECT_EQ(reason(answer(200, body, Time{kNow.ms - 300'000})), "stale");
  EXPECT_EQ(reason(answer(200, "<html>")), "malformed");
  EXPECT_EQ(reason(answer(500, R"({"code":"SYSTEM_ERROR"})")), "status 500");
  EXPECT_EQ(reason(answer(429, R"({"code":"FREQUENCY_LIMITED"})")), "status 429");
  EXPECT_EQ(reason({0, "", ""}), "status 0");
  for (const char* part : {"1900000001", "wx1", "0190a1b2"}) {
    std::string other = body;
    other[other.find(part) + 2] = '7';
    EXPECT_EQ(reason(answer(200, other)), "of another order");
  }
  for (const char* more : {"", R"(,"transaction_id":"42","amount":{"total":5000,"currency":"USD"})",
                           R"(,"transaction_id":"42","amount":{"total":"5000","currency":"CNY"})",
                           R"(,"amount":{"total":5000,"currency":"CNY"})"})
    EXPECT_EQ(reason(answer(200, transaction("SUCCESS", more))), "malformed");
  EXPECT_EQ(reason(answer(200, transaction("NEW"))), "malformed");
}

TEST_F(WechatCallsTest, ReadsEveryAnswer) {
  const auto state = [&](const std::string& name) {
    const QueryAnswer read = calls_.read_query(answer(200, transaction(name)), kOrder, kNow);
    EXPECT_EQ(read.kind, Kind::done) << name;
    return read.state;
  };
  EXPECT_EQ(state("NOTPAY"), State::waiting);
  EXPECT_EQ(state("CLOSED"), State::closed);
  const QueryAnswer none = calls_.read_query({404, "", R"({"code":"ORDER_NOT_EXIST"})"}, kOrder, kNow);
  EXPECT_EQ(none.kind, Kind::done);
  EXPECT_EQ(none.state, State::not_found);

  EXPECT_EQ(calls_.read_start(answer(200, R"({"code_url":"weixin://x"})"), PayMethod::qr, "", kNow).pay_text,
            "weixin://x");
  EXPECT_EQ(
      calls_
          .read_start(answer(200, R"({"h5_url":"https://wx/p?a=1"})"), PayMethod::h5, "https://s/?b=1", kNow)
          .pay_text,
      "https://wx/p?a=1&redirect_url=https%3A%2F%2Fs%2F%3Fb%3D1");
  EXPECT_EQ(calls_.read_start(answer(200, "{}"), PayMethod::qr, "", kNow).kind, Kind::unknown);
  EXPECT_EQ(calls_.read_start({400, "", R"({"code":"PARAM_ERROR"})"}, PayMethod::qr, "", kNow).reason,
            "PARAM_ERROR");

  EXPECT_EQ(calls_.read_close(answer(204, ""), kNow).kind, Kind::done);
  EXPECT_EQ(calls_.read_close({204, "", ""}, kNow).kind, Kind::unknown);
  EXPECT_EQ(calls_.read_close({400, "", R"({"code":"ORDERPAID"})"}, kNow).reason, "ORDERPAID");

  const std::string number = refund_number(kOrder, refund().refund_id);
  const auto back = [&](const std::string& status, const std::string& of) {
    return calls_.read_refund(answer(200, R"({"out_refund_no":")" + of + R"(","status":")" + status + "\"}"),
                              refund(), kNow);
  };
  EXPECT_EQ(back("SUCCESS", number).state, RefundAnswer::State::succeeded);
  EXPECT_EQ(back("PROCESSING", number).state, RefundAnswer::State::pending);
  EXPECT_EQ(back("ABNORMAL", number).state, RefundAnswer::State::failed);
  EXPECT_EQ(back("NEW", number).kind, Kind::unknown);
  EXPECT_EQ(back("SUCCESS", "other").kind, Kind::unknown);
  EXPECT_EQ(calls_.read_refund({404, "", R"({"code":"RESOURCE_NOT_EXISTS"})"}, refund(), kNow).state,
            RefundAnswer::State::not_found);
}

TEST_F(WechatCallsTest, SignsTheWayToABillForItsOwnAddressAlone) {
  check(calls_.bill(bill_of_the_day(), kNow, kNonce), "GET",
        "/v3/bill/tradebill?bill_date=2023-11-14&bill_type=ALL&tar_type=GZIP");
  const std::string sha1(40, 'a');
  const auto read = [&](const std::string& url, const std::string& hash, const std::string& type = "SHA1") {
    return calls_.read_bill(answer(200, R"({"hash_type":")" + type + R"(","hash_value":")" + hash +
                                            R"(","download_url":")" + url + "\"}"),
                            kNow, kNonce);
  };
  const std::string path = "/v3/billdownload/file?token=x";
  const BillAnswer good = read("https://api.mch.weixin.qq.com" + path, sha1);
  EXPECT_EQ(good.kind, Kind::done);
  EXPECT_EQ(good.sha1, sha1);
  GatewayRequest fetch{"GET", good.url, {{"Authorization", good.authorization}}, ""};
  fetch.headers.emplace_back("Wechatpay-Serial", "PUB_KEY_ID_1");
  check(fetch, "GET", path);
  for (const auto& bad :
       {read("https://api.mch.weixin.qq.com.evil.example" + path, sha1),
        read("https://evil.example" + path, sha1), read("https://api.mch.weixin.qq.com" + path, "aa"),
        read("https://api.mch.weixin.qq.com" + path, sha1, "MD5")}) {
    EXPECT_EQ(bad.kind, Kind::unknown);
    EXPECT_EQ(bad.authorization, "");
  }
}

// --- Stripe ------------------------------------------------------------------------------------------------

class StripeCallsTest : public testing::Test {
 protected:
  static std::string intent(const std::string& status, const std::string& more = "") {
    return R"({"id":"pi_1","object":"payment_intent","livemode":false,"client_secret":"pi_1_secret","currency":"cny",)"
           R"("amount_received":5000,"metadata":{"order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab"},"status":")" +
           status + "\"" + more + "}";
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  }

  StripeCalls calls_{
      {"https://api.stripe.com", Secret::from_text("sk_test_1").value(), false, *currency_from_code("CNY")}};
};

TEST_F(StripeCallsTest, SendsFormsWithAKeyOfIdempotency) {
  const GatewayRequest start = calls_.start(payment());
  EXPECT_EQ(start.url, "https://api.stripe.com/v1/payment_intents");
  EXPECT_EQ(header(start, "Authorization"), "Bearer sk_test_1");
  EXPECT_EQ(header(start, "Idempotency-Key"), "pi-0190a1b2-c3d4-7e5f-8a6b-0123456789ab");
  FormFields form;
  ASSERT_TRUE(form.read(start.body));
  EXPECT_EQ(form.value("amount"), "5000");
  EXPECT_EQ(form.value("currency"), "cny");
  EXPECT_EQ(form.value("metadata[order_id]"), "0190a1b2-c3d4-7e5f-8a6b-0123456789ab");
  const GatewayRequest back = calls_.refund(refund());
  EXPECT_EQ(back.body, calls_.refund(refund()).body);
  EXPECT_EQ(header(back, "Idempotency-Key"), "rf-" + refund_number(kOrder, refund().refund_id));
  ASSERT_TRUE(form.read(back.body));
  EXPECT_EQ(form.value("payment_intent"), "pi_1");
  EXPECT_EQ(form.value("amount"), "1000");
  EXPECT_EQ(calls_.query("pi_1").url, "https://api.stripe.com/v1/payment_intents/pi_1");
  EXPECT_EQ(calls_.cancel("pi_1").url, "https://api.stripe.com/v1/payment_intents/pi_1/cancel");
}

TEST_F(StripeCallsTest, ReadsOnlyWhatIsOfThisOrder) {
  const auto started = calls_.read_start({200, "", intent("requires_payment_method")}, kOrder);
  EXPECT_EQ(started.kind, Kind::done);
  EXPECT_EQ(started.pay_text, "pi_1_secret");
  EXPECT_EQ(started.transaction_id.view(), "pi_1");
  const QueryAnswer paid = calls_.read_query({200, "", intent("succeeded")}, kOrder);
  EXPECT_EQ(paid.state, State::paid);
  EXPECT_EQ(paid.amount, Money::from_minor_units(5000));
  EXPECT_EQ(calls_.read_query({200, "", intent("processing")}, kOrder).state, State::waiting);
  EXPECT_EQ(calls_.read_query({200, "", intent("canceled")}, kOrder).state, State::closed);
  for (const auto& [from, to] : {std::pair{"false", "true"},
                                 {"-0123456789ab", "-0123456789ac"},
                                 {"payment_intent", "charge"},
                                 {"cny", "usd"},
                                 {"5000", "0"},
                                 {"pi_1", "pi&1"}}) {
    EXPECT_EQ(calls_.read_query({200, "", replaced(intent("succeeded"), from, to)}, kOrder).kind,
              Kind::unknown)
        << from;
  }
  for (const unsigned status : {0U, 409U, 429U, 500U})
    EXPECT_EQ(calls_.read_query({status, "", intent("succeeded")}, kOrder).kind, Kind::unknown);
  const StartAnswer refused =
      calls_.read_start({402, "", R"({"error":{"type":"card_error","code":"card_declined"}})"}, kOrder);
  EXPECT_EQ(refused.kind, Kind::refused);
  EXPECT_EQ(refused.reason, "card_declined");
  EXPECT_EQ(calls_.read_start({400, "", "<html>"}, kOrder).kind, Kind::unknown);
}

TEST_F(StripeCallsTest, ReadsRefunds) {
  const auto read = [&](const std::string& status, const std::string& of = "pi_1",
                        const std::string& amount = "1000") {
    return calls_.read_refund({200, "",
                               R"({"object":"refund","id":"re_1","payment_intent":")" + of +
                                   R"(","amount":)" + amount + R"(,"status":")" + status + "\"}"},
                              refund());
  };
  EXPECT_EQ(read("succeeded").state, RefundAnswer::State::succeeded);
  EXPECT_EQ(read("pending").state, RefundAnswer::State::pending);
  EXPECT_EQ(read("failed").state, RefundAnswer::State::failed);
  EXPECT_EQ(read("new").kind, Kind::unknown);
  EXPECT_EQ(read("succeeded", "pi_2").kind, Kind::unknown);
  EXPECT_EQ(read("succeeded", "pi_1", "999").kind, Kind::unknown);
}

TEST_F(StripeCallsTest, FindsItsOwnRefundAmongThoseOfThePayment) {
  const std::string number = refund_number(refund().order_id, refund().refund_id);
  const auto one = [](const std::string& named, const std::string& status) {
    return R"({"object":"refund","id":"re_\"[{","payment_intent":"pi_1","amount":1000,"status":")" + status +
           R"(","metadata":{"refund":")" + named + "\"}}";
  };
  const auto read = [&](const std::string& data, const std::string& more = "false") {
    return calls_.read_query_refund(
        {200, "", R"({"object":"list","data":[)" + data + R"(],"has_more":)" + more + "}"}, refund());
  };
  EXPECT_EQ(read(one("x", "failed") + "," + one(number, "succeeded")).state, RefundAnswer::State::succeeded);
  EXPECT_EQ(read(one(number, "pending")).state, RefundAnswer::State::pending);
  EXPECT_EQ(read(one("x", "succeeded")).state, RefundAnswer::State::not_found);
  EXPECT_EQ(read(one("x", "succeeded")).kind, Kind::done);
  EXPECT_EQ(read("").state, RefundAnswer::State::not_found);
  EXPECT_EQ(read(one("x", "succeeded"), "true").kind, Kind::unknown) << "ours may be on the next page";
  EXPECT_EQ(calls_.read_query_refund({500, "", ""}, refund()).kind, Kind::unknown);
}

TEST_F(StripeCallsTest, TurnsThePagesOfABill) {
  BillQuestion question = bill_of_the_day();
  EXPECT_EQ(
      calls_.bill(question).url,
      "https://api.stripe.com/v1/balance_transactions?created%5Bgte%5D=1699999999&created%5Blt%5D=1700086400"
      "&expand%5B%5D=data.source&limit=100");
  question.after = "txn_2";
  EXPECT_TRUE(calls_.bill(question).url.ends_with("&starting_after=txn_2"));
  const auto read = [&](const std::string& data, const std::string& more) {
    return calls_.read_bill({200, "", R"({"object":"list","data":)" + data + R"(,"has_more":)" + more + "}"});
  };
  const std::string two = R"([{"id":"txn_1"},{"id":"txn_2"}])";
  EXPECT_EQ(read(two, "true").next, "txn_2");
  EXPECT_EQ(read(two, "true").page, two);
  EXPECT_EQ(read(two, "false").next, "");
  EXPECT_EQ(read(two, "false").kind, Kind::done);
  EXPECT_EQ(read("[]", "true").kind, Kind::unknown) << "it would never end";
  EXPECT_EQ(read("{}", "false").kind, Kind::unknown);
  EXPECT_EQ(calls_.read_bill({500, "", ""}).kind, Kind::unknown);
}

}  // namespace
}  // namespace recharge
