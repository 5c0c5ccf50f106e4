// Purpose: a verified payment that must not be credited as it came: kept once, until an operator or a fresh
// callback settles it. Its money stands in suspense meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/currency.h"
#include "core/digest.h"
#include "core/money.h"
#include "core/names.h"
#include "core/order.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge {

// Stored as a byte: the values never change.
enum class ExceptionKind : std::uint8_t {
  late_payment = 0,
  duplicate_payment = 1,
  amount_mismatch = 2,
  gateway_mismatch = 3,
  unknown_order = 4,
  stale_callback = 5,
  balance_limit = 6,
};
constexpr std::size_t kExceptionKinds = 7;
std::string_view to_text(ExceptionKind kind) noexcept;

// Stored as a byte: the values never change.
enum class ExceptionAction : std::uint8_t {
  none = 0,       // still open
  credit = 1,     // to the user's balance
  refund = 2,     // back to the payer
  dismiss = 3,    // booked back: no money came, or it is settled elsewhere
  superseded = 4  // the payment came again, fresh or with the right amount, and was credited
};
std::string_view to_text(ExceptionAction action) noexcept;
Result<ExceptionAction> parse_exception_action(std::string_view text) noexcept;  // credit, refund, dismiss

struct PaymentException {
  ExceptionId id;  // carries the time and the shard
  ExceptionKind kind = ExceptionKind::late_payment;
  OrderReference reference;  // the order id as sent
  OrderId order_id;          // nil: no such order
  Account account;           // the order's; empty where there is none
  GatewayName gateway;
  TransactionId transaction_id;
  Money amount;
  Time paid_at;  // as the gateway says; not reached: it said nothing
  Time sent_at;  // signed time of that sending; not reached: not checked
  Digest evidence{};
  KeyId evidence_key;
  SignatureScheme evidence_scheme = SignatureScheme::fields;
  ExceptionAction action = ExceptionAction::none;
  Time resolved_at;
  Note note;
  Currency currency;
  std::uint32_t merchant = 0;

  bool is_open() const noexcept { return action == ExceptionAction::none; }
  Time created_at() const noexcept { return id.time(); }
};

// By what an exception is recognised when its payment comes again.
struct ExceptionKey {
  OrderReference reference;
  ExceptionKind kind = ExceptionKind::late_payment;
  GatewayName gateway;  // transaction ids are unique within a gateway only
  TransactionId transaction_id;
  friend bool operator==(const ExceptionKey&, const ExceptionKey&) noexcept = default;
  friend auto operator<=>(const ExceptionKey&, const ExceptionKey&) noexcept = default;
};

// The simulated gateway's callbacks come to the native endpoint: both make the same key.
ExceptionKey make_exception_key(const OrderReference& reference, ExceptionKind kind,
                                const GatewayName& gateway, const TransactionId& transaction_id) noexcept;
ExceptionKey exception_key(const PaymentException& exception) noexcept;

}  // namespace recharge
