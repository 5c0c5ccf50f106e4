// Purpose: counts of the journal and the checkpoints for metrics.
// Owner: each histogram is written by one thread and read by any. Lifetime: the engine's.
// Units: seconds, records, bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "server/metrics.h"

namespace recharge {

template <std::size_t Bounds>
class MeterHistogram {
 public:
  explicit constexpr MeterHistogram(const std::array<double, Bounds>& bounds) : bounds_(bounds) {}

  void add(double value) noexcept {
    std::size_t bucket = 0;
    while (bucket < Bounds && value > bounds_[bucket]) ++bucket;
    counts_[bucket].add();
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }
  HistogramSnapshot snapshot() const {
    HistogramSnapshot snapshot;
    snapshot.bounds.assign(bounds_.begin(), bounds_.end());
    for (const auto& count : counts_) snapshot.counts.push_back(count.get());
    snapshot.sum = sum_.load(std::memory_order_relaxed);
    return snapshot;
  }

 private:
  std::array<double, Bounds> bounds_;
  std::array<Counter, Bounds + 1> counts_;
  std::atomic<double> sum_{0};
};

struct StorageMeter {
  MeterHistogram<12> flush_seconds{
      {0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1}};
  MeterHistogram<10> group_records{{1, 2, 4, 8, 16, 32, 64, 128, 512, 2048}};
  MeterHistogram<9> checkpoint_seconds{{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60}};
  Counter journal_bytes;
};

}  // namespace recharge
