// Purpose: the secrets of the fuzz targets that verify signatures, and the right signatures, made without the
// code under test.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <array>
#include <string>
#include <string_view>

#include "core/key_ring.h"

namespace recharge {

inline const std::array<std::string, 2> kFuzzSecrets = {"the first secret", "whsec_dGhlIHNlY29uZCBzZWNyZXQ="};
inline const std::string kFuzzSecondKey = "the second secret";  // what its base64 stands for

struct Ed25519Pair {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> open;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret;
};

inline Ed25519Pair fuzz_pair() {
  Ed25519Pair pair;
  std::array<unsigned char, crypto_sign_SEEDBYTES> seed{7};
  crypto_sign_seed_keypair(pair.open.data(), pair.secret.data(), seed.data());
  return pair;
}

inline std::string base64_of(const unsigned char* bytes, std::size_t size) {
  std::string text(4 * ((size + 2) / 3) + 1, '\0');
  const int written =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.resize(static_cast<std::size_t>(written));
  return text;
}

inline std::array<unsigned char, 32> hmac_of(std::string_view key, std::string_view message) {
  std::array<unsigned char, 32> hmac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), hmac.data(), &size);
  return hmac;
}

inline KeyRing fuzz_ring() {
  std::vector<CallbackSecret> secrets;
  for (std::size_t i = 0; i < kFuzzSecrets.size(); ++i) {
    secrets.push_back({"hmac" + std::to_string(i), Secret::from_text(kFuzzSecrets[i]).value()});
  }
  const Ed25519Pair pair = fuzz_pair();
  const std::string open = "whpk_" + base64_of(pair.open.data(), pair.open.size());
  secrets.push_back({"ed25519", Secret::from_text(open).value()});
  return KeyRing::make(std::move(secrets)).value();
}

}  // namespace recharge
