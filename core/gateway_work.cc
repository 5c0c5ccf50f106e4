#include "core/gateway_work.h"

#include <string>

#include "core/check.h"

namespace recharge {

GatewayWorkKey GatewayWorkKey::of_payment(const OrderId& order_id, PayMethod method) noexcept {
  return {GatewayWorkKind::payment, order_id.bytes, method, {}};
}

GatewayWorkKey GatewayWorkKey::of_refund(const OrderId& order_id, const RefundId& refund_id) noexcept {
  return {GatewayWorkKind::refund, order_id.bytes, PayMethod::qr, refund_id};
}

GatewayWorkKey GatewayWorkKey::of_exception(const ExceptionId& exception_id) noexcept {
  return {GatewayWorkKind::exception_refund, exception_id.bytes, PayMethod::qr, {}};
}

GatewayWorkKey GatewayWorkKey::of_recharge(const OrderId& order_id) noexcept {
  return {GatewayWorkKind::recharge, order_id.bytes, PayMethod::qr, {}};
}

RefundId refund_id_of(const ExceptionId& exception_id) noexcept {
  RefundId id;
  RECHARGE_CHECK(id.assign("exception-" + exception_id.to_text()));
  return id;
}

}  // namespace recharge
