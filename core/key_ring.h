// Purpose: the secrets that verify callbacks; several at once while they are rotated.
//   whsec_BASE64  HMAC key of Standard Webhooks, decoded there; as text for field signatures
//   whpk_BASE64   Ed25519 public key of Standard Webhooks; verifies no field signature
//   other text    HMAC key of both, as it stands
// Lifetime: immutable once made; read by any thread. Source: Standard Webhooks 1.0.0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/secret.h"

namespace recharge {

struct CallbackSecret {
  std::string id;  // names the secret in logs and evidence; 1 to 32 bytes
  Secret secret;
};

using Ed25519PublicKey = std::array<std::uint8_t, 32>;

bool is_public_key(const Secret& secret) noexcept;  // by its prefix
// Errc::invalid_text where what follows whpk_ is no key.
Result<Ed25519PublicKey> public_key(const Secret& secret) noexcept;
// The HMAC key of Standard Webhooks. Errc::invalid_text where what follows whsec_ is no base64, or the secret
// is a public key.
Result<Secret> standard_webhooks_key(const Secret& secret);

// Errc::out_of_range: the id is empty; too_long: it is longer than 32 bytes; invalid_text: the secret is no
// key.
Result<void> check_callback_secret(const CallbackSecret& secret);

class KeyRing {
 public:
  static constexpr std::size_t kMaxSecrets = 16;

  KeyRing() = default;  // verifies nothing
  // Errors: those of check_callback_secret; duplicate_name of an id; too_long for too many.
  static Result<KeyRing> make(std::vector<CallbackSecret> secrets);

  const std::vector<CallbackSecret>& secrets() const noexcept { return secrets_; }

 private:
  explicit KeyRing(std::vector<CallbackSecret> secrets) noexcept : secrets_(std::move(secrets)) {}
  std::vector<CallbackSecret> secrets_;
};

}  // namespace recharge
