#include "tests/simulation/gateways.h"

#include "core/canonical_text.h"
#include "core/check.h"

namespace recharge::simulation {
namespace {

constexpr std::array<std::string_view, kGateways> kSecrets = {
    "native-gateway-secret-0123456789abcdef0123456789abcdef",
    "other-gateway-secret-fedcba9876543210fedcba9876543210",
    "called-gateway-secret-0f1e2d3c4b5a69788796a5b4c3d2e1f0"};
constexpr std::string_view kForgersSecret = "guessed-secret-00000000000000000000000000000000000000";

HmacSha256Key key_of(std::string_view secret) { return HmacSha256Key(Secret::from_text(secret).value()); }

SignatureVerifier verifier_of(Gateway gateway) {
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"key-1", Secret::from_text(kSecrets[static_cast<std::size_t>(gateway)]).value()});
  return SignatureVerifier(KeyRing::make(std::move(secrets)).value());
}

std::string hex_of(const Hmac& signature) {
  std::string hex;
  for (const auto byte : signature) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace

std::string_view name_of(Gateway gateway) noexcept {
  constexpr std::array<std::string_view, kGateways> kNames = {kNativeGateway, "other", "called"};
  return kNames[static_cast<std::size_t>(gateway)];
}

Gateways::Gateways()
    : keys_{key_of(kSecrets[0]), key_of(kSecrets[1]), key_of(kSecrets[2])},
      forgers_key_(key_of(kForgersSecret)),
      verifiers_{verifier_of(Gateway::native), verifier_of(Gateway::other), verifier_of(Gateway::called)} {}

std::string Gateways::body_of(const Payment& payment, std::int64_t sent_at_s, HmacSha256Key& key) {
  const auto amount = to_text(Money::from_minor_units(payment.amount));
  const auto sent_at = std::to_string(sent_at_s);
  const std::string_view status = payment.success ? "success" : "fail";
  const std::string paid_at = payment.paid_at_s ? std::to_string(*payment.paid_at_s) : std::string();
  canonical_.clear();
  canonical_.append("amount=").append(amount).append("&order_id=").append(payment.order);
  if (payment.paid_at_s) canonical_.append("&paid_at=").append(paid_at);
  if (!payment.remark.empty()) canonical_.append("&remark=").append(payment.remark);
  canonical_.append("&status=").append(status).append("&timestamp=").append(sent_at);
  canonical_.append("&transaction_id=").append(payment.transaction_id);
  std::string body = "{\"order_id\":\"";
  body.append(payment.order).append("\",\"transaction_id\":\"").append(payment.transaction_id);
  body.append("\",\"amount\":").append(amount).append(",\"status\":\"").append(status);
  body.append("\",\"timestamp\":").append(sent_at);
  if (payment.paid_at_s) body.append(",\"paid_at\":").append(paid_at);
  if (!payment.remark.empty()) body.append(",\"remark\":\"").append(payment.remark).append("\"");
  body.append(",\"signature\":\"").append(hex_of(key.sign({canonical_}))).append("\"}");
  return body;
}

Callback Gateways::sign(const Payment& payment, std::int64_t sent_at_s) {
  return {payment.gateway, body_of(payment, sent_at_s, keys_[static_cast<std::size_t>(payment.gateway)])};
}

Callback Gateways::forge(const Payment& payment, std::int64_t sent_at_s, Draws& draws) {
  Callback callback = sign(payment, sent_at_s);
  switch (draws.below(4)) {
    case 0:  // an honest callback, altered
      callback.body.insert(callback.body.find("\"amount\":") + 9, 1, '1');
      break;
    case 1: {  // a bit of the signature
      auto& digit = callback.body[callback.body.size() - 3 - draws.below(64)];
      digit = digit == 'a' ? 'b' : 'a';
      break;
    }
    case 2:  // signed by somebody else
      callback.body = body_of(payment, sent_at_s, forgers_key_);
      break;
    default:  // that of one gateway, sent to the other
      callback.gateway = payment.gateway == Gateway::native ? Gateway::other : Gateway::native;
      break;
  }
  return callback;
}

std::optional<NativeCallback> Gateways::verify(const Callback& callback) {
  static const std::vector<std::string> required = {"order_id", "transaction_id", "amount", "status",
                                                    "timestamp"};
  const auto object = reader_.read_copy(callback.body, Nested::refuse);
  RECHARGE_CHECK(object.has_value());
  const auto signature = find_signature(*object);
  RECHARGE_CHECK(signature.has_value());
  if (!signature->has_value()) return std::nullopt;
  canonical_.clear();
  std::string_view bad_member;
  RECHARGE_CHECK(append_canonical_text(*object, canonical_, bad_member).has_value());
  auto& verifier = verifiers_[static_cast<std::size_t>(callback.gateway)];
  if (!verifier.verify_fields(canonical_, **signature)) return std::nullopt;
  const auto parsed = parse_native_callback(*object, required, TimestampMember::as_required);
  RECHARGE_CHECK(parsed.has_value());
  return *parsed;
}

}  // namespace recharge::simulation
