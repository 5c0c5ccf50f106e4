#include "core/wechat_verifier.h"

#include "core/header_lines.h"

namespace recharge {
namespace {

constexpr std::string_view kProbe = "WECHATPAY/SIGNTEST/";
constexpr std::string_view kSignatureType = "WECHATPAY2-SHA256-RSA2048";

// The ends of long ids differ, their beginnings do not.
std::string end_of(const std::string& id) {
  constexpr std::size_t kRoom = 16;  // what an order's row holds without growing
  return id.size() <= kRoom ? id : id.substr(id.size() - kRoom);
}

}  // namespace

WechatVerifier::WechatVerifier(const std::vector<WechatKey>& keys) {
  for (const WechatKey& key : keys) keys_.push_back({key.id, end_of(key.id), RsaVerifier(key.key)});
}

boost::system::result<WechatProof, GatewayRefusal> WechatVerifier::verify(const GatewayMessage& message,
                                                                          Time now) {
  std::array<HeaderValue, kHeaders.size()> headers;
  find_headers(message.header_lines, kHeaders, headers);
  const std::string_view timestamp = single(headers[0]);
  const std::string_view nonce = single(headers[1]);
  const std::string_view serial = single(headers[2]);
  const std::string_view signature = single(headers[3]);
  const HeaderValue& type = headers[4];
  if (signature.starts_with(kProbe)) return GatewayRefusal::signature_probe;
  const auto sent_s = read_unix_seconds(timestamp);
  if (!sent_s || nonce.empty() || serial.empty() || signature.empty()) return GatewayRefusal::no_signature;
  if (type.repeated || (type.found && type.text != kSignatureType)) return GatewayRefusal::no_signature;
  if (seconds_between(*sent_s, now) >= kGatewayToleranceSeconds) return GatewayRefusal::stale;
  for (Key& key : keys_) {
    if (key.id != serial) continue;
    signed_text_.clear();
    signed_text_.append(timestamp).append("\n").append(nonce).append("\n");
    signed_text_.append(message.body).append("\n");
    if (!key.verifier.verify(signed_text_, signature)) return GatewayRefusal::invalid_signature;
    return WechatProof{key.evidence_id, from_unix_seconds(*sent_s)};
  }
  return GatewayRefusal::unknown_key;
}

}  // namespace recharge
