// Answers of gateways to our calls: without a signature nothing is done or paid; with Alipay's, a payment is
// only what RapidJSON reads as one of this very order.
#include <rapidjson/document.h>

#include "core/alipay_calls.h"
#include "core/stripe_calls.h"
#include "core/wechat_calls.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_rsa.h"

namespace recharge {
namespace {

using Kind = CallAnswer::Kind;

constexpr std::string_view kHex = "0190a1b2c3d47e5f8a6b0123456789ab";
constexpr std::string_view kInner =
    R"({"code":"10000","msg":"Success","out_trade_no":"0190a1b2c3d47e5f8a6b0123456789ab","trade_no":"2023",)"
    R"("trade_status":"TRADE_SUCCESS","total_amount":"50.00","send_pay_date":"2023-11-15 06:13:20"})";

bool is(const rapidjson::Value& object, const char* name, std::string_view text) {
  const auto at = object.FindMember(name);
  return at != object.MemberEnd() && at->value.IsString() &&
         std::string_view(at->value.GetString(), at->value.GetStringLength()) == text;
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static AlipayCalls alipay(
      AlipayCaller{"app", "2088", "https://a", "", fuzz_private_key(), {fuzz_private_key().public_key()}});
  static WechatCalls wechat(WechatCaller{
      "m", "a", "s", "https://w", "", fuzz_private_key(), {{"serial", fuzz_private_key().public_key()}}});
  static StripeCalls stripe(
      StripeCaller{"https://s", Secret::from_text("sk_x").value(), false, *currency_from_code("CNY")});
  const OrderId order = *OrderId::parse(kHex);
  const Time now = from_unix_seconds(1'700'000'000);
  FuzzedDataProvider input(bytes.data(), bytes.size());
  if (input.ConsumeBool()) {
    const std::string lines = input.ConsumeRandomLengthString(200);
    const GatewayReply reply{200, lines, input.ConsumeRemainingBytesAsString()};
    RECHARGE_CHECK(alipay.read_query(reply, order).kind == Kind::unknown);
    RECHARGE_CHECK(alipay.read_refund(reply, RefundStart{order, "t", RefundId(), Money(), Money()}).kind ==
                   Kind::unknown);
    RECHARGE_CHECK(wechat.read_query(reply, order, now).kind == Kind::unknown);
    RECHARGE_CHECK(wechat.read_close(reply, now).kind == Kind::unknown);
    static_cast<void>(stripe.read_query(reply, order));  // vouched for by TLS: only must not fail
    return;
  }
  std::string inner(kInner);
  const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, inner.size());
  const std::size_t size = input.ConsumeIntegralInRange<std::size_t>(0, inner.size() - at);
  inner.replace(at, size, input.ConsumeRandomLengthString(200));
  const std::string body =
      "{\"alipay_trade_query_response\":" + inner + ",\"sign\":\"" + *fuzz_private_key().sign(inner) + "\"}";
  const QueryAnswer answer = alipay.read_query({200, "", body}, order);
  if (answer.kind != Kind::done || answer.state != QueryAnswer::State::paid) return;
  rapidjson::Document document;
  document.Parse(inner.data(), inner.size());
  RECHARGE_CHECK(!document.HasParseError() && document.IsObject());
  RECHARGE_CHECK(is(document, "code", "10000") && is(document, "out_trade_no", kHex));
  RECHARGE_CHECK(is(document, "trade_status", "TRADE_SUCCESS") ||
                 is(document, "trade_status", "TRADE_FINISHED"));
  RECHARGE_CHECK(answer.amount.is_positive());
}

}  // namespace recharge
