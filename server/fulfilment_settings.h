// Purpose: who performs recharges: the wallet, suppliers that are called, or workers behind a broker.
// Lifetime: as Settings. Units: in the names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/order.h"
#include "server/secret_source.h"

namespace recharge {

class SettingsReader;

struct SupplierSettings {
  std::string name;
  std::string url;      // http or https: asked by POST; URL/REQUEST_ID by GET
  SecretSource secret;  // lines of whsec_…; several while they are exchanged
  std::int64_t timeout_ms = 10'000;
  unsigned breaker_failures = 5;           // in a row, and it is left alone
  std::int64_t breaker_pause_ms = 30'000;  // for so long
};

struct FulfilmentSettings {
  Fulfilment kind = Fulfilment::wallet;
  std::vector<SupplierSettings> suppliers;  // http: in the order of preference
  std::int64_t deadline_ms =
      86'400'000;  // from the payment; then it goes back, unless a supplier may have done it
  std::int64_t retry_first_ms = 3'000;             // doubled from try to try
  std::int64_t retry_most_ms = 300'000;            // amqp: workers that are silent are asked again so often
  std::string results_queue = "recharge.results";  // amqp
};

FulfilmentSettings read_fulfilment(SettingsReader& reader);

}  // namespace recharge
