// Purpose: an RSA key made for one run of the tests.
#pragma once

#include "core/rsa_key.h"
#include "tools/made_rsa_key.h"

namespace recharge {

// Two: of the gateway, and of the merchant.
inline const RsaPrivateKey& gateway_test_key() {
  static const RsaPrivateKey key = make_rsa_key();
  return key;
}
inline const RsaPrivateKey& merchant_test_key() {
  static const RsaPrivateKey key = make_rsa_key();
  return key;
}

}  // namespace recharge
