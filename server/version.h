// Purpose: the version of this build, as --version and the metrics show it.
#pragma once

#include <string_view>

namespace recharge {

constexpr std::string_view kVersion = "0.1.0";

}  // namespace recharge
