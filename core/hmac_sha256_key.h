// Purpose: HMAC-SHA256 under one secret, keyed once and used for every message. Source: RFC 2104, FIPS 180-4.
// Measured for 220 bytes: 0.4 us with OpenSSL's MAC started again under the key that it has; 1.6 us when it
// is made anew each time; 1.9 us with libsodium, which has no SHA instructions. bench/signature_bench.cc
// repeats it. Owner: one thread. Errors: the constructor throws where OpenSSL gives no HMAC-SHA256, at
// start-up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>

#include "core/secret.h"

namespace recharge {

using Hmac = std::array<std::uint8_t, 32>;

// 1 where they are equal, else 0, in constant time.
std::size_t equal(const Hmac& a, const Hmac& b) noexcept;

class HmacSha256Key {
 public:
  explicit HmacSha256Key(const Secret& secret);
  ~HmacSha256Key();
  HmacSha256Key(HmacSha256Key&&) noexcept;
  HmacSha256Key& operator=(HmacSha256Key&&) noexcept;

  // Of the pieces, one after the other.
  Hmac sign(std::span<const std::string_view> pieces) noexcept;
  Hmac sign(std::initializer_list<std::string_view> pieces) noexcept {
    return sign(std::span(pieces.begin(), pieces.size()));
  }

 private:
  class Context;
  std::unique_ptr<Context> context_;
};

}  // namespace recharge
