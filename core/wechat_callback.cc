#include "core/wechat_callback.h"

#include "core/base64.h"
#include "core/names.h"

namespace recharge {
namespace {

using Kind = GatewayEvent::Kind;

static_assert(WechatVerifier::kHeaders.size() <= kMaxEvidenceHeaders);

}  // namespace

WechatCallbacks::WechatCallbacks(const WechatAccount& account)
    : mchid_(account.mchid), appid_(account.appid), verifier_(account.keys) {
  for (const Secret& key : account.api_v3_keys) openers_.emplace_back(key);
}

std::span<const std::string_view> WechatCallbacks::evidence_headers() const noexcept {
  return WechatVerifier::kHeaders;
}

GatewayResult WechatCallbacks::read(const GatewayMessage& message, Time now) {
  const auto proof = verifier_.verify(message, now);
  if (!proof) return proof.error();
  GatewayEvent event;
  event.key_id = proof->key_id;
  event.sent_at = proof->sent_at;
  return open(message.body, event);
}

GatewayResult WechatCallbacks::open(std::string_view body, GatewayEvent event) {
  const auto envelope = envelope_.read_copy(body, Nested::allow);
  if (!envelope) return GatewayRefusal::malformed;
  const std::string_view type = read_text(*envelope, "event_type");
  if (type.empty()) return GatewayRefusal::malformed;
  const bool refund = type.starts_with("REFUND.");
  if (type != "TRANSACTION.SUCCESS" && !refund) return event;
  const auto resource = envelope->object("resource");
  if (!resource || read_text(*resource, "algorithm") != "AEAD_AES_256_GCM" ||
      read_text(*resource, "original_type") != (refund ? "refund" : "transaction")) {
    return GatewayRefusal::malformed;
  }
  if (!unseal(*resource)) return GatewayRefusal::undecryptable;
  const auto plain = plain_.read_copy(opened_, Nested::allow);
  if (!plain) return GatewayRefusal::malformed;
  if (read_text(*plain, "mchid") != mchid_) return GatewayRefusal::wrong_account;
  event.order_id = read_text(*plain, "out_trade_no");
  event.transaction_id = read_text(*plain, "transaction_id");
  if (!is_order_reference(event.order_id) || !make_transaction_id(event.transaction_id))
    return GatewayRefusal::malformed;
  if (!refund) return read_transaction(*plain, event);
  event.kind = Kind::refund;
  return event;
}

bool WechatCallbacks::unseal(const JsonObject& resource) {
  const std::string_view text = read_text(resource, "ciphertext");
  sealed_.resize(text.size());
  const auto size = decode_public_base64(text, sealed_);
  if (!size) return false;
  for (Aes256GcmOpener& opener : openers_) {
    if (opener.open(read_text(resource, "nonce"), read_text(resource, "associated_data"),
                    std::span(sealed_).first(*size), opened_)) {
      return true;
    }
  }
  return false;
}

GatewayResult WechatCallbacks::read_transaction(const JsonObject& transaction, GatewayEvent event) {
  if (read_text(transaction, "appid") != appid_) return GatewayRefusal::wrong_account;
  const std::string_view state = read_text(transaction, "trade_state");
  if (state == "REFUND") {  // was paid, and went back
    event.kind = Kind::refund;
    return event;
  }
  if (state != "SUCCESS") return GatewayRefusal::malformed;  // the event says that it is
  const auto amount = transaction.object("amount");
  if (!amount) return GatewayRefusal::malformed;
  const auto total = read_minor_units(*amount, "total");  // payer_total is less where a coupon paid a part
  if (!total) return GatewayRefusal::malformed;
  const auto cny = *currency_from_code("CNY");
  if (read_text(*amount, "currency") != "CNY") return GatewayRefusal::wrong_currency;
  if (const std::string_view paid_at = read_text(transaction, "success_time"); !paid_at.empty()) {
    const auto time = parse_rfc3339(paid_at);
    if (!time) return GatewayRefusal::malformed;
    event.paid_at = *time;
  }
  event.kind = Kind::payment_succeeded;
  event.amount = *total;
  event.currency = cny;
  return event;
}

}  // namespace recharge
