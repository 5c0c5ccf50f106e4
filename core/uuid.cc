#include "core/uuid.h"

#include <cstddef>

#include "core/check.h"
#include "core/lower_hex.h"

namespace recharge {
namespace {

constexpr std::size_t kHexSize = 32;
constexpr std::size_t kTextSize = 36;

constexpr bool dash_before_byte(std::size_t i) noexcept { return i == 4 || i == 6 || i == 8 || i == 10; }

}  // namespace

UuidBytes make_uuid_v7(Time time, std::uint8_t shard, const std::array<std::uint8_t, 10>& random) noexcept {
  RECHARGE_CHECK(time.ms >= 0 && time.ms < std::int64_t{1} << 48);
  UuidBytes bytes;
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(time.ms >> (40 - 8 * i));
  bytes[6] = static_cast<std::uint8_t>(0x70 | (random[0] & 0x0f));
  bytes[7] = random[1];
  bytes[8] = static_cast<std::uint8_t>(0x80 | (random[2] & 0x3f));
  for (std::size_t i = 9; i < 15; ++i) bytes[i] = random[i - 6];
  bytes[15] = shard;
  return bytes;
}

std::string uuid_text(const UuidBytes& bytes) {
  std::string text;
  text.reserve(kTextSize);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dash_before_byte(i)) text += '-';
    text += kLowerHexDigits[bytes[i] >> 4];
    text += kLowerHexDigits[bytes[i] & 15];
  }
  return text;
}

std::string uuid_hex(const UuidBytes& bytes) {
  std::string text;
  text.reserve(kHexSize);
  for (const std::uint8_t byte : bytes) {
    text += kLowerHexDigits[byte >> 4];
    text += kLowerHexDigits[byte & 15];
  }
  return text;
}

Result<UuidBytes> parse_uuid_v7(std::string_view text) noexcept {
  const bool dashes = text.size() == kTextSize;
  if (!dashes && text.size() != kHexSize) return Errc::invalid_text;

  UuidBytes bytes;
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dashes && dash_before_byte(i) && text[at++] != '-') return Errc::invalid_text;
    const std::uint8_t high = lower_hex_value(text[at++]);
    const std::uint8_t low = lower_hex_value(text[at++]);
    if ((high | low) > 15) return Errc::invalid_text;
    bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (bytes[6] >> 4 != 7 || bytes[8] >> 6 != 2) return Errc::invalid_text;
  return bytes;
}

}  // namespace recharge
