// Purpose: an exact amount of money: signed 64-bit minor units, with two fraction digits in text.
// Lifetime: a value. Errors: arithmetic is checked, and never wraps. No conversion from or to other numbers.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

namespace recharge {

class Money {
 public:
  constexpr Money() noexcept = default;
  static constexpr Money from_minor_units(std::int64_t units) noexcept { return Money(units); }
  constexpr std::int64_t minor_units() const noexcept { return units_; }

  constexpr bool is_zero() const noexcept { return units_ == 0; }
  constexpr bool is_positive() const noexcept { return units_ > 0; }
  constexpr bool is_negative() const noexcept { return units_ < 0; }

  friend constexpr auto operator<=>(const Money&, const Money&) noexcept = default;

 private:
  constexpr explicit Money(std::int64_t units) noexcept : units_(units) {}
  std::int64_t units_ = 0;
};

// Errc::overflow where the exact result does not fit.
Result<Money> add(Money a, Money b) noexcept;
Result<Money> subtract(Money a, Money b) noexcept;

// A balance stops here: 9999999999999.99.
constexpr Money kMaxBalance = Money::from_minor_units(999'999'999'999'999);

// Text of the form (0|[1-9][0-9]*)(\.[0-9]{1,2})? and nothing else: no sign, exponent, space or leading zero.
// Errc::invalid_text where the form is wrong, Errc::overflow where the value does not fit. Zero is a value
// here.
Result<Money> parse_money(std::string_view text) noexcept;

// Always two fraction digits, with a leading '-' where negative: "50.00", "-0.05".
std::string to_text(Money money);

}  // namespace recharge
