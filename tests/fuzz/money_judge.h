// Purpose: what an amount's text stands for, judged without the code under test.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace recharge {

// The minor units; none where the text is no amount, or too large for 64 bits.
inline std::optional<std::int64_t> judged_units(std::string_view text) {
  static const RE2 form("(0|[1-9][0-9]*)(?:[.]([0-9]{1,2}))?", RE2::Latin1);
  std::string whole;
  std::string fraction;
  if (!RE2::FullMatch(re2::StringPiece(text.data(), text.size()), form, &whole, &fraction))
    return std::nullopt;
  fraction.resize(2, '0');
  const std::string digits = whole + fraction;
  if (digits.size() > 30) return std::nullopt;
  __extension__ using Wide = unsigned __int128;
  Wide units = 0;
  for (char digit : digits) units = units * 10 + static_cast<unsigned>(digit - '0');
  if (units > static_cast<Wide>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(units);
}

}  // namespace recharge
