// Purpose: Alipay's asynchronous notifications (RSA2): verified over their decoded, sorted form, and read.
// Source: opendocs.alipay.com, "asynchronous notification"; where SDKs differ, the stricter rule holds: RSA2
// alone, no name twice, and no form that could be read in two ways. There is no time in it to be checked: a
// repeat is recognised by its order. Owner: one thread.
#pragma once

#include <string>
#include <vector>

#include "core/form_fields.h"
#include "core/gateway_event.h"
#include "core/rsa_key.h"

namespace recharge {

struct AlipayAccount {
  std::string app_id;
  std::string seller_id;           // ours: 2088…
  std::vector<RsaPublicKey> keys;  // Alipay's own; several while they are exchanged
};

class AlipayCallbacks final : public GatewayAdapter {
 public:
  explicit AlipayCallbacks(const AlipayAccount& account);

  GatewayResult read(const GatewayMessage& message, Time now) override;
  SignatureScheme scheme() const noexcept override { return SignatureScheme::alipay; }
  std::span<const std::string_view> evidence_headers() const noexcept override { return {}; }

 private:
  struct Key {
    std::string id;
    RsaVerifier verifier;
  };

  boost::system::result<std::string_view, GatewayRefusal> verify();
  GatewayResult interpret(std::string_view key_id) const;

  std::string app_id_;
  std::string seller_id_;
  std::vector<Key> keys_;
  FormFields form_;
  std::string signed_text_;
};

}  // namespace recharge
