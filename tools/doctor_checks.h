// Purpose: what a server's metrics say about its health, each finding with what to do about it. Pure.
#pragma once

#include <string>
#include <vector>

#include "tools/server_metrics.h"

namespace recharge {

struct Check {
  std::string name;
  bool good = false;
  std::string finding;
  std::string fix;  // where it is not good
};

// now_s: of the tool's clock, in the middle of the request for the page. What a server does not tell is left
// out.
std::vector<Check> check_metrics(const ServerMetrics& metrics, double now_s);

}  // namespace recharge
