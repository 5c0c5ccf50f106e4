// Purpose: what reconcile makes of a bill out of the simulated gateways' rows, written as the gateway writes
// it. Owner: one thread. Lifetime: a call. Errors: ToolError where the bill cannot be written or the books
// not be read.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/bill.h"
#include "tools/gateway_messages.h"
#include "tools/tool_error.h"

namespace recharge {

using FoundDifferences = std::multiset<std::pair<std::string, std::string>>;  // kind and id

struct BillTask {
  std::string data_dir;  // the server's; it may be running
  std::string scratch_dir;
  std::string folder;  // for the bill
  Time began;          // what was paid before is of another bill
};

struct ComparedBill {
  FoundDifferences found;
  bool complete = false;  // the books knew all that had happened by now
};

ToolResult<ComparedBill> compare_simulated_bill(const BillTask& task, SimulatedGateway gateway,
                                                const std::vector<BillRow>& rows);

}  // namespace recharge
