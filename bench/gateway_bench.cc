// What verifying and reading one callback of each gateway costs, beside the RSA check alone; messages of the
// sizes that gateways send.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <map>
#include <string>

#include "core/aes_gcm.h"
#include "core/alipay_callback.h"
#include "core/base64.h"
#include "core/form_fields.h"
#include "core/sign_callback.h"
#include "core/standard_callback.h"
#include "core/stripe_callback.h"
#include "core/wechat_callback.h"
#include "tools/made_rsa_key.h"

namespace recharge {
namespace {

constexpr Time kNow{1'700'000'000'000};
constexpr std::string_view kSealKey = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kWhsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const RsaPrivateKey& rsa_key() {
  static const RsaPrivateKey key = make_rsa_key();
  return key;
}

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

void run(benchmark::State& state, GatewayAdapter& adapter, const std::string& lines,
         const std::string& body) {
  const auto is_payment = [&](const std::string& text) {
    const GatewayResult result = adapter.read({lines, text}, kNow);
    return result && result->kind == GatewayEvent::Kind::payment_succeeded;
  };
  if (!is_payment(body)) state.SkipWithError("not a payment");
  if (is_payment("x" + body)) state.SkipWithError("a payment that was not signed");
  for (auto _ : state) benchmark::DoNotOptimize(adapter.read({lines, body}, kNow));
}

void rsa_2048(benchmark::State& state) {
  RsaVerifier verifier(rsa_key().public_key());
  const std::string message(1000, 'm');
  const std::string signature = *rsa_key().sign(message);
  if (!verifier.verify(message, signature)) state.SkipWithError("not verified");
  for (auto _ : state) benchmark::DoNotOptimize(verifier.verify(message, signature));
}
BENCHMARK(rsa_2048);

void alipay_callback(benchmark::State& state) {
  const std::map<std::string, std::string> fields = {
      {"app_id", "2021000000000001"},
      {"auth_app_id", "2021000000000001"},
      {"buyer_id", "2088102104794936"},
      {"buyer_logon_id", "138****5678"},
      {"charset", "utf-8"},
      {"fund_bill_list", R"([{"amount":"50.00","fundChannel":"ALIPAYACCOUNT"}])"},
      {"gmt_create", "2023-11-15 06:13:01"},
      {"gmt_payment", "2023-11-15 06:13:15"},
      {"notify_id", "2023111500222061315094930520123456"},
      {"notify_time", "2023-11-15 06:13:20"},
      {"notify_type", "trade_status_sync"},
      {"out_trade_no", "0190a1b2c3d47e5f8a6b0123456789ab"},
      {"receipt_amount", "50.00"},
      {"seller_id", "2088000000000001"},
      {"subject", "Top-up of 50 yuan"},
      {"total_amount", "50.00"},
      {"trade_no", "2023111522001494930501234567"},
      {"trade_status", "TRADE_SUCCESS"},
      {"version", "1.0"}};
  std::string text, body;
  for (const auto& [name, value] : fields) {
    text.append(text.empty() ? "" : "&").append(name).append("=").append(value);
    append_form_field(body, name, value);
  }
  append_form_field(body, "sign", *rsa_key().sign(text));
  AlipayCallbacks adapter({"2021000000000001", "2088000000000001", {rsa_key().public_key()}});
  run(state, adapter, "", body);
}
BENCHMARK(alipay_callback);

std::string sealed(const std::string& plain, const std::string& nonce) {
  std::string out(plain.size() + kGcmTagBytes, '\0');
  auto* const to = reinterpret_cast<unsigned char*>(out.data());
  const auto octets = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int size = 0;
  EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, octets(kSealKey), octets(nonce));
  EVP_EncryptUpdate(context, to, &size, octets(plain), static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(context, to + size, &size);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, to + plain.size());
  EVP_CIPHER_CTX_free(context);
  return encode_base64({to, out.size()});
}

void wechat_callback(benchmark::State& state) {
  const std::string plain =
      R"({"mchid":"1900000001","appid":"wx0000000000000001","out_trade_no":"0190a1b2c3d47e5f8a6b0123456789ab",)"
      R"("transaction_id":"4200001234202311150123456789","trade_type":"NATIVE","trade_state":"SUCCESS",)"
      R"("trade_state_desc":"paid","bank_type":"OTHERS","attach":"","success_time":"2023-11-15T06:13:15+08:00",)"
      R"("payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"amount":{"total":5000,"payer_total":5000,)"
      R"("currency":"CNY","payer_currency":"CNY"}})";
  const std::string body =
      R"({"id":"6d1b0c3e-5a1c-5a0d-9d1e-0123456789ab","create_time":"2023-11-15T06:13:16+08:00",)"
      R"("resource_type":"encrypt-resource","event_type":"TRANSACTION.SUCCESS","summary":"payment","resource":)"
      R"({"original_type":"transaction","algorithm":"AEAD_AES_256_GCM","nonce":"0123456789ab","ciphertext":")" +
      sealed(plain, "0123456789ab") + "\"}}";
  const std::string lines =
      "POST /api/callbacks/wechat HTTP/1.1\r\nHost: pay.example\r\nContent-Type: application/json\r\n"
      "Wechatpay-Timestamp: 1700000000\r\nWechatpay-Nonce: 0123456789abcdef\r\nWechatpay-Serial: "
      "PUB_KEY_ID_1\r\n"
      "Wechatpay-Signature: " +
      *rsa_key().sign("1700000000\n0123456789abcdef\n" + body + "\n") + "\r\n";
  WechatAccount account;
  account.mchid = "1900000001";
  account.appid = "wx0000000000000001";
  account.keys.push_back({"PUB_KEY_ID_1", rsa_key().public_key()});
  account.api_v3_keys.push_back(secret(kSealKey));
  WechatCallbacks adapter(account);
  run(state, adapter, lines, body);
}
BENCHMARK(wechat_callback);

