#include "tools/gateway_messages.h"

#include <openssl/evp.h>

#include <array>
#include <map>
#include <stdexcept>

#include "core/aes_gcm.h"
#include "core/base64.h"
#include "core/beijing_time.h"
#include "core/form_fields.h"
#include "core/json_members.h"
#include "core/sign_callback.h"

namespace recharge {
namespace {

constexpr std::int64_t kTooOldMs = 600'000;
constexpr std::string_view kOtherApp = "2021999999999999";

std::string signed_by(const RsaPrivateKey& key, const std::string& text) { return key.sign(text).value(); }
Secret secret_of(std::string_view text) { return std::move(Secret::from_text(text).value()); }

Time sent_at(SendingFault fault, Time now) {
  return fault == SendingFault::expired ? Time{now.ms - kTooOldMs} : now;
}

Money half_of(Money amount) { return Money::from_minor_units((amount.minor_units() + 1) / 2); }

// A digit of the order's id is another one, so that the body is still well formed.
void tamper(std::string& body, const std::string& id) {
  const auto at = body.find(id);
  if (at == std::string::npos) throw std::logic_error("a message without its order");
  char& digit = body[at + id.size() - 1];
  digit = digit == '0' ? '1' : '0';
}

std::string sealed(const SimulatedAccounts& accounts, const std::string& plain, const std::string& nonce) {
  std::string out(plain.size() + kGcmTagBytes, '\0');
  auto* const to = reinterpret_cast<unsigned char*>(out.data());
  const auto octets = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int size = 0;
  EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, octets(accounts.api_v3_key), octets(nonce));
  EVP_EncryptUpdate(context, nullptr, &size, octets("transaction"), 11);
  EVP_EncryptUpdate(context, to, &size, octets(plain), static_cast<int>(plain.size()));
  EVP_EncryptFinal_ex(context, to + size, &size);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, to + plain.size());
  EVP_CIPHER_CTX_free(context);
  return encode_base64({to, out.size()});
}

CallbackMessage alipay_message(const SimulatedAccounts& accounts, const PaidTrade& trade, SendingFault fault,
                               Time now, const RefundTold* refund) {
  const std::string app = fault == SendingFault::wrong_app ? std::string(kOtherApp) : accounts.app_id;
  std::map<std::string, std::string> fields = {{"app_id", app},
                                               {"auth_app_id", app},
                                               {"buyer_id", "2088102104794936"},
                                               {"charset", "utf-8"},
                                               {"gmt_create", to_beijing_time(trade.paid_at)},
                                               {"gmt_payment", to_beijing_time(trade.paid_at)},
                                               {"notify_id", "n" + trade.transaction_id},
                                               {"notify_time", to_beijing_time(now)},
                                               {"notify_type", "trade_status_sync"},
                                               {"out_trade_no", trade.order_id.to_hex()},
                                               {"passback_params", ""},
                                               {"seller_id", accounts.seller_id},
                                               {"subject", "Top-up & more, 100%"},
                                               {"total_amount", to_text(trade.amount)},
                                               {"trade_no", trade.transaction_id},
                                               {"trade_status", "TRADE_SUCCESS"},
                                               {"version", "1.0"}};
  if (refund != nullptr) {  // the trade's status stays, until nothing of it is left
    fields["notify_id"] = "n" + refund->number;
    fields.emplace("refund_fee", to_text(refund->refunded));
    fields.emplace("gmt_refund", to_beijing_time(now) + ".000");
    fields.emplace("out_biz_no", refund->number);
    if (refund->refunded == trade.amount) {
      fields["trade_status"] = "TRADE_CLOSED";
      fields.emplace("gmt_close", to_beijing_time(now));
    }
  }
  std::string text;
  CallbackMessage message;
  for (const auto& [name, value] : fields) {
    text.append(text.empty() ? "" : "&").append(name).append("=").append(value);
    append_form_field(message.body, name, value);
  }
  append_form_field(message.body, "sign_type", "RSA2");
  const RsaPrivateKey& key = fault == SendingFault::forged ? accounts.stranger : accounts.alipay;
  append_form_field(message.body, "sign", signed_by(key, text));
  return message;
}

