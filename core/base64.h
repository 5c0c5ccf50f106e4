// Purpose: strict base64: of the standard alphabet with padding, and of the URL-safe one without; neither
// with stray bits. Source: RFC 4648, sections 4 and 5. Lifetime: the caller owns every buffer. Errors:
// Errc::invalid_text, what was written then means nothing; Errc::too_long where the bytes do not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace recharge {

// Answers how many bytes it wrote. Takes constant time for text of one length, but for whether it is base64.
Result<std::size_t> decode_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept;
// The same of what is no secret, several times faster.
Result<std::size_t> decode_public_base64(std::string_view text, std::span<std::uint8_t> bytes) noexcept;
std::string encode_base64(std::span<const std::uint8_t> bytes);

Result<std::string> decode_base64url(std::string_view text);
std::string encode_base64url(std::string_view bytes);

}  // namespace recharge
