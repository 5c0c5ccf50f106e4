// Purpose: BLAKE2b-256 digests of evidence and request bodies. Source: RFC 7693, by libsodium.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace recharge {

using Digest = std::array<std::uint8_t, 32>;

Digest digest_of(std::string_view bytes) noexcept;
std::string digest_hex(const Digest& digest);

}  // namespace recharge
