// Purpose: the name under which tools show a thread, and whether it gives way to the others. Owner: the
// thread that calls. Errors: none; what the system does not allow stays as it was.
#pragma once

namespace recharge {

enum class Urgency {
  normal,
  prompt,      // works little and many wait for it: the journal. Needs CAP_SYS_NICE or a limit that allows it
  background,  // has time: checkpoints
  awaited,     // tells those who wait for what happened: behind those who serve, ahead of the rest
  outgoing,    // tells others what happened: must not slow down what happens
  idle,        // only what nobody else wants, of the processor and of the disk: checks of old data
};

// REQUIRES: name has at most 15 characters.
void begin_thread(const char* name, Urgency urgency = Urgency::normal) noexcept;

}  // namespace recharge
