// Purpose: how much of its allowance each key has used, for very many keys, shared by all io threads without
// a lock. A key's state is one number: the time at which its bucket would be full again (the generic cell
// rate algorithm, equal to a token bucket). It stands with a fingerprint of the key in one word of 64 bits,
// changed by compare-and-swap, so that a rate is exact over all threads. A key whose time has passed needs no
// place; memory is fixed. Where 16 places of a key are all in use, the one that is nearest to full is given
// up: its owner is allowed a little more. Lifetime: of the process; any thread. Units: ticks of 100 ns of the
// steady clock since the start of whoever calls. Source: ITU-T I.371, GCRA; Mitzenmacher, The Power of Two
// Choices.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace recharge {

constexpr std::uint64_t kTicksPerSecond = 10'000'000;

// A bucket of `burst_ticks / interval_ticks` tokens, one more every interval.
struct Rate {
  std::uint64_t interval_ticks = 0;  // zero: no limit
  std::uint64_t burst_ticks = 0;     // at least the interval, at most kMaxBurstTicks

  std::uint64_t tokens() const noexcept { return burst_ticks / interval_ticks; }
};

class RateTable {
 public:
  static constexpr std::size_t kGroup = 8;                                 // places in a cache line
  static constexpr std::uint64_t kMaxBurstTicks = 3600 * kTicksPerSecond;  // far below the range of a place

  // Room for about so many keys at a time, in 8 to 16 bytes each.
  explicit RateTable(std::size_t keys);

  struct Verdict {
    bool allowed = true;
    std::uint64_t remaining = 0;    // tokens
    std::uint64_t wait_ticks = 0;   // until one more is there; zero where it was allowed
    std::uint64_t reset_ticks = 0;  // until the bucket is full
  };
  // key: a keyed hash, so that nobody can choose where it falls. REQUIRES: rate.interval_ticks > 0.
  Verdict take(std::uint64_t key, const Rate& rate, std::uint64_t now) noexcept;

  std::size_t bytes() const noexcept { return (mask_ + 1) * sizeof(Group); }

 private:
  struct alignas(64) Group {
    std::atomic<std::uint64_t> places[kGroup];
  };
  struct Found {
    std::atomic<std::uint64_t>* place;
    std::uint64_t value;  // what stood there
  };
  Found find(std::uint64_t key, std::uint64_t now) const noexcept;

  std::size_t mask_;
  std::unique_ptr<Group[]> groups_;
};

}  // namespace recharge
