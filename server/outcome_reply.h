// Purpose: the one table from the outcome of a command to status, stable name and message.
// Lifetime: static.
#pragma once

#include <string_view>

#include "core/outcome.h"
#include "server/reply.h"

namespace recharge {

struct OutcomeReply {
  unsigned status = 200;
  std::string_view error;    // empty: a success, which the handler shows
  std::string_view message;  // of a success: empty where it has none of its own
};

OutcomeReply reply_for(OutcomeCode code) noexcept;
std::string_view slug(OutcomeCode code) noexcept;  // for metrics and logs

// Fills the reply and answers true where the outcome is a refusal.
bool refuse(const Outcome& outcome, Reply& reply);

}  // namespace recharge
