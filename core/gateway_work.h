// Purpose: what still has to be done at a gateway or a supplier, of whose calls the outcome is not known to
// the end: a payment that was started there, a refund or a recharge that it is to carry out. Kept from before
// the first call until a verified answer ends it, so that a crash in between is made good by asking.
// Lifetime: trivially copyable records, owned by the shard of their id; an ended one is erased. Units: Money
// in minor units, Time in ms.
#pragma once

#include <array>
#include <cstdint>

#include "core/names.h"
#include "core/order.h"
#include "core/payment_exception.h"

namespace recharge {

// How a payer pays: a code to scan, a page of the gateway on the phone, or a page of ours that goes on with a
// secret of the gateway's. Stored as a byte: the values never change.
enum class PayMethod : std::uint8_t { qr = 0, h5 = 1, intent = 2 };

// Whether payments that came in this way are refunded by a call to their gateway.
constexpr bool refunds_by_call(SignatureScheme scheme) noexcept {
  return scheme == SignatureScheme::alipay || scheme == SignatureScheme::wechat ||
         scheme == SignatureScheme::stripe;
}

// Stored as a byte: the values never change.
enum class GatewayWorkKind : std::uint8_t {
  payment = 0,           // started, and perhaps paid
  refund = 1,            // of an order's payment
  exception_refund = 2,  // of a payment that was kept
  recharge = 3,          // by a supplier
};
constexpr GatewayWorkKind kLastGatewayWorkKind = GatewayWorkKind::recharge;

struct GatewayWorkKey {
  GatewayWorkKind kind = GatewayWorkKind::payment;
  std::array<std::uint8_t, 16> id{};  // of the order, or of the exception; carries the shard
  PayMethod method = PayMethod::qr;   // payment
  RefundId refund_id;                 // refund
  friend auto operator<=>(const GatewayWorkKey&, const GatewayWorkKey&) noexcept = default;

  static GatewayWorkKey of_payment(const OrderId& order_id, PayMethod method) noexcept;
  static GatewayWorkKey of_refund(const OrderId& order_id, const RefundId& refund_id) noexcept;
  static GatewayWorkKey of_exception(const ExceptionId& exception_id) noexcept;
  static GatewayWorkKey of_recharge(const OrderId& order_id) noexcept;
};

using PayText = FixedText<255, struct PayTextTag>;

struct GatewayWork {
  GatewayWorkKey key;
  bool ended = false;
  GatewayName gateway;
  Time started_at;
  // Payment: what the payer is shown, and until when; empty: the gateway has not answered yet.
  PayText pay_text;
  Time pay_text_until;
  TransactionId gateway_id;  // Stripe: of the payment intent
  // Refunds.
  OrderId order_id;  // nil: the transaction alone says which payment
  TransactionId transaction_id;
  RefundId refund_id;  // what the number of the refund at the gateway is made of
  Money amount;
  Money total;  // of the payment
  // Recharges.
  std::uint16_t attempts = 0;  // begun so far; the last may be under way
  bool failed = false;         // for good: it stays open until the payment is refunded
};

// Of an exception's refund: just one, whoever asks for it.
RefundId refund_id_of(const ExceptionId& exception_id) noexcept;

}  // namespace recharge
