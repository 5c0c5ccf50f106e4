// Purpose: percent-encoding of addresses and forms. Source: RFC 3986, section 2; '+' is a space in forms and
// queries (WHATWG URL, section 5). Lifetime: the caller owns every buffer.
#pragma once

#include <string>
#include <string_view>

namespace recharge {

// Everything but unreserved characters becomes %XX, in upper case.
void append_percent_encoded(std::string& out, std::string_view text);

// Appends what is decoded, never more than the text. False where a '%' is not followed by two hex digits;
// what was appended then means nothing.
[[nodiscard]] bool append_percent_decoded(std::string& out, std::string_view text, bool plus_is_space);

}  // namespace recharge
