// Purpose: the bounded texts of the domain, each a type of its own, and the rules that they follow.
// Lifetime: values. Errors: make_* functions answer Errc::invalid_text or Errc::too_long.
#pragma once

#include "core/error.h"
#include "core/fixed_text.h"

namespace recharge {

using Account = FixedText<64, struct AccountTag>;          // whose balance it is; the pattern is a setting
using GatewayName = FixedText<32, struct GatewayNameTag>;  // empty: an order that no gateway is bound to yet
using TransactionId = FixedText<64, struct TransactionIdTag>;  // the gateway's; printable ASCII without '&'
using Subject = FixedText<128, struct SubjectTag>;             // UTF-8, shown to the payer
using RefundId = FixedText<64, struct RefundIdTag>;            // [A-Za-z0-9_-]
using DebitId = FixedText<64, struct DebitIdTag>;              // [A-Za-z0-9_-]
using Memo = FixedText<128, struct MemoTag>;                   // UTF-8
using Note = FixedText<200, struct NoteTag>;                   // UTF-8, an operator's
using KeyId = FixedText<32, struct KeyIdTag>;                  // which secret verified a callback
using SupplierName = GatewayName;                              // its house account is named by it
using SupplierRequestId =
    FixedText<64, struct SupplierRequestIdTag>;                  // of a recharge, as a supplier knows it
using OrderReference = FixedText<64, struct OrderReferenceTag>;  // an order id as a gateway sent it

// The name of the gateway behind /api/payment_callback, and that of the simulated one.
constexpr std::string_view kNativeGateway = "native";
constexpr std::string_view kSimulatedGateway = "simulated";

Result<TransactionId> make_transaction_id(std::string_view text) noexcept;
Result<RefundId> make_refund_id(std::string_view text) noexcept;
Result<DebitId> make_debit_id(std::string_view text) noexcept;

// Printable UTF-8: no control characters. Errc::too_long beyond the capacity.
template <class Text>
Result<Text> make_printable(std::string_view text) noexcept {
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f) return Errc::invalid_text;
  }
  Text result;
  if (!result.assign(text)) return Errc::too_long;
  return result;
}

}  // namespace recharge
