// Purpose: what happened to an order, step by step, in plain words and with its evidence: from the facts that
// were kept alone. Lifetime: values; evidence points into the explanation that it was made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.h"

namespace recharge {

// A verified callback, or the gateway that something was simulated for.
struct Evidence {
  std::string_view gateway = {};
  std::string_view key_id = {};  // empty: no callback
  std::string_view scheme = {};
  const Digest* digest = nullptr;
};

struct Happening {
  Time at;
  std::string event;
  Evidence evidence = {};
  std::string expected = {};  // where a payment was kept: what would have been credited
  std::string came = {};      // and what came instead
  ExceptionId exception_id = {};
};

// In the order of time.
std::vector<Happening> order_history(const Explanation& explanation);
std::vector<Happening> order_history(Explanation&& explanation) = delete;

std::string amount_text(Money amount, Currency currency);  // "50.00 CNY"

}  // namespace recharge
