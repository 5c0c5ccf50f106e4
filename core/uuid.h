// Purpose: time-ordered ids (UUID version 7, RFC 9562) that carry the shard of what they name in their last
// byte. Lifetime: values of 16 bytes, ordered by time. A tag makes each kind of id a type of its own.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/time.h"

namespace recharge {

using UuidBytes = std::array<std::uint8_t, 16>;

// random: 10 bytes of entropy, of which 66 bits are used. REQUIRES: 0 <= time.ms < 2^48.
UuidBytes make_uuid_v7(Time time, std::uint8_t shard, const std::array<std::uint8_t, 10>& random) noexcept;
std::string uuid_text(const UuidBytes& bytes);  // 36 characters, lower case
std::string uuid_hex(const UuidBytes& bytes);   // 32 hex digits, lower case
// 36 characters or 32 hex digits, lower case only, version 7 and RFC variant; else Errc::invalid_text.
Result<UuidBytes> parse_uuid_v7(std::string_view text) noexcept;

template <class Tag>
struct Uuid {
  UuidBytes bytes{};

  static Uuid make(Time time, std::uint8_t shard, const std::array<std::uint8_t, 10>& random) noexcept {
    return Uuid{make_uuid_v7(time, shard, random)};
  }
  static Result<Uuid> parse(std::string_view text) noexcept {
    auto parsed = parse_uuid_v7(text);
    if (!parsed) return parsed.error();
    return Uuid{*parsed};
  }

  std::string to_text() const { return uuid_text(bytes); }
  std::string to_hex() const { return uuid_hex(bytes); }
  std::uint8_t shard() const noexcept { return bytes[15]; }
  Time time() const noexcept {
    std::int64_t ms = 0;
    for (int i = 0; i < 6; ++i) ms = ms << 8 | bytes[static_cast<std::size_t>(i)];
    return Time{ms};
  }
  bool is_nil() const noexcept { return bytes == UuidBytes{}; }

  friend auto operator<=>(const Uuid&, const Uuid&) noexcept = default;
};

using OrderId = Uuid<struct OrderIdTag>;
using ExceptionId = Uuid<struct ExceptionIdTag>;

}  // namespace recharge
