// Purpose: what a token key is made of: a secret, or a key of OpenSSL's. Internal to core.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "core/token_key.h"

namespace recharge {

struct FreePkey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using Pkey = std::unique_ptr<EVP_PKEY, FreePkey>;

struct TokenKey::Material {
  std::optional<Secret> secret;  // of HS256
  Pkey pkey;                     // of the others
  bool is_private = false;
};

// Whether it is a key of the algorithm's kind, strong enough.
Result<void> check_pkey(const EVP_PKEY* key, TokenAlgorithm algorithm) noexcept;

}  // namespace recharge
