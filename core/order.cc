#include "core/order.h"

#include <array>

namespace recharge {
namespace {

constexpr std::array<std::string_view, kOrderStatuses> kStatusTexts = {
    "pending", "paid",     "recharged",          "failed",    "closed",
    "expired", "refunded", "partially_refunded", "recharging"};

constexpr std::array<std::string_view, 3> kFulfilmentTexts = {"wallet", "http", "amqp"};
static_assert(kFulfilmentTexts.size() == static_cast<std::size_t>(kLastFulfilment) + 1);

}  // namespace

std::string_view to_text(OrderStatus status) noexcept {
  return kStatusTexts[static_cast<std::size_t>(status)];
}

std::string_view to_text(SignatureScheme scheme) noexcept {
  constexpr std::array<std::string_view, 6> texts = {
      "fields", "standard_webhooks", "both", "alipay", "wechat", "stripe"};
  static_assert(texts.size() == static_cast<std::size_t>(kLastSignatureScheme) + 1);
  return texts[static_cast<std::size_t>(scheme)];
}

Result<OrderStatus> parse_order_status(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kStatusTexts.size(); ++i) {
    if (kStatusTexts[i] == text) return static_cast<OrderStatus>(i);
  }
  return Errc::invalid_text;
}

std::string_view to_text(Fulfilment fulfilment) noexcept {
  return kFulfilmentTexts[static_cast<std::size_t>(fulfilment)];
}

Result<Fulfilment> parse_fulfilment(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kFulfilmentTexts.size(); ++i) {
    if (kFulfilmentTexts[i] == text) return static_cast<Fulfilment>(i);
  }
  return Errc::invalid_text;
}

std::string_view to_text(RefundStatus status) noexcept {
  constexpr std::array<std::string_view, 3> texts = {"pending", "succeeded", "failed"};
  return texts[static_cast<std::size_t>(status)];
}

}  // namespace recharge
