// Purpose: the value of a lower-case hex digit by one look-up, for text that is no secret.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace recharge {

constexpr std::string_view kLowerHexDigits = "0123456789abcdef";
constexpr std::uint8_t kNoHexDigit = 0xff;

namespace lower_hex_detail {
constexpr std::array<std::uint8_t, 256> make_values() noexcept {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = kNoHexDigit;
  for (std::uint8_t i = 0; i < 16; ++i) values[static_cast<unsigned char>(kLowerHexDigits[i])] = i;
  return values;
}
inline constexpr std::array<std::uint8_t, 256> kValues = make_values();
}  // namespace lower_hex_detail

// 0 to 15, or kNoHexDigit.
constexpr std::uint8_t lower_hex_value(char digit) noexcept {
  return lower_hex_detail::kValues[static_cast<unsigned char>(digit)];
}

}  // namespace recharge
