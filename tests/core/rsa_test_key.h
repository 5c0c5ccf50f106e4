// Purpose: an RSA key made for one run of the tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>

#include "core/base64.h"
#include "core/rsa_key.h"

namespace recharge {

inline RsaPrivateKey make_test_key() {
  EVP_PKEY* made = EVP_RSA_gen(2048);
  unsigned char* der = nullptr;
  const int size = made == nullptr ? 0 : i2d_PrivateKey(made, &der);
  if (size <= 0) throw std::runtime_error("no RSA key");
  const auto text = Secret::from_text(encode_base64({der, static_cast<std::size_t>(size)}));
  OPENSSL_free(der);
  EVP_PKEY_free(made);
  return RsaPrivateKey::parse(*text).value();
}

// Two: of the gateway, and of the merchant.
inline const RsaPrivateKey& gateway_test_key() {
  static const RsaPrivateKey key = make_test_key();
  return key;
}
inline const RsaPrivateKey& merchant_test_key() {
  static const RsaPrivateKey key = make_test_key();
  return key;
}

}  // namespace recharge
