// Purpose: how recharged ends, for those who start it.
#pragma once

namespace recharge {

constexpr int kExitClean = 0;
constexpr int kExitFailure = 1;  // while running
constexpr int kExitUsage = 2;
constexpr int kExitSettings = 3;
constexpr int kExitStore = 4;  // it cannot be opened, is in use, or is damaged

}  // namespace recharge
