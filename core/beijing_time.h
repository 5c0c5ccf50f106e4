// Purpose: times as Alipay writes them: "yyyy-MM-dd HH:mm:ss" in Beijing (UTC+8, no summer time since 1991).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace recharge {

std::optional<Time> parse_beijing_time(std::string_view text);
std::string to_beijing_time(Time time);  // milliseconds are cut

}  // namespace recharge
