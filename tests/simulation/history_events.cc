// Whoever is told of events, and the journal's old segments, which wait for it.
#include "storage/segment.h"
#include "tests/simulation/history.h"

namespace recharge::simulation {

void History::follow_events(unsigned events, bool save) {
  if (!subscriber_) return;
  const auto before = events_.told();
  if (auto wrong = subscriber_->follow(events_, events, save); !wrong.empty()) return violate(wrong);
  note("events were told: ", std::to_string(events_.told() - before));
  coverage_.count(Met::events, events_.told() - before);
}

// As retention does it: what the books and the subscriber need stays.
void History::drop_segments() {
  if (!subscriber_ || server_->checkpointed_segment() == 0) return;
  const auto first_kept = subscriber_->first_needed(server_->checkpointed_segment());
  const auto directory = journal_options(threads_).directory;
  const auto numbers = list_segments(*disk_, directory);
  if (!numbers) return violate("no list of segments: " + numbers.error().to_text());
  for (const auto number : *numbers) {
    if (number >= first_kept) break;
    if (!remove_segment(*disk_, directory, number)) return;
    coverage_.count(Met::dropped_segments);
    note("a segment is dropped: ", std::to_string(number));
  }
}

void History::check_events() {
  follow_events(UINT32_MAX, true);
  if (!violation_.empty()) return;
  coverage_.count(Met::told_again, events_.repeats());
  for (unsigned shard = 0; shard < kShards; ++shard) events_.count(oracle_.model(shard), workload_.now());
  if (auto different = events_.difference(); !different.empty()) violate("events: " + different);
}

}  // namespace recharge::simulation
