// Purpose: whether a callback was signed by an active secret: by the fields of its body, or as Standard
// Webhooks. Every HMAC of every active secret is computed and compared in constant time, whether or not one
// fitted before. Owner: one thread. Lifetime: independent of the ring it was built from; a key id is valid as
// long as it is. Errors: Errc::invalid_signature, and nothing else. Whether the time is fresh is the caller's
// question. Source: Standard Webhooks 1.0.0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/hmac_sha256_key.h"
#include "core/key_ring.h"

namespace recharge {

class SignatureVerifier {
 public:
  static constexpr std::size_t kMaxSignatures = 16;        // in one webhook-signature header
  static constexpr std::size_t kMaxEd25519Signatures = 4;  // of them; each costs far more than an HMAC

  explicit SignatureVerifier(const KeyRing& ring);
  SignatureVerifier(SignatureVerifier&&) noexcept = default;
  SignatureVerifier& operator=(SignatureVerifier&&) noexcept = default;

  // signature_hex: 64 lower-case hex digits. Answers the id of the secret that signed.
  Result<std::string_view> verify_fields(std::string_view canonical, std::string_view signature_hex) noexcept;

  // The three headers webhook-id, -timestamp and -signature as received. Signatures of unknown versions, and
  // malformed ones, fit nothing; one that fits is enough.
  Result<std::string_view> verify_standard(std::string_view id, std::string_view timestamp,
                                           std::string_view body, std::string_view signatures) noexcept;

 private:
  struct HmacKeys {
    std::string id;
    HmacSha256Key fields;
    HmacSha256Key standard;
  };
  struct PublicKey {
    std::string id;
    Ed25519PublicKey key;
  };
  struct SignatureList;

  const PublicKey* find_ed25519(const SignatureList& list, std::string_view id, std::string_view timestamp,
                                std::string_view body) const noexcept;

  std::vector<HmacKeys> hmac_keys_;
  std::vector<PublicKey> public_keys_;
};

}  // namespace recharge
