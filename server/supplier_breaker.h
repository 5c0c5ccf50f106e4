// Purpose: leaves a supplier alone that failed too often in a row: after a pause one call at a time tries it,
// and its first answer closes the breaker again. Owner: one thread. Lifetime: of the thread. Units: _ms of
// wall time.
#pragma once

#include <algorithm>
#include <cstdint>

namespace recharge {

class SupplierBreaker {
 public:
  SupplierBreaker(unsigned failures, std::int64_t pause_ms) noexcept : most_(failures), pause_ms_(pause_ms) {}

  bool is_open() const noexcept { return failures_ >= most_; }
  // Whether a call may be made now. An open breaker lets one through after each pause.
  bool admits(std::int64_t now_ms) noexcept {
    if (!is_open()) return true;
    if (now_ms < next_ms_) return false;
    next_ms_ = now_ms + pause_ms_;
    return true;
  }
  bool would_admit(std::int64_t now_ms) const noexcept { return !is_open() || now_ms >= next_ms_; }
  std::int64_t next_ms() const noexcept { return next_ms_; }

  void succeed() noexcept { failures_ = 0; }
  void fail(std::int64_t now_ms) noexcept {
    failures_ = std::min(failures_ + 1, most_);
    if (is_open()) next_ms_ = now_ms + pause_ms_;
  }

 private:
  unsigned most_;
  std::int64_t pause_ms_;
  unsigned failures_ = 0;
  std::int64_t next_ms_ = 0;
};

}  // namespace recharge
