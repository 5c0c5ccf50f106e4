// Purpose: what decides whether a request is let in, as the settings have it. Lifetime: a set is immutable,
// but for the allowances, which all sets of a process share; a reload makes another set.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/access_token.h"
#include "server/limiter.h"
#include "server/net_address.h"
#include "server/settings.h"

namespace recharge {

struct AccessRules {
  std::shared_ptr<const TokenKeys> token_keys;  // null: nobody needs a token
  RateLimitSettings rates;
  std::shared_ptr<Allowances> allowances;  // null: nobody is limited
  std::vector<AddressRange> trusted_proxies;
  bool proxy_protocol = false;  // trusted proxies begin their connections with it
  // Where a gateway's callbacks may come from; one that is not here may call from anywhere.
  std::map<std::string, std::vector<AddressRange>, std::less<>> callback_sources;
  // Whose callbacks come with a client certificate.
  std::set<std::string, std::less<>> certified_gateways;
};

// Reads the keys. The allowances are those of before, where there are some. Throws SettingsError.
AccessRules make_access_rules(const Settings& settings, std::shared_ptr<Allowances> allowances = nullptr);

}  // namespace recharge
