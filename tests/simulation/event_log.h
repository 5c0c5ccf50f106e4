// Purpose: the world that is told of events: it remembers all of them over every crash, and holds them
// against what is promised: each at least once, the same whenever it comes again, in order for each order,
// and in the end what they tell is what happened. Owner: one history. Errors: a violation is a sentence;
// empty: none.
#pragma once

#include <array>
#include <map>
#include <string>

#include "core/event.h"
#include "tests/core/order_model.h"

namespace recharge::simulation {

class EventLog {
 public:
  std::string take(const Event& event);
  // Against all that happened, when everything was told. REQUIRES: `count` is called for every shard's model.
  void count(const testing::OrderModel& model, Time now);
  std::string difference() const;

  std::size_t told() const { return seen_.size(); }
  std::size_t repeats() const { return repeats_; }

 private:
  std::size_t of(EventType type) const { return counts_[static_cast<std::size_t>(type)]; }
  void require(std::size_t told, std::size_t happened, const char* what);

  std::map<EventId, std::string> seen_;
  std::map<std::string, EventId> newest_;  // by the key that keeps its order
  std::map<OrderId, Order> orders_;        // as told last
  std::array<std::size_t, kEventTypes> counts_{};
  std::size_t repeats_ = 0;

  struct Happened {
    std::size_t orders = 0;
    std::size_t debits = 0;
    std::size_t refunds = 0;
    std::size_t refunds_succeeded = 0;
    std::size_t open_exceptions = 0;
    std::size_t given_up = 0;
    std::size_t requested = 0;  // of workers
  };
  Happened happened_;
  std::string difference_;
};

}  // namespace recharge::simulation
