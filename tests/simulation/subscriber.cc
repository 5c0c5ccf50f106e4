#include "tests/simulation/subscriber.h"

#include "tests/simulation/simulated_server.h"

namespace recharge::simulation {
namespace {

const std::string kName = "world";
constexpr EventId kBegin{1, 0, 0, 0};
constexpr HoldLimits kWithoutEnd{UINT64_MAX, INT64_MAX};

EventJournal event_journal(SimulatedFileSystem& disk, std::function<JournalPosition()> durable_end) {
  return {&disk, journal_options(1), std::move(durable_end)};
}

SubscriberCursors::Options cursor_options(std::function<std::int64_t()> wall_ms) {
  SubscriberCursors::Options options;
  options.directory = "/subscribers";
  options.folder_id = journal_options(1).folder_id;
  options.segment_bytes = journal_options(1).segment_bytes;
  options.limits = kWithoutEnd;
  options.wall_ms = std::move(wall_ms);
  return options;
}

bool is_of_the_disk(const StorageError& error) {
  return is_disk_full(error.code) || error.code == boost::system::errc::io_error;
}

}  // namespace

Subscriber::Subscriber(SimulatedFileSystem& disk, std::function<JournalPosition()> durable_end,
                       std::function<std::int64_t()> wall_ms)
    : journal_(event_journal(disk, std::move(durable_end))),
      cursors_(disk, cursor_options(std::move(wall_ms))),
      reader_(journal_) {}

// Where the disk has no room for a new cursor, it is tried again.
std::string Subscriber::begin() {
  const auto cursor = cursors_.attach(kName, kBegin);
  if (!cursor) return is_of_the_disk(cursor.error()) ? "" : "no cursor: " + cursor.error().to_text();
  cursors_.all_attached();
  if (auto sought = reader_.seek(cursor->after); !sought)
    return "events cannot be read on: " + sought.error().to_text();
  begun_ = true;
  return {};
}

std::string Subscriber::follow(EventLog& log, unsigned events, bool save) {
  if (!begun_) {
    if (auto wrong = begin(); !wrong.empty() || !begun_) return wrong;
  }
  for (unsigned i = 0; i < events; ++i) {
    const auto event = reader_.next();
    if (!event) return "events cannot be read: " + event.error().to_text();
    if (*event == nullptr) break;
    if (auto wrong = log.take(**event); !wrong.empty()) return wrong;
  }
  if (!save) return {};
  const auto saved = cursors_.advance(kName, reader_.resume_point(), reader_.wall_ms());
  if (!saved && !is_of_the_disk(saved.error())) return "no cursor is kept: " + saved.error().to_text();
  return {};
}

}  // namespace recharge::simulation
