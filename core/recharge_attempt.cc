#include "core/recharge_attempt.h"

#include <array>
#include <charconv>
#include <string>

#include "core/check.h"

namespace recharge {
namespace {

constexpr std::size_t kOrderIdLength = 36;

}  // namespace

std::string_view to_text(AttemptState state) noexcept {
  constexpr std::array<std::string_view, 5> texts = {"begun", "succeeded", "failed", "rejected", "not_sent"};
  static_assert(texts.size() == static_cast<std::size_t>(kLastAttemptState) + 1);
  return texts[static_cast<std::size_t>(state)];
}

SupplierRequestId request_id_of(const OrderId& order_id, std::uint16_t number) noexcept {
  SupplierRequestId id;
  RECHARGE_CHECK(id.assign(order_id.to_text() + "-" + std::to_string(number)));
  return id;
}

Result<RequestName> parse_request_id(std::string_view text) noexcept {
  if (text.size() < kOrderIdLength + 2 || text[kOrderIdLength] != '-') return Errc::invalid_text;
  const auto order_id = OrderId::parse(text.substr(0, kOrderIdLength));
  if (!order_id) return order_id.error();
  RequestName name{*order_id, 0};
  const std::string_view digits = text.substr(kOrderIdLength + 1);
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), name.number);
  // One form only: what is parsed makes the same text again.
  if (failure != std::errc{} || end != digits.data() + digits.size() || name.number == 0 ||
      digits.front() == '0') {
    return Errc::invalid_text;
  }
  return name;
}

}  // namespace recharge
