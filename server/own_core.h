// Purpose: a core for each io thread, so that the scheduler never puts two of them on the same one. Owner:
// the thread that calls. Errors: none; where the system does not allow it, the thread stays free.
#pragma once

namespace recharge {

// From now on the thread runs on the index-th core of the process alone. Without effect unless there are as
// many cores as `threads`: only then each has one of its own. REQUIRES: index < threads.
void stay_on_core(unsigned index, unsigned threads) noexcept;

}  // namespace recharge
