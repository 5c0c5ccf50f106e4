#include "storage/thread_role.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace recharge {
namespace {

constexpr int kPromptNiceness = -20;
constexpr int kBackgroundNiceness = 10;

}  // namespace

void begin_thread(const char* name, Urgency urgency) noexcept {
  ::prctl(PR_SET_NAME, name);
  if (urgency == Urgency::normal) return;
  const int niceness = urgency == Urgency::prompt ? kPromptNiceness : kBackgroundNiceness;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), niceness);
}

}  // namespace recharge
