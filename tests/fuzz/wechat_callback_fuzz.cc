// WeChat notifications: without WeChat's signature nothing is a payment; with it, only what is sealed under
// our key and names our merchant, app and currency, read by RapidJSON.
#include <rapidjson/document.h>

#include "core/aes_gcm.h"
#include "core/wechat_callback.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"
#include "tests/fuzz/fuzz_rsa.h"

namespace recharge {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kNonce = "0123456789ab";
constexpr std::string_view kPlain =
    R"({"mchid":"m","appid":"a","out_trade_no":"order","transaction_id":"t","trade_state":"SUCCESS",)"
    R"("amount":{"total":5000,"currency":"CNY"}})";

WechatAccount account() {
  WechatAccount made;
  made.mchid = "m";
  made.appid = "a";
  made.keys.push_back({"serial", fuzz_private_key().public_key()});
  made.api_v3_keys.push_back(Secret::from_text(kKey).value());
  return made;
}

std::string sealed(const std::string& plain) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  std::string out(plain.size() + kGcmTagBytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  int size = 0;
  EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, reinterpret_cast<const unsigned char*>(kKey.data()),
                     reinterpret_cast<const unsigned char*>(kNonce.data()));
  EVP_EncryptUpdate(context, to, &size, reinterpret_cast<const unsigned char*>(plain.data()),
                    static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(context, to + size, &size);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, to + plain.size());
  EVP_CIPHER_CTX_free(context);
  return base64_of(to, out.size());
}

std::string headers(const std::string& body) {
  return "Wechatpay-Timestamp: 1700000000\r\nWechatpay-Nonce: n\r\nWechatpay-Serial: serial\r\n"
         "Wechatpay-Signature: " +
         *fuzz_private_key().sign("1700000000\nn\n" + body + "\n") + "\r\n";
}

bool is_payment(const GatewayResult& result) {
  return result && result->kind == GatewayEvent::Kind::payment_succeeded;
}

std::string text_of_member(const rapidjson::Value& object, const char* name) {
  const auto at = object.FindMember(name);
  return at != object.MemberEnd() && at->value.IsString()
             ? std::string(at->value.GetString(), at->value.GetStringLength())
             : std::string();
}

void judge(const std::string& plain, const GatewayResult& result) {
  if (!is_payment(result)) return;
  rapidjson::Document document;
  document.Parse(plain.data(), plain.size());
  RECHARGE_CHECK(!document.HasParseError() && document.IsObject());
  RECHARGE_CHECK(text_of_member(document, "mchid") == "m" && text_of_member(document, "appid") == "a");
  RECHARGE_CHECK(text_of_member(document, "trade_state") == "SUCCESS");
  RECHARGE_CHECK(text_of_member(document, "out_trade_no") == result->order_id);
  const auto& amount = document["amount"];
  RECHARGE_CHECK(text_of_member(amount, "currency") == "CNY");
  RECHARGE_CHECK(amount["total"].IsInt64() && amount["total"].GetInt64() == result->amount.minor_units());
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static WechatCallbacks adapter(account());
  const Time now = from_unix_seconds(1'700'000'000);
  FuzzedDataProvider input(bytes.data(), bytes.size());
  const int mode = input.ConsumeIntegralInRange(0, 2);
  if (mode == 0) {  // whatever comes, unsigned
    const std::string lines = input.ConsumeRandomLengthString(400);
    RECHARGE_CHECK(!adapter.read({lines, input.ConsumeRemainingBytesAsString()}, now));
  } else if (mode == 1) {  // a signed body: sealed by nobody, so that it is no payment
    const std::string body = input.ConsumeRemainingBytesAsString();
    RECHARGE_CHECK(!is_payment(adapter.read({headers(body), body}, now)));
  } else {  // a sealed text; an edit of a good one, so that the fuzzer gets deep
    std::string plain(kPlain);
    const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, plain.size());
    const std::size_t size = input.ConsumeIntegralInRange<std::size_t>(0, plain.size() - at);
    plain.replace(at, size, input.ConsumeRemainingBytesAsString());
    const std::string body =
        R"({"event_type":"TRANSACTION.SUCCESS","resource":{"original_type":"transaction",)"
        R"("algorithm":"AEAD_AES_256_GCM","nonce":"0123456789ab","ciphertext":")" +
        sealed(plain) + "\"}}";
    judge(plain, adapter.read({headers(body), body}, now));
  }
}

}  // namespace recharge
