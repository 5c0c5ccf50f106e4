// Purpose: the seed of a test that draws at random, printed so that it can be replayed (RECHARGE_SEED), and
// whether its long form is asked for (RECHARGE_LONG=1). Any thread.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

namespace recharge::testing {

inline std::uint64_t test_seed() {
  const char* given = std::getenv("RECHARGE_SEED");
  const std::uint64_t seed =
      given != nullptr && *given != '\0' ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RECHARGE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

inline bool long_run() {
  const char* given = std::getenv("RECHARGE_LONG");
  return given != nullptr && std::string_view(given) == "1";
}

}  // namespace recharge::testing
