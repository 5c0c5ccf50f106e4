// Purpose: how many requests a client address and an account may make. Part of the settings.
// Units: requests a minute; zero: no limit.
#pragma once

#include <array>
#include <cstdint>

#include "server/limit_class.h"

namespace recharge {

class SettingsReader;

constexpr std::int64_t kMaxPerMinute = 6'000'000;  // an interval is then 100 ticks, exact within 1 %

struct RateLimitSettings {
  bool enabled = false;
  std::int64_t burst_s = 10;  // a bucket holds what is allowed in this time, and at least one
  std::int64_t max_clients = 1'000'000;
  using PerClass = std::array<std::int64_t, kLimitClasses>;
  PerClass address = {0, 120'000, 3'000, 6'000, 600};
  PerClass account = {0, 0, 300, 1'200, 0};
};

// Throws SettingsError.
RateLimitSettings read_rate_limit(SettingsReader& reader);

}  // namespace recharge
