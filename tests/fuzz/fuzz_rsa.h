// Purpose: an RSA key of the run for the targets of gateways, and the parts of their messages.
#pragma once

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <stdexcept>

#include "core/base64.h"
#include "core/rsa_key.h"

namespace recharge {

inline const RsaPrivateKey& fuzz_private_key() {
  static const RsaPrivateKey key = [] {
    EVP_PKEY* made = EVP_RSA_gen(2048);
    unsigned char* der = nullptr;
    const int size = made == nullptr ? 0 : i2d_PrivateKey(made, &der);
    if (size <= 0) throw std::runtime_error("no RSA key");
    const auto text = Secret::from_text(encode_base64({der, static_cast<std::size_t>(size)}));
    OPENSSL_free(der);
    EVP_PKEY_free(made);
    return RsaPrivateKey::parse(*text).value();
  }();
  return key;
}

}  // namespace recharge
