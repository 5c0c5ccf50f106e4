// Purpose: percent-decoding of paths and queries, and look-up in a query. Source: RFC 3986; '+' is a space in
// a query.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace recharge {

// False where a '%' is not followed by two hex digits.
[[nodiscard]] bool percent_decode(std::string_view text, bool plus_is_space, std::string& out);

// The value of the first member of that name; `repeated` where there is more than one. No value: not there.
struct QueryValue {
  bool found = false;
  bool malformed = false;  // bad encoding, or the name is there twice
  std::string text;
};
QueryValue query_value(std::string_view query, std::string_view name);

}  // namespace recharge
