// Purpose: whether two classes of inputs take different times: Welch's t-test over interleaved measurements,
// the slowest of which are left out by several percentiles, for they are the machine's and not the code's.
// Units: ticks of the processor's clock. Source: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant
// time?", 2017.
#pragma once

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace recharge {

inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  _mm_lfence();
  const std::uint64_t now = __rdtsc();
  _mm_lfence();
  return now;
#else
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
#endif
}

// Mean and variance of one class. Source: Welford, 1962.
class Moments {
 public:
  void add(double value) noexcept {
    ++count_;
    const double difference = value - mean_;
    mean_ += difference / count_;
    squares_ += difference * (value - mean_);
  }
  double count() const noexcept { return count_; }
  double mean() const noexcept { return mean_; }
  double variance() const noexcept { return squares_ / (count_ - 1); }

 private:
  double count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

struct Measurement {
  std::uint64_t ticks;
  int of_class;  // 0 or 1
};

// The largest |t| of all croppings.
inline double largest_t(const std::vector<Measurement>& measurements) {
  constexpr double kKept[] = {0.5, 0.7, 0.8, 0.9, 0.95};
  std::vector<std::uint64_t> sorted;
  for (const Measurement& measurement : measurements) sorted.push_back(measurement.ticks);
  std::sort(sorted.begin(), sorted.end());
  double largest = 0;
  for (const double kept : kKept) {
    const std::uint64_t limit =
        sorted[static_cast<std::size_t>(kept * static_cast<double>(sorted.size() - 1))];
    std::array<Moments, 2> classes;
    for (const Measurement& measurement : measurements) {
      if (measurement.ticks <= limit) {
        classes[static_cast<std::size_t>(measurement.of_class)].add(static_cast<double>(measurement.ticks));
      }
    }
    if (classes[0].count() < 2 || classes[1].count() < 2) continue;  // so far apart that one was left out
    const double error =
        classes[0].variance() / classes[0].count() + classes[1].variance() / classes[1].count();
    const double difference = classes[0].mean() - classes[1].mean();
    if (error > 0) largest = std::max(largest, std::abs(difference) / std::sqrt(error));
  }
  return largest;
}

}  // namespace recharge
