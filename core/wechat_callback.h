// Purpose: notifications of WeChat Pay API v3: verified by the headers Wechatpay-*, opened with the APIv3
// key, and read. Source: pay.weixin.qq.com, API v3, "signature verification" and "payment notification";
// where the SDKs differ, the stricter rule holds: 300 s are too old, the tag of the sealed text is checked,
// and probes of the signature check are refused. Owner: one thread.
#pragma once

#include <string>
#include <vector>

#include "core/aes_gcm.h"
#include "core/gateway_event.h"
#include "core/secret.h"
#include "core/wechat_verifier.h"

namespace recharge {

struct WechatAccount {
  std::string mchid;
  std::string appid;
  std::vector<WechatKey> keys;      // WeChat's own
  std::vector<Secret> api_v3_keys;  // 32 bytes each; several while they are exchanged
};

class WechatCallbacks final : public GatewayAdapter {
 public:
  explicit WechatCallbacks(const WechatAccount& account);

  GatewayResult read(const GatewayMessage& message, Time now) override;
  SignatureScheme scheme() const noexcept override { return SignatureScheme::wechat; }
  std::span<const std::string_view> evidence_headers() const noexcept override;

 private:
  GatewayResult open(std::string_view body, GatewayEvent event);
  bool unseal(const JsonObject& resource);
  GatewayResult read_transaction(const JsonObject& transaction, GatewayEvent event);

  std::string mchid_;
  std::string appid_;
  WechatVerifier verifier_;
  std::vector<Aes256GcmOpener> openers_;
  JsonReader envelope_;
  JsonReader plain_;
  std::vector<std::uint8_t> sealed_;
  std::string opened_;
};

}  // namespace recharge
