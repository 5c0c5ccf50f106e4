#include "server/access_rules.h"

#include "server/token_keys.h"

namespace recharge {

AccessRules make_access_rules(const Settings& settings, std::shared_ptr<Allowances> allowances) {
  AccessRules rules;
  rules.token_keys = load_token_keys(settings.auth);
  rules.rates = settings.rate_limit;
  rules.allowances = std::move(allowances);
  if (!rules.allowances && rules.rates.enabled) {
    rules.allowances = std::make_shared<Allowances>(rules.rates.max_clients);
  }
  rules.trusted_proxies = settings.server.trusted_proxies;
  rules.proxy_protocol = settings.server.proxy_protocol;
  const auto add = [&](std::string_view gateway, const std::vector<AddressRange>& sources) {
    if (!sources.empty()) rules.callback_sources.emplace(gateway, sources);
  };
  add(kNativeGatewayName, settings.callback.allow_from);
  for (const GatewaySettings& gateway : settings.gateways) add(gateway.name, gateway.allow_from);
  if (settings.tls.client_ca.file.empty()) return rules;
  rules.certified_gateways.emplace(kNativeGatewayName);
  for (const GatewaySettings& gateway : settings.gateways) {
    if (gateway.kind == GatewayKind::native || gateway.kind == GatewayKind::standard) {
      rules.certified_gateways.emplace(gateway.name);
    }
  }
  return rules;
}

}  // namespace recharge