CallbackMessage wechat_message(const SimulatedAccounts& accounts, const PaidTrade& trade, SendingFault fault,
                               Time now, const std::string& nonce, const RefundTold* refund) {
  JsonMembers plain, amount, payer, resource, body;
  amount.number("total", trade.amount.minor_units()).number("payer_total", 1);
  payer.text("openid", "o1");
  plain.text("mchid", accounts.mchid)
      .text("out_trade_no", trade.order_id.to_hex())
      .text("transaction_id", trade.transaction_id)
      .text("success_time", to_rfc3339(trade.paid_at));
  if (refund != nullptr) {
    amount.number("refund", refund->amount.minor_units()).number("payer_refund", 1);
    plain.text("out_refund_no", refund->number).text("refund_status", "SUCCESS");
  } else {
    amount.text("currency", "CNY");
    plain.text("appid", fault == SendingFault::wrong_app ? "wx9999999999999999" : accounts.appid)
        .text("trade_type", "NATIVE")
        .text("trade_state", "SUCCESS")
        .object("payer", payer);
  }
  plain.object("amount", amount);
  const std::string iv = nonce.substr(0, kGcmNonceBytes);
  resource.text("original_type", refund != nullptr ? "refund" : "transaction")
      .text("algorithm", "AEAD_AES_256_GCM")
      .text("ciphertext", sealed(accounts, plain.str(), iv))
      .text("associated_data", "transaction")
      .text("nonce", iv);
  body.text("id", "e" + (refund != nullptr ? refund->number : trade.transaction_id))
      .text("create_time", to_rfc3339(trade.paid_at))
      .text("event_type", refund != nullptr ? "REFUND.SUCCESS" : "TRANSACTION.SUCCESS")
      .text("resource_type", "encrypt-resource")
      .text("summary", "paid")
      .object("resource", resource);
  CallbackMessage message;
  message.body = body.str();
  const RsaPrivateKey& key = fault == SendingFault::forged ? accounts.stranger : accounts.wechat;
  message.headers = wechat_headers(accounts, key, message.body, sent_at(fault, now), nonce);
  constexpr std::string_view kSignature = "Wechatpay-Signature: ";
  for (std::string& header : message.headers) {
    if (fault == SendingFault::probe && header.starts_with(kSignature))
      header.insert(kSignature.size(), "WECHATPAY/SIGNTEST/");
  }
  return message;
}

CallbackMessage stripe_message(const SimulatedAccounts& accounts, const PaidTrade& trade, SendingFault fault,
                               Time now, const RefundTold* refund) {
  JsonMembers metadata, intent, data, event;
  const bool live = fault == SendingFault::wrong_app;  // an account of the other mode
  metadata.text("order_id", trade.order_id.to_text());
  const bool back = refund != nullptr;
  intent.text("id", (back ? "ch_" : "") + trade.transaction_id)
      .text("object", back ? "charge" : "payment_intent")
      .number("amount", trade.amount.minor_units())
      .number(back ? "amount_refunded" : "amount_received",
              (back ? refund->refunded : trade.amount).minor_units())
      .text("currency", "cny")
      .object("metadata", metadata)
      .text("status", "succeeded");
  if (back) intent.text("payment_intent", trade.transaction_id);
  data.object("object", intent);
  event.text("id", "evt_" + (back ? refund->number : trade.transaction_id))
      .text("object", "event")
      .number("created", trade.paid_at.ms / 1000)
      .text("type", back ? "charge.refunded" : "payment_intent.succeeded")
      .object("data", data);
  CallbackMessage message;
  message.body = event.str();
  message.body.pop_back();
  message.body.append(live ? ",\"livemode\":true}" : ",\"livemode\":false}");
  const std::string at = std::to_string(sent_at(fault, now).ms / 1000);
  const Secret secret = secret_of(fault == SendingFault::forged ? "whsec_stranger" : accounts.stripe_webhook);
  const std::string v1 = sign_fields(secret, at + "." + message.body).value();
  message.headers = {"Stripe-Signature: t=" + at + ",v1=" + v1};
  return message;
}

CallbackMessage standard_message(const SimulatedAccounts& accounts, const PaidTrade& trade,
                                 SendingFault fault, Time now) {
  JsonMembers data, event;
  data.text("order_id", trade.order_id.to_text())
      .number("amount", trade.amount.minor_units())
      .text("currency", "CNY")
      .text("transaction_id", trade.transaction_id)
      .text("paid_at", to_rfc3339(trade.paid_at));
  event.text("type", "payment.succeeded").text("timestamp", to_rfc3339(now)).object("data", data);
  CallbackMessage message;
  message.body = event.str();
  const std::string at = std::to_string(sent_at(fault, now).ms / 1000);
  const std::string id = "msg_" + trade.transaction_id;
  const Secret secret =
      secret_of(fault == SendingFault::forged ? "whsec_c3RyYW5nZXIsIHdobyBrbm93cyBubyBzZWNyZXQ="
                                              : accounts.standard_webhook);
  message.headers = {"webhook-id: " + id, "webhook-timestamp: " + at,
                     "webhook-signature: " + sign_standard(secret, id, at, message.body).value()};
  return message;
}

// refund: null where it tells of the payment.
CallbackMessage message_of(SimulatedGateway gateway, const SimulatedAccounts& accounts,
                           const PaidTrade& trade, SendingFault fault, Time now, const std::string& nonce,
                           const RefundTold* refund) {
  switch (gateway) {
    case SimulatedGateway::alipay:
      return alipay_message(accounts, trade, fault, now, refund);
    case SimulatedGateway::wechat:
      return wechat_message(accounts, trade, fault, now, nonce, refund);
    case SimulatedGateway::stripe:
      return stripe_message(accounts, trade, fault, now, refund);
    case SimulatedGateway::standard:
      break;
  }
  return standard_message(accounts, trade, fault, now);
}

}  // namespace

