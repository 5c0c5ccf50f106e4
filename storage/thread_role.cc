#include "storage/thread_role.h"

#include <linux/sched/types.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace recharge {
namespace {

constexpr int kPromptNiceness = -20;
constexpr int kAwaitedNiceness = 10;
constexpr int kBackgroundNiceness = 10;
constexpr int kIdleNiceness = 19;
constexpr int kIoOfThisThread = 1;  // IOPRIO_WHO_PROCESS
constexpr int kIdleIo = 3 << 13;    // IOPRIO_CLASS_IDLE

// Who has time is interrupted after this long, and not after some milliseconds, by a thread that becomes
// ready; kernels before 6.12 take no notice.
constexpr std::uint64_t kShortSliceNs = 100'000;

int niceness_of(Urgency urgency) noexcept {
  switch (urgency) {
    case Urgency::prompt:
      return kPromptNiceness;
    case Urgency::awaited:
      return kAwaitedNiceness;
    case Urgency::background:
      return kBackgroundNiceness;
    case Urgency::outgoing:
    case Urgency::idle:
      return kIdleNiceness;
    case Urgency::normal:
      break;
  }
  return 0;
}

}  // namespace

void begin_thread(const char* name, Urgency urgency) noexcept {
  ::prctl(PR_SET_NAME, name);
  if (urgency == Urgency::normal) return;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), niceness_of(urgency));
  if (urgency != Urgency::prompt) {
    sched_attr slice{};
    slice.size = sizeof slice;
    slice.sched_nice = niceness_of(urgency);
    slice.sched_runtime = kShortSliceNs;
    ::syscall(SYS_sched_setattr, 0, &slice, 0U);
  }
  if (urgency == Urgency::idle) ::syscall(SYS_ioprio_set, kIoOfThisThread, 0, kIdleIo);
}

}  // namespace recharge
