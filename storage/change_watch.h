// Purpose: which orders and accounts somebody listens to, so that who tells them reads only the groups of the
// journal in which one of these changed. A change is looked at by its own thread, before its record is
// published; the journal then notes the group that holds it. Too many groups may be noted, never too few:
// different orders may share a counter. Owner threads: listen and stop_listening: any; look: the producer's;
// note: the journal thread; take_notes: one. Lifetime: longer than the shards and the journal. Errors: none.
// REQUIRES of who begins to listen: changes that were executed before every producer's thread has been heard
// of since are not noted; they are to be read without notes (server/live_feed.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/event.h"
#include "core/fact.h"
#include "storage/change_set.h"
#include "storage/group_committer.h"

namespace recharge {

class ChangeWatch {
 public:
  static constexpr std::size_t kCounters = std::size_t{1} << 16;  // of each kind
  static constexpr std::size_t kMaxNotes = 4096;

  explicit ChangeWatch(unsigned producers);

  // Each listener once.
  void listen(const OrderId& id) noexcept { orders_.add(place(id), 1); }
  void listen(const Account& account) noexcept { accounts_.add(place(account), 1); }
  void stop_listening(const OrderId& id) noexcept { orders_.add(place(id), -1); }
  void stop_listening(const Account& account) noexcept { accounts_.add(place(account), -1); }

  // The record of this number has these facts.
  void look(unsigned producer, std::uint64_t number, const Facts& facts) noexcept {
    if ((orders_.empty() && accounts_.empty()) || !concerns_somebody(facts)) return;
    latest_[producer].number.store(number, std::memory_order_release);
  }
  void note(const GroupReport& group);

  // Places of groups, ascending; they are forgotten here. False: some behind these were not noted.
  bool take_notes(std::vector<EventId>& places);

 private:
  struct alignas(kCacheLineBytes) Latest {
    std::atomic<std::uint64_t> number{0};
  };

  // How many listen, by place.
  class Counters {
   public:
    void add(std::size_t place, int change) noexcept {
      by_place_[place].fetch_add(static_cast<std::uint32_t>(change), std::memory_order_relaxed);
      all_.fetch_add(static_cast<std::uint32_t>(change), std::memory_order_relaxed);
    }
    bool empty() const noexcept { return all_.load(std::memory_order_relaxed) == 0; }
    bool holds(std::size_t place) const noexcept {
      return by_place_[place].load(std::memory_order_relaxed) > 0;
    }

   private:
    std::atomic<std::uint32_t> all_{0};
    std::vector<std::atomic<std::uint32_t>> by_place_ = std::vector<std::atomic<std::uint32_t>>(kCounters);
  };

  template <class Id>
  static std::size_t place(const Id& id) noexcept {
    return record_hash(id) % kCounters;
  }
  bool concerns_somebody(const Facts& facts) const noexcept;
  bool is_heard(const OrderId& id) const noexcept { return !orders_.empty() && orders_.holds(place(id)); }
  bool is_heard(const Account& account) const noexcept {
    return !accounts_.empty() && accounts_.holds(place(account));
  }

  Counters orders_;
  Counters accounts_;
  std::vector<Latest> latest_;  // by producer: its last record that concerns somebody

  std::mutex mutex_;  // of what follows; held for a copy
  std::vector<EventId> notes_;
  bool complete_ = true;
};

}  // namespace recharge
