// Purpose: a fresh RSA key, for simulated gateways, tests and benchmarks. Source of randomness: OpenSSL.
// Errors: throws std::runtime_error where OpenSSL makes none.
#pragma once

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>
#include <string>

#include "core/base64.h"
#include "core/rsa_key.h"

namespace recharge {

// Base64 of the key (PKCS #1) and of its SubjectPublicKeyInfo, as gateways hand keys out.
struct RsaKeyText {
  std::string private_key;
  std::string public_key;
};

inline RsaKeyText make_rsa_key_text() {
  const auto base64_of = [](EVP_PKEY* key, auto encode) {
    unsigned char* der = nullptr;
    const int size = key == nullptr ? 0 : encode(key, &der);
    if (size <= 0) throw std::runtime_error("no RSA key");
    std::string text = encode_base64({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return text;
  };
  EVP_PKEY* made = EVP_RSA_gen(kMinRsaBits);
  RsaKeyText text{base64_of(made, i2d_PrivateKey), base64_of(made, i2d_PUBKEY)};
  EVP_PKEY_free(made);
  return text;
}

inline RsaPrivateKey make_rsa_key() {
  return RsaPrivateKey::parse(Secret::from_text(make_rsa_key_text().private_key).value()).value();
}

}  // namespace recharge
