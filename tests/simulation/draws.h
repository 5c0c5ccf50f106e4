// Purpose: random draws that cost nothing to begin, so that every event of a history has a sequence of its
// own and stays the same when others are left out. Lifetime: a value. Source: SplitMix64, by S. Vigna, public
// domain.
#pragma once

#include <cstdint>

namespace recharge::simulation {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) noexcept : state_(seed) {}
  Draws(std::uint64_t seed, std::uint64_t index) noexcept : state_(Draws(seed).next() + index * kStep) {
    state_ = next();
  }

  std::uint64_t next() noexcept {
    state_ += kStep;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) noexcept { return next() % limit; }
  std::int64_t up_to(std::int64_t limit) noexcept {
    return static_cast<std::int64_t>(below(static_cast<std::uint64_t>(limit) + 1));
  }
  bool one_in(std::uint64_t times) noexcept { return below(times) == 0; }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  std::uint64_t state_;
};

}  // namespace recharge::simulation
