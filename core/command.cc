#include "core/command.h"

namespace recharge {

ExceptionKey exception_key(const ReportPayment& payment, ExceptionKind kind) {
  ExceptionKey key{payment.reference, kind, payment.transaction_id};
  if (!payment.order_id.is_nil()) static_cast<void>(key.reference.assign(payment.order_id.to_text()));
  return key;
}

}  // namespace recharge
