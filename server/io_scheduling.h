// Purpose: a core for each io thread, so that the scheduler never puts two of them on the same one; and when
// a thread that wakes up takes the core from another. Owner: the thread that calls. Errors: none; where the
// system does not allow it, the thread stays as it was. Source: sched(7).
#pragma once

namespace recharge {

// From now on the thread runs on the index-th core of the process alone. Without effect unless there are as
// many cores as `threads`: only then each has one of its own. REQUIRES: index < threads.
void stay_on_core(unsigned index, unsigned threads) noexcept;

// True: when it wakes up, it waits until whoever has the core rests (SCHED_BATCH), so that a client or
// another io thread that is sending to it goes on, and it takes all of that at once. Who never rests has the
// core until the scheduler looks again, up to some milliseconds.
void wait_for_turn(bool wait) noexcept;

}  // namespace recharge
