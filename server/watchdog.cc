#include "server/watchdog.h"

#include <systemd/sd-daemon.h>

#include <string>

#include "server/log.h"

namespace recharge {

Watchdog::Watchdog() {
  std::uint64_t interval_us = 0;
  if (::sd_watchdog_enabled(0, &interval_us) > 0)
    interval_ms_ = static_cast<std::int64_t>(interval_us / 1000);
}

int Watchdog::pause_ms() const noexcept {
  return interval_ms_ == 0 ? -1 : static_cast<int>(interval_ms_ / 4);
}

void Watchdog::feed(std::int64_t now_ms, std::int64_t oldest_beat_ms) {
  if (interval_ms_ == 0) return;
  const bool turns = now_ms - oldest_beat_ms < interval_ms_ / 2;
  if (turns) {
    ::sd_notify(0, "WATCHDOG=1");
  } else if (!complained_) {
    log_error("an event loop has not turned for " + std::to_string(now_ms - oldest_beat_ms) + " ms");
  }
  complained_ = !turns;
}

}  // namespace recharge
