#include "storage/subscriber_cursors.h"

#include <algorithm>
#include <cstring>

#include "storage/journal_options.h"
#include "storage/sealed_text.h"

namespace recharge {
namespace {

constexpr std::string_view kTitle = "recharge cursor\n";
constexpr std::size_t kSlots = 2;
constexpr std::string_view kSuffix = ".cursor";
constexpr SubscriberState kStates[] = {SubscriberState::active, SubscriberState::paused, SubscriberState::off,
                                       SubscriberState::lost};

StorageError error_of(boost::system::error_code code, const std::string& file, const char* what) {
  return {code, file, 0, what};
}

std::string parent_of(const std::string& directory) {
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

std::string slot_text(const FolderId& folder, std::uint64_t number, const SubscriberCursor& cursor) {
  std::string text(kTitle);
  text.append("format 1\nfolder ").append(to_hex(folder)).append("\nnumber ").append(std::to_string(number));
  text.append("\nafter ").append(cursor.after.is_nil() ? "-" : cursor.after.to_text());
  text.append("\nwall_ms ").append(std::to_string(cursor.wall_ms));
  text.append("\nstate ").append(to_text(cursor.state)).append("\n");
  text = sealed(std::move(text));
  RECHARGE_STORAGE_INVARIANT(text.size() <= kSectorBytes);
  text.resize(kSectorBytes, '\0');
  return text;
}

struct Slot {
  FolderId folder{};
  std::uint64_t number = 0;
  SubscriberCursor cursor;
};

// Nothing: never written, or torn.
std::optional<Slot> read_slot(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  if (!is_sealed(text) || !text.starts_with(kTitle)) return std::nullopt;
  text.remove_prefix(kTitle.size());
  Slot slot;
  std::string_view value;
  std::uint64_t wall_ms = 0;
  if (!take_line(text, "format", value) || value != "1") return std::nullopt;
  if (!take_line(text, "folder", value) || !from_hex(value, slot.folder)) return std::nullopt;
  if (!take_line(text, "number", value) || !parse_number(value, slot.number)) return std::nullopt;
  if (!take_line(text, "after", value)) return std::nullopt;
  if (value != "-") {
    const auto id = EventId::parse(value);
    if (!id) return std::nullopt;
    slot.cursor.after = *id;
  }
  if (!take_line(text, "wall_ms", value) || !parse_number(value, wall_ms)) return std::nullopt;
  slot.cursor.wall_ms = static_cast<std::int64_t>(wall_ms);
  if (!take_line(text, "state", value)) return std::nullopt;
  for (const SubscriberState state : kStates) {
    if (to_text(state) != value) continue;
    slot.cursor.state = state;
    return slot;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(SubscriberState state) noexcept {
  switch (state) {
    case SubscriberState::active:
      return "active";
    case SubscriberState::paused:
      return "paused";
    case SubscriberState::off:
      return "off";
    case SubscriberState::lost:
      break;
  }
  return "lost";
}

// What is written to the disk is ordered by `writing`; `cursor` is guarded by the mutex of all.
struct SubscriberCursors::Entry {
  std::mutex writing;
  std::unique_ptr<File> file;
  std::uint64_t number = 0;  // of the slot written last
  SubscriberCursor cursor;
};

SubscriberCursors::SubscriberCursors(FileSystem& files, Options options)
    : files_(files), options_(std::move(options)) {}

SubscriberCursors::~SubscriberCursors() = default;

bool SubscriberCursors::is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// Two slots of a sector each, written in turn and in place: one of them is whole whatever happens, and the
// file system has nothing of its own to write.
StorageResult<void> SubscriberCursors::write(const std::string& name, Entry& entry, std::uint64_t number,
                                             const SubscriberCursor& cursor) {
  const std::string path = options_.directory + "/" + name + std::string(kSuffix);
  const std::string text = slot_text(options_.folder_id, number, cursor);
  const std::uint64_t offset = number % kSlots * kSectorBytes;
  if (auto written = entry.file->write_at(offset, std::as_bytes(std::span(text))); !written)
    return error_of(written.error(), path, "writing");
  if (auto synced = entry.file->sync(); !synced) return error_of(synced.error(), path, "flushing");
  entry.number = number;
  return {};
}

// Opens the file, or makes it. Nothing: it is new.
StorageResult<std::optional<SubscriberCursor>> SubscriberCursors::read(const std::string& name,
                                                                       Entry& entry) {
  const std::string path = options_.directory + "/" + name + std::string(kSuffix);
  if (auto made = files_.make_directory(options_.directory); !made)
    return error_of(made.error(), options_.directory, "making the directory");
  const auto present = files_.exists(path);
  if (!present) return error_of(present.error(), path, "looking for the file");
  if (!*present) {
    const std::string text = slot_text(options_.folder_id, 0, {}) + std::string(kSectorBytes, '\0');
    if (auto made = write_whole(files_, options_.directory, name + std::string(kSuffix), text); !made)
      return made.error();
  }
  // Its name, and the directory's, may be readable and yet not on the disk, from a life that was cut short.
  for (const std::string& directory : {parent_of(options_.directory), options_.directory}) {
    if (auto synced = files_.sync_directory(directory); !synced)
      return error_of(synced.error(), directory, "flushing");
  }
  auto opened = files_.open(path, FileSystem::Access::read_write);
  if (!opened) return error_of(opened.error(), path, "opening");
  entry.file = std::move(*opened);
  std::string text(kSlots * kSectorBytes, '\0');
  if (auto got = entry.file->read_at(0, std::as_writable_bytes(std::span(text))); !got)
    return error_of(got.error(), path, "reading");
  std::optional<Slot> newest;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const auto slot = read_slot(std::string_view(text).substr(i * kSectorBytes, kSectorBytes));
    if (slot && (!newest || slot->number > newest->number)) newest = slot;
  }
  if (!newest) return error_of(Errc::damaged, path, "no slot of the cursor is whole");
  if (newest->folder != options_.folder_id) return error_of(Errc::damaged, path, "of another data folder");
  entry.number = newest->number;
  if (newest->number == 0) return std::optional<SubscriberCursor>();
  // So may the slot be. Retention drops segments by it, so that it is written again, in its own place: the
  // one before stays whole meanwhile.
  if (auto written = write(name, entry, newest->number, newest->cursor); !written) return written.error();
  return std::optional(newest->cursor);
}

StorageResult<SubscriberCursor> SubscriberCursors::attach(const std::string& name, const EventId& begin) {
  RECHARGE_STORAGE_INVARIANT(is_name(name));
  auto entry = std::make_unique<Entry>();
  auto found = read(name, *entry);
  if (!found) return found.error();
  if (*found) {
    entry->cursor = **found;
  } else {
    entry->cursor = {begin, options_.wall_ms(), SubscriberState::active};
    if (auto written = write(name, *entry, entry->number + 1, entry->cursor); !written)
      return written.error();
  }
  const SubscriberCursor cursor = entry->cursor;
  const std::lock_guard lock(mutex_);
  entries_[name] = std::move(entry);
  return cursor;
}

SubscriberCursors::Entry& SubscriberCursors::entry_of(const std::string& name) const {
  const auto found = entries_.find(name);
  RECHARGE_STORAGE_INVARIANT(found != entries_.end());
  return *found->second;
}

StorageResult<void> SubscriberCursors::change(const std::string& name,
                                              const std::function<bool(SubscriberCursor& cursor)>& make) {
  Entry* entry = nullptr;
  {
    const std::lock_guard lock(mutex_);
    entry = &entry_of(name);
  }
  const std::lock_guard turn(entry->writing);
  SubscriberCursor cursor = get(name);
  if (!make(cursor)) return {};
  if (auto written = write(name, *entry, entry->number + 1, cursor); !written) return written.error();
  const std::lock_guard lock(mutex_);
  entry->cursor = cursor;
  return {};
}

StorageResult<void> SubscriberCursors::advance(const std::string& name, const EventId& after,
                                               std::int64_t wall_ms) {
  return change(name, [&](SubscriberCursor& cursor) {
    if (cursor.state == SubscriberState::lost || after <= cursor.after) return false;
    cursor.after = after;
    cursor.wall_ms = wall_ms;
    return true;
  });
}

StorageResult<void> SubscriberCursors::set_state(const std::string& name, SubscriberState state) {
  return change(name, [state](SubscriberCursor& cursor) {
    if (cursor.state == state) return false;
    cursor.state = state;
    return true;
  });
}

StorageResult<void> SubscriberCursors::restart(const std::string& name, const EventId& after,
                                               std::int64_t wall_ms) {
  return change(name, [&](SubscriberCursor& cursor) {
    cursor = {after, wall_ms, SubscriberState::active};
    return true;
  });
}

SubscriberCursor SubscriberCursors::get(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return entry_of(name).cursor;
}

std::vector<std::pair<std::string, SubscriberCursor>> SubscriberCursors::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, SubscriberCursor>> found;
  for (const auto& [name, entry] : entries_) found.emplace_back(name, entry->cursor);
  return found;
}

std::uint64_t SubscriberCursors::first_needed(std::uint64_t wanted) {
  if (!all_attached_.load(std::memory_order_acquire)) return 0;
  std::uint64_t first = wanted;
  for (const auto& [name, cursor] : all()) {
    const bool waits = cursor.state == SubscriberState::active || cursor.state == SubscriberState::paused;
    if (!waits || cursor.after.is_nil() || cursor.after.segment >= wanted) continue;
    const std::uint64_t held = (wanted - cursor.after.segment) * options_.segment_bytes;
    const std::int64_t age_ms = options_.wall_ms() - cursor.wall_ms;
    if (held <= options_.limits.bytes && age_ms <= options_.limits.age_ms) {
      first = std::min<std::uint64_t>(first, cursor.after.segment);
      continue;
    }
    const std::string why = std::to_string(held) + " bytes and " + std::to_string(age_ms / 1000) +
                            " s behind what is kept anyway";
    // It stays held where that cannot be written: nobody is lost without knowing.
    if (!set_state(name, SubscriberState::lost)) {
      first = std::min<std::uint64_t>(first, cursor.after.segment);
    } else if (options_.on_lost) {
      options_.on_lost(name, why);
    }
  }
  return first;
}

}  // namespace recharge
