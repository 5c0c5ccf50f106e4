// ReportPayment as whatever tells of a payment fills it: callbacks of both kinds, answers of gateways, the
// simulated gateway. Owner thread: that of the operation. The report points into the operation, which has to
// outlive it.
#pragma once

#include <exception>
#include <string_view>

#include "server/handler.h"

namespace recharge {

// Text that was checked before to fit its field.
template <class Text>
void assign_checked(Text& text, std::string_view value) {
  if (!text.assign(value)) std::terminate();
}

// A new report in operation.command, with all that does not depend on its source: the order that the
// reference means, the policies, the currency, and an id for the exception that may come of it. Amount,
// gateway, scheme, times and evidence are the caller's.
ReportPayment& begin_report(std::string_view reference, std::string_view transaction_id,
                            std::string_view key_id, HandlerContext& context, Operation& operation);

// The report's evidence: what stands in operation.evidence and operation.evidence_headers.
void attach_evidence(Operation& operation);

}  // namespace recharge
