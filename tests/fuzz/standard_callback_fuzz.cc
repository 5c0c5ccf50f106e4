// Payments by Standard Webhooks: only of signed bodies, and only what RapidJSON reads there, too.
#include <rapidjson/document.h>

#include "core/standard_callback.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"

namespace recharge {
namespace {

constexpr std::string_view kBody =
    R"({"type":"payment.succeeded","timestamp":"2023-11-14T22:13:20Z","data":{"order_id":"order","amount":5000,)"
    R"("currency":"CNY","transaction_id":"t","paid_at":"2023-11-14T22:13:20Z"}})";

}  // namespace

void fuzz(FuzzBytes bytes) {
  static StandardCallbacks adapter({*currency_from_code("CNY"), fuzz_ring()});
  const Time now = from_unix_seconds(1'700'000'000);
  FuzzedDataProvider input(bytes.data(), bytes.size());
  const bool is_signed = input.ConsumeBool();
  std::string body(kBody);
  const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, body.size());
  const std::size_t size = input.ConsumeIntegralInRange<std::size_t>(0, body.size() - at);
  body.replace(at, size, input.ConsumeRandomLengthString(200));
  const auto hmac = hmac_of(kFuzzSecrets[0], "id.1700000000." + body);
  const std::string signature =
      is_signed ? "v1," + base64_of(hmac.data(), hmac.size()) : input.ConsumeRemainingBytesAsString();
  const std::string lines =
      "webhook-id: id\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: " + signature + "\r\n";
  const GatewayResult result = adapter.read({lines, body}, now);
  RECHARGE_CHECK(is_signed || !result);
  if (!result || result->kind != GatewayEvent::Kind::payment_succeeded) return;
  rapidjson::Document document;
  document.Parse(body.data(), body.size());
  // A number beyond a double is JSON all the same, where nobody reads it: the rest is judged without it.
  for (std::string judged = body; document.GetParseError() == rapidjson::kParseErrorNumberTooBig;) {
    const std::size_t first = document.GetErrorOffset();
    judged.replace(first, judged.find_first_of(",]} \t\r\n", first) - first, "0");
    document.Parse(judged.data(), judged.size());
  }
  RECHARGE_CHECK(!document.HasParseError() && document["type"] == "payment.succeeded");
  const auto& data = document["data"];
  RECHARGE_CHECK(data["amount"].GetInt64() == result->amount.minor_units());
  const auto& order = data["order_id"];
  RECHARGE_CHECK(std::string_view(order.GetString(), order.GetStringLength()) == result->order_id);
}

}  // namespace recharge
