#include "server/spare_time.h"

#include <time.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace recharge {
namespace {

std::int64_t ran_ns() noexcept {
  timespec ran{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran);
  return ran.tv_sec * 1'000'000'000 + ran.tv_nsec;
}

}  // namespace

std::atomic<std::int64_t> SpareTime::without_{0};

SpareTime::~SpareTime() { set_full(false); }

std::chrono::nanoseconds SpareTime::rest() noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ >= kBetweenLooks) {
    looked_ = now;
    ProcessorTurns turns;
    std::ifstream of_this_thread("/proc/thread-self/schedstat");
    if (!(of_this_thread >> turns.ran_ns >> turns.waited_ns >> turns.count)) return {};
    judge(turns);
  }
  return full_ ? rest_for(ran_ns()) : std::chrono::nanoseconds(0);
}

void SpareTime::judge(const ProcessorTurns& turns) noexcept {
  if (turns.count - judged_.count < kTurnsToJudge) return;
  const bool full = turns.waited_ns - judged_.waited_ns >= turns.ran_ns - judged_.ran_ns;
  if (full && !full_) rested_for_ns_ = judged_.ran_ns;
  judged_ = turns;
  set_full(full);
}

std::chrono::nanoseconds SpareTime::rest_for(std::int64_t ran_ns) noexcept {
  const std::int64_t owed_ns =
      (ran_ns - rested_for_ns_) * kRestPerWork * without_.load(std::memory_order_relaxed);
  if (owed_ns < kShortestRestNs) return {};
  rested_for_ns_ = ran_ns;
  return std::chrono::nanoseconds(std::min(owed_ns, kLongestRestNs));
}

void SpareTime::set_full(bool full) noexcept {
  if (std::exchange(full_, full) != full) without_.fetch_add(full ? 1 : -1, std::memory_order_relaxed);
}

}  // namespace recharge
