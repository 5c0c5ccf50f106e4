#include "server/event_settings.h"

#include "server/settings_reader.h"

namespace recharge {

EventSettings read_events(SettingsReader& reader) {
  EventSettings events;
  if (auto mib = reader.integer("events.hold_mib", 1, std::int64_t{1} << 30)) {
    events.hold.bytes = static_cast<std::uint64_t>(*mib) << 20;
  }
  if (auto hours = reader.integer("events.hold_hours", 1, 24 * 3650)) {
    events.hold.age_ms = *hours * 3'600'000;
  }
  if (auto most = reader.integer("events.max_listeners", 0, 1'000'000)) {
    events.max_listeners = static_cast<unsigned>(*most);
  }
  if (auto ping = reader.integer("events.ping_ms", 100, 3'600'000)) events.ping_ms = *ping;
  return events;
}

}  // namespace recharge
