// Purpose: one thread sleeps until others have something for it, or for a while. Unlike std::atomic's wait()
// it knows a longest time, and neither spins nor yields. Owner: count and wait: the thread that sleeps; ring:
// any. Lifetime: longer than either. Errors: none; it may return too soon. Source: futex(2).
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>

namespace recharge {

class Doorbell {
 public:
  void ring() noexcept {
    rung_.fetch_add(1, std::memory_order_seq_cst);
    if (sleeps_.load(std::memory_order_seq_cst)) call(FUTEX_WAKE_PRIVATE, 1, nullptr);
  }

  // Take it before looking for work: wait() does not sleep where it rang since.
  std::uint32_t count() const noexcept { return rung_.load(std::memory_order_acquire); }

  // False where `longest` went by without a ring.
  bool wait(std::uint32_t count, std::optional<std::chrono::nanoseconds> longest) noexcept {
    timespec time{};
    if (longest) {
      time.tv_sec = static_cast<std::time_t>(longest->count() / 1'000'000'000);
      time.tv_nsec = static_cast<long>(longest->count() % 1'000'000'000);
    }
    sleeps_.store(true, std::memory_order_seq_cst);
    if (rung_.load(std::memory_order_seq_cst) == count)
      call(FUTEX_WAIT_PRIVATE, count, longest ? &time : nullptr);
    sleeps_.store(false, std::memory_order_relaxed);
    return rung_.load(std::memory_order_acquire) != count;
  }

 private:
  void call(int operation, std::uint32_t value, const timespec* longest) noexcept {
    ::syscall(SYS_futex, &rung_, operation, value, longest, nullptr, 0);
  }

  std::atomic<std::uint32_t> rung_{0};
  std::atomic<bool> sleeps_{false};
};

}  // namespace recharge
