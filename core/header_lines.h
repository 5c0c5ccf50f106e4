// Purpose: finds a header in the header lines of a request, as they were received and found well-formed.
// Lifetime: views of the lines. Source: RFC 9110, section 5.
#pragma once

#include <span>
#include <string_view>

namespace recharge {

struct HeaderValue {
  std::string_view text;  // without the space around it
  bool found = false;
  bool repeated = false;  // there more than once; `text` is the first
};

// lines: "Name: value", each ended by CRLF or LF. The name is compared without regard to case.
HeaderValue find_header(std::string_view lines, std::string_view name) noexcept;
// The same for several in one pass. values: fresh, as many as names, or more.
void find_headers(std::string_view lines, std::span<const std::string_view> names,
                  std::span<HeaderValue> values) noexcept;

// The value where the header is there exactly once; else empty.
std::string_view single(const HeaderValue& value) noexcept;
std::string_view single_header(std::string_view lines, std::string_view name) noexcept;

}  // namespace recharge
