// Purpose: which events of an endpoint were given up and are kept; where there is a bound, the latest. Owner:
// the thread of the endpoint. Units: events.
#pragma once

#include <cstddef>
#include <optional>
#include <set>

#include "core/event.h"

namespace recharge {

class GivenUpEvents {
 public:
  static constexpr std::size_t kAll = 0;
  static constexpr std::size_t kMostOfAHost = 10'000;  // of one that orders' own addresses are at

  explicit GivenUpEvents(std::size_t most) : most_(most) {}

  // Which one is not to be kept any more instead.
  std::optional<EventId> add(const EventId& id) {
    kept_.insert(id);
    if (most_ == kAll || kept_.size() <= most_) return std::nullopt;
    return kept_.extract(kept_.begin()).value();
  }
  void remove(const EventId& id) { kept_.erase(id); }
  bool contains(const EventId& id) const { return kept_.contains(id); }

 private:
  const std::size_t most_;
  std::set<EventId> kept_;
};

}  // namespace recharge
