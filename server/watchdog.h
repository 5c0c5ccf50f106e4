// Purpose: tells systemd that every event loop turns. One that stands still leaves it untold, and systemd
// starts the server anew. Owner: the main thread. Units: milliseconds of the steady clock. Source:
// sd_watchdog_enabled(3).
#pragma once

#include <cstdint>

namespace recharge {

class Watchdog {
 public:
  Watchdog();

  // How long the main thread may wait until it feeds again; -1: as long as it likes.
  int pause_ms() const noexcept;
  // oldest_beat_ms: when the loop that is furthest behind last turned.
  void feed(std::int64_t now_ms, std::int64_t oldest_beat_ms);

 private:
  std::int64_t interval_ms_ = 0;  // zero: nobody watches
  bool complained_ = false;
};

}  // namespace recharge
