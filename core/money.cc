#include "core/money.h"

#include <cstddef>
#include <limits>

namespace recharge {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The largest whole part has 17 digits; up to there the sum below cannot wrap.
constexpr std::size_t kMaxWholeDigits = 17;

}  // namespace

Result<Money> add(Money a, Money b) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a.minor_units(), b.minor_units(), &sum)) return Errc::overflow;
  return Money::from_minor_units(sum);
}

Result<Money> subtract(Money a, Money b) noexcept {
  std::int64_t difference = 0;
  if (__builtin_sub_overflow(a.minor_units(), b.minor_units(), &difference)) return Errc::overflow;
  return Money::from_minor_units(difference);
}

Result<Money> parse_money(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();

  std::uint64_t units = 0;  // unsigned: digits too many wrap harmlessly before they are refused below
  const char* const whole = at;
  for (; at != end && is_digit(*at); ++at) units = units * 10 + static_cast<std::uint64_t>(*at - '0');
  const auto whole_digits = static_cast<std::size_t>(at - whole);
  if (whole_digits == 0) return Errc::invalid_text;
  if (whole_digits > 1 && *whole == '0') return Errc::invalid_text;

  std::uint64_t fraction = 0;
  if (at != end) {
    const std::size_t fraction_size = static_cast<std::size_t>(end - at) - 1;
    if (*at != '.' || fraction_size == 0 || fraction_size > 2) return Errc::invalid_text;
    if (!is_digit(at[1])) return Errc::invalid_text;
    fraction = static_cast<std::uint64_t>(at[1] - '0') * 10;
    if (fraction_size == 2) {
      if (!is_digit(at[2])) return Errc::invalid_text;
      fraction += static_cast<std::uint64_t>(at[2] - '0');
    }
  }

  if (whole_digits > kMaxWholeDigits) return Errc::overflow;
  units = units * 100 + fraction;  // below 10^19, which fits
  if (units > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return Errc::overflow;
  return Money::from_minor_units(static_cast<std::int64_t>(units));
}

std::string to_text(Money money) {
  const std::int64_t signed_units = money.minor_units();
  const bool negative = signed_units < 0;
  auto units = static_cast<std::uint64_t>(signed_units);
  if (negative) units = 0 - units;  // right for the smallest value too

  char buffer[24];
  char* at = buffer + sizeof buffer;
  for (int digit = 0; digit < 2; ++digit, units /= 10) *--at = static_cast<char>('0' + units % 10);
  *--at = '.';
  do {
    *--at = static_cast<char>('0' + units % 10);
    units /= 10;
  } while (units != 0);
  if (negative) *--at = '-';
  return {at, buffer + sizeof buffer};
}

}  // namespace recharge
