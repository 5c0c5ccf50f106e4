// Purpose: when a payment that was started at a gateway is asked for there: at 5 s, 15 s, 1 min and 5 min,
// then every 5 min, and as soon as its order has expired. Pure. Units: _ms of wall time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "core/time.h"

namespace recharge {

constexpr std::array<std::int64_t, 4> kAskedAtMs = {5'000, 15'000, 60'000, 300'000};
constexpr std::int64_t kAskedEveryMs = 300'000;
constexpr std::int64_t kAfterExpiryMs = 1'000;

// The key id in the evidence of a payment that was found by asking.
constexpr std::string_view kQueryKey = "query";

// The first time after `now`.
constexpr Time next_query(Time started_at, Time expires_at, Time now) noexcept {
  const std::int64_t age = now.ms - started_at.ms;
  const auto* next = std::find_if(kAskedAtMs.begin(), kAskedAtMs.end(), [&](auto at) { return at > age; });
  const std::int64_t delay = next == kAskedAtMs.end() ? kAskedEveryMs - age % kAskedEveryMs : *next - age;
  const std::int64_t until_expiry = expires_at.ms + kAfterExpiryMs - now.ms;
  return Time{now.ms + std::max(std::min(delay, until_expiry), kAfterExpiryMs)};
}

}  // namespace recharge
