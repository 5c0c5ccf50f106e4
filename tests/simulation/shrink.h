// Purpose: the smallest part of a history that still breaks a promise, as text for people. Lifetime: a call.
#pragma once

#include <string>

#include "tests/simulation/history.h"

namespace recharge::simulation {

// REQUIRES: the plan breaks a promise.
std::string shrink(const Plan& plan);

}  // namespace recharge::simulation
