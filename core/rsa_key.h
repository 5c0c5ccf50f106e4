// Purpose: RSA signatures of gateways: RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 bits and more, by
// OpenSSL. Keys are parsed once, when settings are loaded. Source: RFC 8017, section 8.2. Lifetime: a key is
// immutable and shared by its copies; a verifier or signer keeps its key alive and belongs to one thread.
// Errors: parse answers Errc::invalid_text where the text is no such key, out_of_range where it is too small.
// A verifier's constructor throws where OpenSSL gives no RSA, at start-up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/secret.h"

struct evp_pkey_st;

namespace recharge {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;

class RsaPublicKey {
 public:
  // PEM ("PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE") or the same without its armour, as gateways hand it
  // out.
  static Result<RsaPublicKey> parse(std::string_view text);

  // The first 16 hex digits of the SHA-256 of the key's SubjectPublicKeyInfo: names it in evidence.
  const std::string& fingerprint() const noexcept { return fingerprint_; }

 private:
  friend class RsaPrivateKey;
  friend class RsaVerifier;
  std::shared_ptr<evp_pkey_st> key_;
  std::string fingerprint_;
};

class RsaVerifier {
 public:
  explicit RsaVerifier(const RsaPublicKey& key);
  ~RsaVerifier();
  RsaVerifier(RsaVerifier&&) noexcept;
  RsaVerifier& operator=(RsaVerifier&&) noexcept;

  // signature: base64. What is no base64 fits nothing.
  bool verify(std::string_view message, std::string_view signature) noexcept;

 private:
  class Context;
  std::unique_ptr<Context> context_;
};

class RsaPrivateKey {
 public:
  // PEM ("PRIVATE KEY", "RSA PRIVATE KEY"), not encrypted, or the same without its armour.
  static Result<RsaPrivateKey> parse(const Secret& text);

  // Base64. Errc::out_of_range where OpenSSL cannot sign.
  Result<std::string> sign(std::string_view message) const;
  RsaPublicKey public_key() const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace recharge
