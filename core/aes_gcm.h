// Purpose: opens what was sealed with AES-256-GCM, and only where its tag fits. Source: NIST SP 800-38D;
// WeChat Pay v3 uses nonces of 12 bytes and puts the tag behind the ciphertext. Owner: one thread. Errors:
// Errc::invalid_signature where the tag does not fit; out_of_range where key, nonce or text have the wrong
// size. Nothing is left in `plain` then. The constructor throws where OpenSSL gives no AES, at start-up.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/secret.h"

struct evp_cipher_ctx_st;

namespace recharge {

constexpr std::size_t kAes256KeyBytes = 32;
constexpr std::size_t kGcmNonceBytes = 12;
constexpr std::size_t kGcmTagBytes = 16;

// Under one key, which is set up once.
class Aes256GcmOpener {
 public:
  explicit Aes256GcmOpener(const Secret& key);

  Result<void> open(std::string_view nonce, std::string_view associated_data,
                    std::span<const std::uint8_t> sealed, std::string& plain);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;  // none: the key has the wrong size
};

}  // namespace recharge
