// Purpose: what happened to an order, from the facts that were kept, what it still waits for, and what to do
// next, in plain words. Also of payments kept for an id that no order has: then its status is null.
#pragma once

#include <functional>

#include "core/outcome.h"
#include "server/json_text.h"

namespace recharge {

// What is known beside the facts.
struct ExplanationContext {
  Time now = {};
  std::function<bool(const GatewayName&)> calls =
      {};  // whether the gateway is called from here; empty: it is
};

void write_explanation(JsonText& json, const Explanation& explanation,
                       const ExplanationContext& context = {});

}  // namespace recharge
