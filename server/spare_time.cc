#include "server/spare_time.h"

#include <pthread.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <utility>
#include <vector>

namespace recharge {
namespace {

std::int64_t ns_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

std::mutex serving_mutex;
std::vector<clockid_t> serving_clocks;

std::int64_t served_ns() noexcept {
  const std::lock_guard lock(serving_mutex);
  std::int64_t sum = 0;
  for (const clockid_t clock : serving_clocks) sum += ns_of(clock);
  return sum;
}

}  // namespace

ServingThread::ServingThread() {
  ::pthread_getcpuclockid(::pthread_self(), &clock_);
  const std::lock_guard lock(serving_mutex);
  serving_clocks.push_back(clock_);
}

ServingThread::~ServingThread() {
  const std::lock_guard lock(serving_mutex);
  serving_clocks.erase(std::find(serving_clocks.begin(), serving_clocks.end(), clock_));
}

std::atomic<std::int64_t> SpareTime::without_{0};

SpareTime::~SpareTime() { set_full(false); }

std::chrono::nanoseconds SpareTime::rest() noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ >= kBetweenLooks) {
    looked_ = now;
    ProcessorTurns turns;
    std::ifstream of_this_thread("/proc/thread-self/schedstat");
    if (!(of_this_thread >> turns.ran_ns >> turns.waited_ns >> turns.count)) return {};
    turns.served_ns = served_ns();
    turns.wall_ns = now.time_since_epoch().count();
    judge(turns);
  }
  return full_ ? rest_for(ns_of(CLOCK_THREAD_CPUTIME_ID)) : std::chrono::nanoseconds(0);
}

void SpareTime::judge(const ProcessorTurns& turns) noexcept {
  if (turns.count - judged_.count < kTurnsToJudge) return;
  const bool waits = turns.waited_ns - judged_.waited_ns >= turns.ran_ns - judged_.ran_ns;
  const bool busy =
      (turns.served_ns - judged_.served_ns) * 100 >= (turns.wall_ns - judged_.wall_ns) * kBusyPercent;
  const bool full = waits && busy;
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
