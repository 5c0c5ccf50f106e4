// Alipay notifications: without Alipay's signature nothing is a payment; with it, only what an independent
// reading of the signed text calls one.
#include <map>

#include "core/alipay_callback.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_rsa.h"

namespace recharge {
namespace {

constexpr const char* kNames[] = {"app_id",       "seller_id",    "out_trade_no", "trade_no",
                                  "total_amount", "trade_status", "gmt_payment",  "refund_fee",
                                  "gmt_refund",   "out_biz_no",   "notify_type",  "passback_params"};

std::string encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

AlipayAccount account() {
  AlipayAccount made;
  made.app_id = "app";
  made.seller_id = "2088";
  made.keys.push_back(fuzz_private_key().public_key());
  return made;
}

// A form of the known names, each at most once, with Alipay's signature.
void fuzz_signed(FuzzedDataProvider& input, AlipayCallbacks& adapter) {
  std::map<std::string, std::string> fields;
  for (const char* name : kNames) {
    if (!input.ConsumeBool()) continue;
    const bool good = input.ConsumeBool();
    const std::string usual = name == std::string("app_id")         ? "app"
                              : name == std::string("seller_id")    ? "2088"
                              : name == std::string("out_trade_no") ? "order"
                              : name == std::string("trade_no")     ? "trade"
                              : name == std::string("total_amount") ? "50.00"
                              : name == std::string("trade_status") ? "TRADE_SUCCESS"
                              : name == std::string("notify_type")  ? "trade_status_sync"
                                                                    : "";
    fields[name] = good ? usual : input.ConsumeRandomLengthString(40);
  }
  std::string text, body;
  for (const auto& [name, value] : fields) {
    text += (text.empty() ? "" : "&") + name + "=" + value;
    body += name + "=" + encoded(value) + "&";
  }
  body += "sign=" + encoded(*fuzz_private_key().sign(text));
  const GatewayResult result = adapter.read({{}, body}, Time{});
  if (!result || result->kind != GatewayEvent::Kind::payment_succeeded) return;
  const auto value = [&](const char* name) {
    const auto at = fields.find(name);
    return at == fields.end() ? std::string() : at->second;
  };
  RECHARGE_CHECK(value("app_id") == "app" && value("seller_id") == "2088");
  RECHARGE_CHECK(value("trade_status") == "TRADE_SUCCESS" || value("trade_status") == "TRADE_FINISHED");
  RECHARGE_CHECK(value("refund_fee").empty() && value("gmt_refund").empty() && value("out_biz_no").empty());
  RECHARGE_CHECK(result->order_id == value("out_trade_no") && result->transaction_id == value("trade_no"));
  RECHARGE_CHECK(result->amount.is_positive());
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static AlipayCallbacks adapter(account());
  FuzzedDataProvider input(bytes.data(), bytes.size());
  if (input.ConsumeBool()) return fuzz_signed(input, adapter);
  const std::string body = input.ConsumeRemainingBytesAsString();
  RECHARGE_CHECK(!adapter.read({{}, body}, Time{}));
}

}  // namespace recharge
