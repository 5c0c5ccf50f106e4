// Purpose: one value out of a compact JSON reply without parsing the whole: for the load generator, which
// knows
//   what it asked and reads millions. Lifetime: a view of the body.
#pragma once

#include <string_view>

namespace recharge {

// The text of the first member with this name at any depth: a string's inside, a number as sent; empty where
// there is none. A name inside a string is not mistaken for one: its quotes would be escaped.
std::string_view reply_value(std::string_view body, std::string_view name) noexcept;

}  // namespace recharge
