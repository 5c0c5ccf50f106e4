// Purpose: the last part of a storm: a bill of each gateway with the truth and planted differences, and what
// reconcile makes of it. Owner: one thread. Lifetime: a call. Errors: ToolError where a bill cannot be
// written or the books not be read; what does not hold is a violation of the report.
#pragma once

#include <optional>
#include <vector>

#include "tools/payment_storm.h"
#include "tools/storm_plan.h"

namespace recharge {

struct StormTrade {
  PlannedTrade plan;
  PaidTrade paid;
  bool told = false;  // a good callback reached the server
  bool acknowledged = false;
  bool credited = false;                // the server says so
  std::optional<CallbackMessage> kept;  // Alipay sends the same bytes again
};

ToolResult<void> judge_storm_bills(const StormOptions& options, const std::vector<StormTrade>& trades,
                                   Time began, StormDraws& draws, StormReport& report);

}  // namespace recharge
