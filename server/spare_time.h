// Purpose: keeps work that has time from the processors while they are full. Niceness alone does not: between
// two callbacks such work takes their caches with it. A thread of low priority that waits for its turns
// longer than it runs knows that the processors are full, whoever fills them; it then rests so much that all
// such threads together use a small share of one processor. Owner: the thread that asks, always the same.
// Lifetime: as it likes. Errors: none; where the system does not say how long a thread waited, nobody rests.
// Units: nanoseconds (_ns). Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat.
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace recharge {

// What a thread has had of the processors since it began, and what those who serve have had meanwhile.
struct ProcessorTurns {
  std::int64_t ran_ns = 0;
  std::int64_t waited_ns = 0;  // ready to run
  std::int64_t count = 0;
  std::int64_t served_ns = 0;  // by all serving threads
  std::int64_t wall_ns = 0;    // now, by a clock that only goes on
};

// That the calling thread serves, as long as this lives.
class ServingThread {
 public:
  ServingThread();
  ~ServingThread();
  ServingThread(const ServingThread&) = delete;
  ServingThread& operator=(const ServingThread&) = delete;

 private:
  clockid_t clock_ = 0;
};

class SpareTime {
 public:
  static constexpr std::int64_t kTurnsToJudge = 8;
  static constexpr std::int64_t kBusyPercent = 40;  // of one processor, all serving threads together
  static constexpr std::int64_t kRestPerWork = 63;  // a sixty-fourth of a processor, of all together
  static constexpr std::int64_t kShortestRestNs = 10'000'000;
  static constexpr std::int64_t kLongestRestNs = 100'000'000;
  static constexpr std::chrono::milliseconds kBetweenLooks{10};

  SpareTime() = default;
  ~SpareTime();
  SpareTime(const SpareTime&) = delete;
  SpareTime& operator=(const SpareTime&) = delete;

  // After a piece of work: how long to rest before the next; 0 where the processors have room.
  std::chrono::nanoseconds rest() noexcept;
  bool full() const noexcept { return full_; }  // when it was asked last: pieces are to be small

  // Of which rest() is made.
  void judge(const ProcessorTurns& turns) noexcept;  // turns: until now
  std::chrono::nanoseconds rest_for(std::int64_t ran_ns) noexcept;

 private:
  void set_full(bool full) noexcept;

  static std::atomic<std::int64_t> without_;  // how many of the process find the processors full

  std::chrono::steady_clock::time_point looked_;
  ProcessorTurns judged_;
  std::int64_t rested_for_ns_ = 0;  // of what the thread ran
  bool full_ = false;
};

}  // namespace recharge
