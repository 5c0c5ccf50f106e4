// Purpose: opens what was sealed with AES-256-GCM, and only where its tag fits. Source: NIST SP 800-38D;
// WeChat Pay v3 uses nonces of 12 bytes and puts the tag behind the ciphertext. Errors:
// Errc::invalid_signature where the tag does not fit; out_of_range where key, nonce or text have the wrong
// size. Nothing is left in `plain` then.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace recharge {

constexpr std::size_t kAes256KeyBytes = 32;
constexpr std::size_t kGcmNonceBytes = 12;
constexpr std::size_t kGcmTagBytes = 16;

Result<void> open_aes_256_gcm(std::string_view key, std::string_view nonce, std::string_view associated_data,
                              std::span<const std::uint8_t> sealed, std::string& plain);

}  // namespace recharge
