#include "server/limit_settings.h"

#include <string>

#include "server/settings_reader.h"

namespace recharge {

RateLimitSettings read_rate_limit(SettingsReader& reader) {
  RateLimitSettings limits;
  if (auto enabled = reader.boolean("rate_limit.enabled")) limits.enabled = *enabled;
  if (auto seconds = reader.integer("rate_limit.burst_s", 1, 3600)) limits.burst_s = *seconds;
  if (auto most = reader.integer("rate_limit.max_clients", 1000, 100'000'000)) limits.max_clients = *most;
  for (std::size_t i = 1; i < kLimitClasses; ++i) {
    const std::string name(kLimitClassNames[i]);
    if (auto rate = reader.integer("rate_limit.address." + name, 0, kMaxPerMinute)) limits.address[i] = *rate;
    const auto limit = static_cast<LimitClass>(i);
    if (limit != LimitClass::write && limit != LimitClass::read) continue;
    if (auto rate = reader.integer("rate_limit.account." + name, 0, kMaxPerMinute)) limits.account[i] = *rate;
  }
  return limits;
}

}  // namespace recharge
