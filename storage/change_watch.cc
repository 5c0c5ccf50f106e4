#include "storage/change_watch.h"

#include <utility>

#include "storage/event_reader.h"

namespace recharge {

ChangeWatch::ChangeWatch(unsigned producers) : latest_(producers) {}

// The facts that core/event.h makes events of. An event of an attempt or of an exception has the order that
// the same record changes.
bool ChangeWatch::concerns_somebody(const Facts& facts) const noexcept {
  for (const Fact& fact : facts) {
    bool heard = false;
    if (const auto* placed = std::get_if<OrderPlaced>(&fact)) {
      heard = is_heard(placed->order.id) || is_heard(placed->order.account);
    } else if (const auto* changed = std::get_if<OrderChanged>(&fact)) {
      heard = is_heard(changed->order_id) || is_heard(changed->account);
    } else if (const auto* opened = std::get_if<ExceptionOpened>(&fact)) {
      heard = is_heard(opened->exception.account);
    } else if (const auto* resolved = std::get_if<ExceptionResolved>(&fact)) {
      heard = is_heard(resolved->exception.account);
    } else if (const auto* debited = std::get_if<DebitRecorded>(&fact)) {
      heard = is_heard(debited->debit.account);
    }
    if (heard) return true;
  }
  return false;
}

void ChangeWatch::note(const GroupReport& group) {
  for (const GroupPart& part : group.parts) {
    if (latest_[part.producer].number.load(std::memory_order_acquire) < part.first_number) continue;
    const std::lock_guard lock(mutex_);
    if (notes_.size() < kMaxNotes) {
      notes_.push_back(place_in(group.begin));
    } else {
      complete_ = false;
    }
    return;
  }
}

bool ChangeWatch::take_notes(std::vector<EventId>& places) {
  places.clear();
  const std::lock_guard lock(mutex_);
  places.swap(notes_);
  return std::exchange(complete_, true);
}

}  // namespace recharge
