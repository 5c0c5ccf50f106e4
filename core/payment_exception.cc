#include "core/payment_exception.h"

#include <array>

namespace recharge {
namespace {

constexpr std::array<std::string_view, 5> kActionTexts = {"none", "credit", "refund", "dismiss",
                                                          "superseded"};

}  // namespace

std::string_view to_text(ExceptionKind kind) noexcept {
  constexpr std::array<std::string_view, kExceptionKinds> texts = {
      "late_payment",  "duplicate_payment", "amount_mismatch", "gateway_mismatch",
      "unknown_order", "stale_callback",    "balance_limit"};
  return texts[static_cast<std::size_t>(kind)];
}

std::string_view to_text(ExceptionAction action) noexcept {
  return kActionTexts[static_cast<std::size_t>(action)];
}

Result<ExceptionAction> parse_exception_action(std::string_view text) noexcept {
  for (auto action : {ExceptionAction::credit, ExceptionAction::refund, ExceptionAction::dismiss}) {
    if (to_text(action) == text) return action;
  }
  return Errc::invalid_text;
}

ExceptionKey make_exception_key(const OrderReference& reference, ExceptionKind kind,
                                const GatewayName& gateway, const TransactionId& transaction_id) noexcept {
  ExceptionKey key{reference, kind, gateway, transaction_id};
  if (gateway.view() == kSimulatedGateway) static_cast<void>(key.gateway.assign(kNativeGateway));
  return key;
}

ExceptionKey exception_key(const PaymentException& exception) noexcept {
  return make_exception_key(exception.reference, exception.kind, exception.gateway, exception.transaction_id);
}

}  // namespace recharge
