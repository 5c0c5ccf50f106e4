#include "core/bill.h"

#include <array>
#include <stdexcept>

namespace recharge {
namespace {

constexpr std::array<std::string_view, 4> kFormats = {"alipay", "wechat", "stripe", "plain"};

}  // namespace

void throw_exception_from_error(const BillError& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

std::string_view to_text(BillFormat format) noexcept { return kFormats[static_cast<std::size_t>(format)]; }

std::optional<BillFormat> parse_bill_format(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (kFormats[i] == text) return static_cast<BillFormat>(i);
  }
  return std::nullopt;
}

std::unique_ptr<BillReader> make_bill_reader(BillFormat format, Currency currency) {
  switch (format) {
    case BillFormat::alipay:
      return make_alipay_bill();
    case BillFormat::wechat:
      return make_wechat_bill();
    case BillFormat::stripe:
      return make_stripe_bill(currency);
    case BillFormat::plain:
      break;
  }
  return make_plain_bill();
}

}  // namespace recharge
