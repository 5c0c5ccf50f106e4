// Purpose: the currency of a data folder, by its ISO 4217 number. Only currencies with two fraction digits
// exist here.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace recharge {

struct Currency {
  std::uint16_t number = 0;  // ISO 4217

  friend auto operator<=>(const Currency&, const Currency&) noexcept = default;
};

// "CNY" -> 156. Errc::out_of_range where the code is unknown or has other than two fraction digits.
Result<Currency> currency_from_code(std::string_view code) noexcept;
// REQUIRES: a currency made by currency_from_code. Else "XXX".
std::string_view currency_code(Currency currency) noexcept;

}  // namespace recharge
