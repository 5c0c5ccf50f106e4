#include "server/io_scheduling.h"

#include <sched.h>

namespace recharge {

void stay_on_core(unsigned index, unsigned threads) noexcept {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return;
  if (static_cast<unsigned>(CPU_COUNT(&cores)) != threads) return;
  unsigned core = 0;
  for (unsigned left = index + 1; left > 0; ++core) {
    if (CPU_ISSET(core, &cores)) --left;
  }
  CPU_ZERO(&cores);
  CPU_SET(core - 1, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

void wait_for_turn(bool wait) noexcept {
  const sched_param none{};
  ::sched_setscheduler(0, wait ? SCHED_BATCH : SCHED_OTHER, &none);
}

}  // namespace recharge
