// Purpose: counts latencies in buckets whose width grows with the value: log-linear, so that a percentile is
//   at most 1/64 (1.6 %) above the true one, in a fixed 30 KiB however long the run is.
// Units: nanoseconds. Owner: one thread; merge() brings the threads' histograms together afterwards.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace recharge {

class LatencyHistogram {
 public:
  void record(std::uint64_t latency_ns) noexcept {
    ++counts_[bucket_of(latency_ns)];
    ++count_;
    sum_ns_ += latency_ns;
    if (latency_ns > max_ns_) max_ns_ = latency_ns;
  }
  void merge(const LatencyHistogram& other) noexcept;

  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t max_ns() const noexcept { return max_ns_; }
  std::uint64_t mean_ns() const noexcept { return count_ == 0 ? 0 : sum_ns_ / count_; }
  // The highest value of the bucket in which the percentile falls, never above the maximum; 0 when empty.
  // REQUIRES: 0 < percent <= 100.
  std::uint64_t percentile_ns(double percent) const noexcept;

  // Buckets: values below 64 have one each; every later power of two is divided into 64.
  static constexpr unsigned kSubBits = 6;
  static constexpr std::size_t kBuckets = std::size_t{64 - kSubBits + 1} << kSubBits;
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < (1U << kSubBits)) return static_cast<std::size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(value >> shift);
  }
  static constexpr std::uint64_t highest_in(std::size_t bucket) noexcept {
    if (bucket < (1U << kSubBits)) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket >> kSubBits) - 1;
    const std::uint64_t mantissa = bucket - (static_cast<std::size_t>(shift) << kSubBits);
    return ((mantissa + 1) << shift) - 1;
  }

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace recharge
