#include "core/command.h"

namespace recharge {

ExceptionKey exception_key(const ReportPayment& payment, ExceptionKind kind) {
  auto reference = payment.reference;
  if (!payment.order_id.is_nil()) static_cast<void>(reference.assign(payment.order_id.to_text()));
  return make_exception_key(reference, kind, payment.gateway, payment.transaction_id);
}

}  // namespace recharge
