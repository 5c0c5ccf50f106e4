#include "server/rate_table.h"

#include <algorithm>
#include <bit>

#include "core/check.h"

namespace recharge {
namespace {

// A place: the fingerprint above, the time below, which goes round every 20 days.
constexpr unsigned kTimeBits = 44;
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
static_assert(RateTable::kMaxBurstTicks < kTimeMask / 256);

std::uint64_t fingerprint(std::uint64_t key) noexcept {
  const std::uint64_t bits = key >> kTimeBits;
  return bits == 0 ? 1 : bits;  // zero: nobody's place
}

// Until its bucket is full; zero where it is, or where what stands there is from a round before.
std::uint64_t left(std::uint64_t place, std::uint64_t now) noexcept {
  const std::uint64_t ahead = (place - now) & kTimeMask;
  return ahead <= RateTable::kMaxBurstTicks ? ahead : 0;
}

}  // namespace

RateTable::RateTable(std::size_t keys)
    : mask_(std::bit_ceil(std::max<std::size_t>(keys / kGroup, 1)) - 1),
      groups_(std::make_unique<Group[]>(mask_ + 1)) {}

// Where the key stands, else a place that it may take: in the emptier of its two groups.
RateTable::Found RateTable::find(std::uint64_t key, std::uint64_t now) const noexcept {
  const std::uint64_t wanted = fingerprint(key);
  Found best{nullptr, 0};
  std::uint64_t best_left = ~std::uint64_t{0};
  std::size_t best_free = 0;
  for (const std::size_t number : {key, key >> 22}) {
    Group& group = groups_[number & mask_];
    Found candidate{nullptr, 0};
    std::uint64_t candidate_left = ~std::uint64_t{0};
    std::size_t free = 0;
    for (auto& place : group.places) {
      const std::uint64_t value = place.load(std::memory_order_relaxed);
      if (value >> kTimeBits == wanted) return {&place, value};
      const std::uint64_t until_full = left(value, now);
      free += until_full == 0 ? 1 : 0;
      if (until_full < candidate_left) {
        candidate = {&place, value};
        candidate_left = until_full;
      }
    }
    if (best.place == nullptr || free > best_free || (free == best_free && candidate_left < best_left)) {
      best = candidate;
      best_left = candidate_left;
      best_free = free;
    }
  }
  return best;
}

RateTable::Verdict RateTable::take(std::uint64_t key, const Rate& rate, std::uint64_t now) noexcept {
  RECHARGE_CHECK(rate.interval_ticks > 0 && rate.burst_ticks >= rate.interval_ticks &&
                 rate.burst_ticks <= kMaxBurstTicks);
  const std::uint64_t wanted = fingerprint(key);
  for (;;) {
    Found found = find(key, now);
    const std::uint64_t value = found.value;
    const bool own = value >> kTimeBits == wanted;
    const std::uint64_t used = own ? left(value, now) : 0;
    const std::uint64_t after = used + rate.interval_ticks;
    if (after > rate.burst_ticks) {
      return {false, 0, after - rate.burst_ticks, used};
    }
    const std::uint64_t changed = wanted << kTimeBits | ((now + after) & kTimeMask);
    if (found.place->compare_exchange_strong(found.value, changed, std::memory_order_relaxed)) {
      return {true, (rate.burst_ticks - after) / rate.interval_ticks, 0, after};
    }
  }
}

}  // namespace recharge
