// Purpose: signs what is sent to an endpoint: by every secret of its file, so that secrets are exchanged
// without a gap. Owner: one thread at a time. Lifetime: of the endpoint. Errors: SettingsError when loaded.
// Source: Standard Webhooks 1.0.0: v1 is HMAC-SHA256 (whsec_…), v1a Ed25519 (whsk_…: base64 of the seed, or
// of seed and public key).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "server/secret_source.h"

namespace recharge {

class WebhookSigner {
 public:
  explicit WebhookSigner(const SecretSource& source);

  // The value of webhook-signature.
  std::string sign(std::string_view id, std::string_view timestamp, std::string_view body) const;

 private:
  std::vector<Secret> shared_;   // whsec_…
  std::vector<Secret> private_;  // 64 bytes: seed and public key
};

}  // namespace recharge
