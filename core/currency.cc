#include "core/currency.h"

#include <array>

namespace recharge {
namespace {

struct Entry {
  std::string_view code;
  std::uint16_t number;
};

// ISO 4217, currencies in use with two fraction digits.
constexpr std::array kCurrencies = {
    Entry{"AED", 784}, Entry{"ARS", 32},  Entry{"AUD", 36},  Entry{"BDT", 50},  Entry{"BGN", 975},
    Entry{"BRL", 986}, Entry{"CAD", 124}, Entry{"CHF", 756}, Entry{"CNY", 156}, Entry{"COP", 170},
    Entry{"CZK", 203}, Entry{"DKK", 208}, Entry{"EGP", 818}, Entry{"EUR", 978}, Entry{"GBP", 826},
    Entry{"GHS", 936}, Entry{"HKD", 344}, Entry{"HUF", 348}, Entry{"IDR", 360}, Entry{"ILS", 376},
    Entry{"INR", 356}, Entry{"KES", 404}, Entry{"KHR", 116}, Entry{"KZT", 398}, Entry{"LAK", 418},
    Entry{"LKR", 144}, Entry{"MAD", 504}, Entry{"MMK", 104}, Entry{"MNT", 496}, Entry{"MOP", 446},
    Entry{"MXN", 484}, Entry{"MYR", 458}, Entry{"NGN", 566}, Entry{"NOK", 578}, Entry{"NPR", 524},
    Entry{"NZD", 554}, Entry{"PEN", 604}, Entry{"PHP", 608}, Entry{"PKR", 586}, Entry{"PLN", 985},
    Entry{"QAR", 634}, Entry{"RON", 946}, Entry{"RUB", 643}, Entry{"SAR", 682}, Entry{"SEK", 752},
    Entry{"SGD", 702}, Entry{"THB", 764}, Entry{"TRY", 949}, Entry{"TWD", 901}, Entry{"TZS", 834},
    Entry{"UAH", 980}, Entry{"USD", 840}, Entry{"UYU", 858}, Entry{"UZS", 860}, Entry{"ZAR", 710},
};

}  // namespace

Result<Currency> currency_from_code(std::string_view code) noexcept {
  for (const auto& entry : kCurrencies) {
    if (entry.code == code) return Currency{entry.number};
  }
  return Errc::out_of_range;
}

std::string_view currency_code(Currency currency) noexcept {
  for (const auto& entry : kCurrencies) {
    if (entry.number == currency.number) return entry.code;
  }
  return "XXX";
}

}  // namespace recharge
