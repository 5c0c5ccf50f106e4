// Purpose: the settings of those who are told what happened. Lifetime: as Settings. Units: in the names.
#pragma once

#include "storage/subscriber_cursors.h"

namespace recharge {

class SettingsReader;

struct EventSettings {
  HoldLimits hold;                // how long retention waits for a subscriber
  unsigned max_listeners = 5000;  // of live updates: streams, and subscriptions of WebSockets
  std::int64_t ping_ms = 15'000;  // how often a listener hears something
};

EventSettings read_events(SettingsReader& reader);

}  // namespace recharge
