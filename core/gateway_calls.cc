#include "core/gateway_calls.h"

#include "core/digest.h"

namespace recharge {

std::string refund_number(const OrderId& order_id, const RefundId& refund_id) {
  constexpr std::size_t kDigits = 32;  // 64 together, the most that every gateway takes
  return order_id.to_hex() + digest_hex(digest_of(refund_id.view())).substr(0, kDigits);
}

}  // namespace recharge