std::string_view to_text(SimulatedGateway gateway) noexcept {
  constexpr std::array<std::string_view, kSimulatedGateways> texts = {"alipay", "wechat", "stripe",
                                                                      "standard"};
  return texts[static_cast<std::size_t>(gateway)];
}

std::optional<SimulatedGateway> parse_simulated_gateway(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kSimulatedGateways; ++i) {
    const auto gateway = static_cast<SimulatedGateway>(i);
    if (to_text(gateway) == name) return gateway;
  }
  return std::nullopt;
}

std::string_view to_text(SendingFault fault) noexcept {
  constexpr std::array<std::string_view, kSendingFaults> texts = {
      "none", "forged", "tampered", "expired", "wrong_app", "probe", "refund"};
  return texts[static_cast<std::size_t>(fault)];
}

bool has_fault(SimulatedGateway gateway, SendingFault fault) noexcept {
  if (fault == SendingFault::expired) return gateway != SimulatedGateway::alipay;
  if (fault == SendingFault::wrong_app || fault == SendingFault::refund)
    return gateway != SimulatedGateway::standard;
  if (fault == SendingFault::probe) return gateway == SimulatedGateway::wechat;
  return true;
}

CallbackMessage payment_message(SimulatedGateway gateway, const SimulatedAccounts& accounts,
                                const PaidTrade& trade, SendingFault fault, Time now,
                                const std::string& nonce) {
  if (fault == SendingFault::refund) {  // one that nobody here asked for
    const Money half = half_of(trade.amount);
    return refund_message(gateway, accounts, trade, {"back-" + trade.transaction_id, half, half}, now, nonce);
  }
  CallbackMessage message = message_of(gateway, accounts, trade, fault, now, nonce, nullptr);
  if (fault == SendingFault::tampered) {
    const bool sealed_order = gateway == SimulatedGateway::wechat;
    const bool hex = gateway == SimulatedGateway::alipay;
    tamper(message.body, sealed_order ? "e" + trade.transaction_id
                         : hex        ? trade.order_id.to_hex()
                                      : trade.order_id.to_text());
  }
  return message;
}

CallbackMessage refund_message(SimulatedGateway gateway, const SimulatedAccounts& accounts,
                               const PaidTrade& trade, const RefundTold& refund, Time now,
                               const std::string& nonce) {
  return message_of(gateway, accounts, trade, SendingFault::none, now, nonce, &refund);
}

bool is_acknowledged(SimulatedGateway gateway, int status, std::string_view body) noexcept {
  if (gateway == SimulatedGateway::alipay) return status == 200 && body == "success";
  if (gateway == SimulatedGateway::wechat) return status == 200 || status == 204;
  return status >= 200 && status < 300;
}

std::vector<std::int64_t> retry_delays_s(SimulatedGateway gateway) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 3600;
  switch (gateway) {
    case SimulatedGateway::alipay:
      return {4 * kMinute, 10 * kMinute, 10 * kMinute, kHour, 2 * kHour, 6 * kHour, 15 * kHour};
    case SimulatedGateway::wechat:
      return {15,           15,           30,           3 * kMinute,  10 * kMinute,
              20 * kMinute, 30 * kMinute, 30 * kMinute, 30 * kMinute, 60 * kMinute,
              3 * kHour,    3 * kHour,    3 * kHour,    6 * kHour,    6 * kHour};
    case SimulatedGateway::stripe:  // exponential, for three days
      return {kMinute,    5 * kMinute, 30 * kMinute, 2 * kHour, 5 * kHour,
              10 * kHour, 12 * kHour,  12 * kHour,   24 * kHour};
    case SimulatedGateway::standard:
      break;
  }
  return {5, 5 * kMinute, 30 * kMinute, 2 * kHour, 5 * kHour, 10 * kHour, 14 * kHour, 20 * kHour, 24 * kHour};
}

std::vector<std::string> wechat_headers(const SimulatedAccounts& accounts, const RsaPrivateKey& key,
                                        const std::string& body, Time at, const std::string& nonce) {
  const std::string seconds = std::to_string(at.ms / 1000);
  return {"Wechatpay-Timestamp: " + seconds, "Wechatpay-Nonce: " + nonce,
          "Wechatpay-Serial: " + accounts.wechat_key_id,
          "Wechatpay-Signature-Type: WECHATPAY2-SHA256-RSA2048",
          "Wechatpay-Signature: " + signed_by(key, seconds + "\n" + nonce + "\n" + body + "\n")};
}

}  // namespace recharge