std::string hex(const Hmac& hmac) {
  std::string text;
  for (const std::uint8_t byte : hmac) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 15]);
  }
  return text;
}

void stripe_callback(benchmark::State& state) {
  const std::string body =
      "{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n  \"created\": 1700000000,\n  \"livemode\": "
      "false,\n"
      "  \"type\": \"payment_intent.succeeded\",\n  \"data\": {\n    \"object\": {\n      \"id\": \"pi_1\",\n"
      "      \"object\": \"payment_intent\",\n      \"amount\": 5000,\n      \"amount_received\": 5000,\n"
      "      \"currency\": \"cny\",\n      \"description\": \"" +
      std::string(1500, 'd') +
      "\",\n      \"metadata\": {\n        \"order_id\": \"0190a1b2c3d47e5f8a6b0123456789ab\"\n      },\n"
      "      \"status\": \"succeeded\"\n    }\n  }\n}";
  HmacSha256Key key(secret(kWhsec));
  const std::string lines =
      "Stripe-Signature: t=1700000000,v1=" + hex(key.sign({"1700000000.", body})) + "\r\n";
  StripeAccount account;
  account.currency = *currency_from_code("CNY");
  account.secrets.push_back({"1", secret(kWhsec)});
  StripeCallbacks adapter(account);
  run(state, adapter, lines, body);
}
BENCHMARK(stripe_callback);

void standard_callback(benchmark::State& state) {
  const std::string body =
      R"({"type":"payment.succeeded","timestamp":"2023-11-14T22:13:20Z","data":{"order_id":)"
      R"("0190a1b2c3d47e5f8a6b0123456789ab","amount":5000,"currency":"CNY","transaction_id":"txn_1"}})";
  const std::string lines = "webhook-id: msg_1\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: " +
                            *sign_standard(secret(kWhsec), "msg_1", "1700000000", body) + "\r\n";
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"1", secret(kWhsec)});
  StandardCallbacks adapter({*currency_from_code("CNY"), KeyRing::make(std::move(secrets)).value()});
  run(state, adapter, lines, body);
}
BENCHMARK(standard_callback);

}  // namespace
}  // namespace recharge
