// Purpose: a subscriber within the process: follows the journal's events, hands each to the world, and saves
// its cursor behind what was handed over. Owner: one history. Lifetime: one life of the process, within its
// disk. Errors: a violation is a sentence; empty: none. What the disk throws goes through.
#pragma once

#include <functional>

#include "storage/event_reader.h"
#include "storage/simulated_file.h"
#include "storage/subscriber_cursors.h"
#include "tests/simulation/event_log.h"

namespace recharge::simulation {

class Subscriber {
 public:
  Subscriber(SimulatedFileSystem& disk, std::function<JournalPosition()> durable_end,
             std::function<std::int64_t()> wall_ms);

  // Hands over up to so many events. `save`: and keeps how far that was.
  std::string follow(EventLog& log, unsigned events, bool save);
  // The first segment that has to stay, of those before this one; 0: all of them.
  std::uint64_t first_needed(std::uint64_t wanted) { return cursors_.first_needed(wanted); }

 private:
  std::string begin();

  EventJournal journal_;
  SubscriberCursors cursors_;
  EventReader reader_;
  bool begun_ = false;
};

}  // namespace recharge::simulation
