// Purpose: what happened to an order, from the facts that were kept, what it still waits for, and what to do
// next, in plain words. Also of payments kept for an id that no order has: then its status is null.
#pragma once

#include "core/outcome.h"
#include "server/json_text.h"

namespace recharge {

void write_explanation(JsonText& json, const Explanation& explanation);

}  // namespace recharge
