// Purpose: checks of what must always hold. A broken invariant stops the process before it can do harm to
// money. RECHARGE_CHECK stays in release builds; RECHARGE_DCHECK only where RECHARGE_DCHECKS is 1 (debug and
// sanitizer builds), and its condition is compiled, but not evaluated, elsewhere. Neither is for what a peer
// controls. Errors: a failing check writes one line with its place to stderr and aborts. Any thread.
#pragma once

#if !defined(RECHARGE_DCHECKS)
#if defined(NDEBUG)
#define RECHARGE_DCHECKS 0
#else
#define RECHARGE_DCHECKS 1
#endif
#endif

namespace recharge {

[[noreturn, gnu::cold]] void check_failed(const char* file, int line, const char* condition) noexcept;

}  // namespace recharge

#define RECHARGE_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::recharge::check_failed(__FILE__, __LINE__, #condition))

#if RECHARGE_DCHECKS
#define RECHARGE_DCHECK(condition) RECHARGE_CHECK(condition)
#else
#define RECHARGE_DCHECK(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
