// Purpose: an RSA key of the run for the targets of gateways, and the parts of their messages.
#pragma once

#include "core/rsa_key.h"
#include "tools/made_rsa_key.h"

namespace recharge {

inline const RsaPrivateKey& fuzz_private_key() {
  static const RsaPrivateKey key = make_rsa_key();
  return key;
}

}  // namespace recharge
