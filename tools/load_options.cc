#include "tools/load_options.h"

#include <algorithm>

namespace recharge {

LoadMix LoadOptions::kind() const noexcept {
  if (mix == "duplicate") return LoadMix::duplicate;
  if (mix == "forged") return LoadMix::forged;
  if (mix == "place") return LoadMix::place;
  if (mix == "balance") return LoadMix::balance;
  return LoadMix::callback;
}

std::uint64_t LoadOptions::orders_needed() const noexcept {
  if (orders != 0) return orders;
  const bool repeated = kind() == LoadMix::duplicate || kind() == LoadMix::forged;
  if (requests != 0) return std::min(requests, repeated ? kDefaultOrders : kMaxOrders);
  if (repeated) return kDefaultOrders;
  const double per_second = rate > 0 ? rate : kPreparedPerSecond;
  const double needed = per_second * (duration_s > 0 ? duration_s : kDefaultDurationS);
  return static_cast<std::uint64_t>(std::clamp(needed, 1.0, static_cast<double>(kMaxOrders)));
}

}  // namespace recharge
