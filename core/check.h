// Purpose: assertions that hold in every build. Never on what a peer controls: that is an error, not a bug.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace recharge {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace recharge

#define RECHARGE_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::recharge::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define RECHARGE_DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define RECHARGE_DCHECK(condition) RECHARGE_CHECK(condition)
#endif
