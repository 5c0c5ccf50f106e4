// Purpose: recharged as a whole: settings, log, store, server, signals, and how it ends.
// Owner: the main thread. Errors: exit codes, after a line on stderr.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "server/engine.h"
#include "server/metrics.h"
#include "server/settings.h"
#include "storage/change_watch.h"
#include "storage/event_reader.h"
#include "storage/file.h"
#include "storage/notify_urls.h"
#include "storage/subscriber_cursors.h"

namespace recharge {

// The store cannot be opened, is in use by another process, or is damaged: exit code 4.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The engine over its store, and what the server asks of it beside commands.
struct OpenedEngine {
  std::unique_ptr<Engine> engine;
  std::function<StorageMetrics()> metrics;       // on any thread
  std::function<bool()> ledger_balanced;         // likewise; false: changes are refused
  std::function<bool()> store_writable;          // likewise; false: the disk is full
  std::function<void()> checkpoint;              // likewise; begins one soon
  EventJournal events;                           // of its journal
  std::uint64_t segment_bytes = 0;               // of the journal
  ChangeWatch* change_watch = nullptr;           // of its shards
  std::function<std::function<bool()>()> fence;  // ShardedEngine::fence
  std::shared_ptr<SubscriberCursors> cursors;
  std::function<std::unique_ptr<NotifyUrls>()> notify_urls;  // of its books, for one subscriber
  std::function<void()> close;  // after the io threads ended: what was acknowledged is on disk
};

// Opens the data folder (makes it at the first start), recovers, and gets ready for `threads` io threads.
// on_fatal is called from any thread when nothing more may be acknowledged; the process then ends with 1.
// Throws StoreError.
using OpenEngine = OpenedEngine (*)(const Settings& settings, unsigned threads,
                                    std::function<void(const std::string&)> on_fatal);
OpenedEngine open_engine(const Settings& settings, unsigned threads,
                         std::function<void(const std::string&)> on_fatal);
// The same over another file system, for disks that are broken on purpose. It outlives the engine.
OpenedEngine open_engine_over(FileSystem& files, const Settings& settings, unsigned threads,
                              std::function<void(const std::string&)> on_fatal);

// Answers the exit code.
int run_application(int argc, const char* const* argv, OpenEngine open);

}  // namespace recharge
