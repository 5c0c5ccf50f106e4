// Purpose: whether a notification or an answer was signed by WeChat Pay: the headers Wechatpay-* over time,
// nonce and body. Source: pay.weixin.qq.com, API v3, "signature verification"; 300 s are too old here, as in
// the official Go SDK. Owner: one thread. Lifetime: a key's id lives as long as the verifier.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/gateway_event.h"
#include "core/rsa_key.h"

namespace recharge {

struct WechatKey {
  std::string id;  // as Wechatpay-Serial names it: PUB_KEY_ID_…, or the serial of a platform certificate
  RsaPublicKey key;
};

struct WechatProof {
  std::string_view key_id;  // its end, where it is longer than evidence has room for
  Time sent_at;
};

class WechatVerifier {
 public:
  static constexpr std::array<std::string_view, 5> kHeaders = {"Wechatpay-Timestamp", "Wechatpay-Nonce",
                                                               "Wechatpay-Serial", "Wechatpay-Signature",
                                                               "Wechatpay-Signature-Type"};

  explicit WechatVerifier(const std::vector<WechatKey>& keys);

  boost::system::result<WechatProof, GatewayRefusal> verify(const GatewayMessage& message, Time now);

 private:
  struct Key {
    std::string id;
    std::string evidence_id;
    RsaVerifier verifier;
  };

  std::vector<Key> keys_;
  std::string signed_text_;
};

}  // namespace recharge
