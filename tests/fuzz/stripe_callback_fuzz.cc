// Stripe events: a payment only where some v1 is the HMAC of just this body and time, the mode, currency and
// status are right; the body read by RapidJSON.
#include <rapidjson/document.h>

#include "core/stripe_callback.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"

namespace recharge {
namespace {

constexpr std::string_view kSecret = "whsec_fuzz";
constexpr std::string_view kEvent =
    R"({"object":"event","created":1700000000,"livemode":false,"type":"payment_intent.succeeded","data":{"object":)"
    R"({"object":"payment_intent","id":"pi_1","status":"succeeded","currency":"cny","amount_received":5000,)"
    R"("metadata":{"order_id":"order"}}}})";

StripeAccount account() {
  StripeAccount made;
  made.currency = *currency_from_code("CNY");
  made.secrets.push_back({"1", Secret::from_text(kSecret).value()});
  return made;
}

std::string hex(const std::array<unsigned char, 32>& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void judge(const std::string& body, const GatewayResult& result) {
  if (!result || result->kind != GatewayEvent::Kind::payment_succeeded) return;
  rapidjson::Document document;
  document.Parse(body.data(), body.size());
  RECHARGE_CHECK(!document.HasParseError() && document.IsObject());
  RECHARGE_CHECK(document["livemode"].IsFalse() && document["type"] == "payment_intent.succeeded");
  const auto& intent = document["data"]["object"];
  RECHARGE_CHECK(intent["status"] == "succeeded");
  RECHARGE_CHECK(intent["amount_received"].GetInt64() == result->amount.minor_units());
  const auto& order = intent["metadata"]["order_id"];
  RECHARGE_CHECK(std::string_view(order.GetString(), order.GetStringLength()) == result->order_id);
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static StripeCallbacks adapter(account());
  const Time now = from_unix_seconds(1'700'000'000);
  FuzzedDataProvider input(bytes.data(), bytes.size());
  std::string body(kEvent);
  const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, body.size());
  const std::size_t size = input.ConsumeIntegralInRange<std::size_t>(0, body.size() - at);
  const bool edits_header = input.ConsumeBool();
  const std::string edit = input.ConsumeRandomLengthString(200);
  if (!edits_header) body.replace(at, size, edit);
  const std::array<std::string, 1> right = {hex(hmac_of(kSecret, "1700000000." + body))};
  std::string header = "t=1700000000,v1=" + right[0];
  if (edits_header) header = with_marks_replaced(edit, right);
  std::erase(header, '\n');
  const GatewayResult result = adapter.read({"Stripe-Signature: " + header + "\r\n", body}, now);
  judge(body, result);
  if (result) RECHARGE_CHECK(header.find("v1=" + right[0]) != header.npos);
}

}  // namespace recharge
