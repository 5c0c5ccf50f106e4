// Purpose: what happened to an order, from the facts that were kept, and what it still waits for, in plain
// words.
#pragma once

#include "core/outcome.h"
#include "server/json_text.h"

namespace recharge {

void write_explanation(JsonText& json, const Explanation& explanation);

}  // namespace recharge
