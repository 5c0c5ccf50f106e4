// Purpose: how far each subscriber has followed the events, on the disk, so that it goes on there after any
// end of the process; and how long retention waits for it. Owner: any thread; a subscriber saves its own
// cursor. Lifetime: as long as the server runs. Errors: StorageError names the file; a damaged cursor is
// Errc::damaged and is never taken for a new one. Units: bytes, milliseconds since 1970 (_ms). Source of the
// layout: storage/README.md.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/event.h"
#include "storage/file.h"
#include "storage/journal_position.h"
#include "storage/storage_error.h"

namespace recharge {

enum class SubscriberState : std::uint8_t {
  active,
  paused,  // by an operator
  off,     // by itself: the other side wants no more
  lost     // so far behind that retention waits no longer: events were dropped, or may be
};
std::string_view to_text(SubscriberState state) noexcept;

struct SubscriberCursor {
  EventId after;             // the last event that is done with, or a place
  std::int64_t wall_ms = 0;  // when what stands there was written
  SubscriberState state = SubscriberState::active;
  friend bool operator==(const SubscriberCursor&, const SubscriberCursor&) noexcept = default;
};

// What retention keeps for a subscriber beyond what it would keep anyway.
struct HoldLimits {
  std::uint64_t bytes = std::uint64_t{10} << 30;
  std::int64_t age_ms = 7 * 86'400'000LL;
};

class SubscriberCursors {
 public:
  struct Options {
    std::string directory;  // DATA_DIR/subscribers, made when missing
    FolderId folder_id{};
    std::uint64_t segment_bytes = 0;
    HoldLimits limits;
    std::function<std::int64_t()> wall_ms;
    std::function<void(const std::string& name, const std::string& why)> on_lost;  // once each
  };
  static constexpr std::size_t kMaxNameBytes = 120;  // [a-z0-9_-]
  static bool is_name(std::string_view name) noexcept;

  SubscriberCursors(FileSystem& files, Options options);
  ~SubscriberCursors();

  // The subscriber is there in this process, and retention waits for it. Where it has no cursor yet, it
  // begins at `begin`.
  StorageResult<SubscriberCursor> attach(const std::string& name, const EventId& begin);
  // On the disk when it returns. A subscriber that was lost or paused meanwhile stays so.
  StorageResult<void> advance(const std::string& name, const EventId& after, std::int64_t wall_ms);
  StorageResult<void> set_state(const std::string& name, SubscriberState state);
  // Begins anew, from a place, active.
  StorageResult<void> restart(const std::string& name, const EventId& after, std::int64_t wall_ms);

  // REQUIRES: attached.
  SubscriberCursor get(const std::string& name) const;
  std::vector<std::pair<std::string, SubscriberCursor>> all() const;

  // Everybody is attached: until then nothing may be dropped.
  void all_attached() noexcept { all_attached_.store(true, std::memory_order_release); }
  // The first segment that must stay where retention would keep those from `wanted` on. Who is beyond the
  // limits is lost by that.
  std::uint64_t first_needed(std::uint64_t wanted);

 private:
  struct Entry;
  StorageResult<void> write(const std::string& name, Entry& entry, std::uint64_t number,
                            const SubscriberCursor& cursor);
  StorageResult<std::optional<SubscriberCursor>> read(const std::string& name, Entry& entry);
  Entry& entry_of(const std::string& name) const;
  StorageResult<void> change(const std::string& name,
                             const std::function<bool(SubscriberCursor& cursor)>& make);

  FileSystem& files_;
  const Options options_;
  mutable std::mutex mutex_;  // of the map and the cursors in it; never held over the disk
  std::map<std::string, std::unique_ptr<Entry>> entries_;
  std::atomic<bool> all_attached_{false};
};

}  // namespace recharge
