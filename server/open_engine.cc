// The engine of the running server, made from the settings.
#include <chrono>
#include <memory>

#include "server/application.h"
#include "server/log.h"
#include "server/sharded_engine.h"
#include "storage/real_file.h"
#include "storage/retention.h"
#include "storage/scrubber.h"
#include "storage/sealed_text.h"

namespace recharge {

namespace {

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

ScrubberOptions scrubber_options(const StoreSettings& settings) {
  ScrubberOptions options;
  options.interval_ms = settings.scrub_interval_ms;
  options.bytes_per_second = settings.scrub_bytes_per_second;
  options.on_damage = [](const StorageError& error) { log_error("damage found: " + error.to_text()); };
  options.on_head = [](const JournalPosition& head) {
    log_info("head of the journal " + to_hex(head.previous_hash) + " at segment " +
             std::to_string(head.segment) + ", offset " + std::to_string(head.offset));
  };
  options.wall_ms = wall_ms;
  return options;
}

RetentionOptions retention_options(const StoreSettings& settings, const ShardedEngine& engine,
                                   std::shared_ptr<SubscriberCursors> cursors) {
  RetentionOptions options;
  options.first_needed = [cursors](std::uint64_t wanted) { return cursors->first_needed(wanted); };
  options.limits = settings.journal_retention;
  options.interval_ms = settings.checkpoint_interval_ms;
  options.checkpointed_segment = [&engine] { return engine.checkpointed_segment(); };
  options.wall_ms = wall_ms;
  options.on_dropped = [](std::uint64_t segments, std::uint64_t first_kept) {
    log_info("sealed the base and dropped " + std::to_string(segments) +
             " segments of the journal; it begins with segment " + std::to_string(first_kept));
  };
  options.on_error = [](const StorageError& error) {
    log_error("no segment of the journal is dropped: " + error.to_text());
  };
  return options;
}

std::shared_ptr<SubscriberCursors> open_cursors(FileSystem& files, const Settings& settings, Store& store) {
  SubscriberCursors::Options options;
  options.directory = store.data_dir() + "/subscribers";
  options.folder_id = store.format().folder_id;
  options.segment_bytes = settings.store.segment_bytes;
  options.limits = settings.events.hold;
  options.wall_ms = wall_ms;
  options.on_lost = [](const std::string& name, const std::string& why) {
    log_error("subscriber " + name + " is lost: it is " + why +
              ", so that events may be dropped before it has them; make it begin anew");
  };
  return std::make_shared<SubscriberCursors>(files, std::move(options));
}

RetainedFolder retained_folder(Store& store) {
  JournalOptions journal;
  journal.directory = store.journal_directory();
  journal.folder_id = store.format().folder_id;
  return {store.data_dir(), store.map(), store.codec(), journal};
}

}  // namespace

OpenedEngine open_engine(const Settings& settings, unsigned threads,
                         std::function<void(const std::string&)> on_fatal) {
  static RealFileSystem files;
  return open_engine_over(files, settings, threads, std::move(on_fatal));
}

OpenedEngine open_engine_over(FileSystem& files, const Settings& settings, unsigned threads,
                              std::function<void(const std::string&)> on_fatal) {
  ShardedEngine::Options options;
  options.store.data_dir = settings.store.data_dir.string();
  options.store.currency = settings.orders.currency;
  options.store.threads = threads;
  options.store.segment_bytes = settings.store.segment_bytes;
  options.store.checkpoint_bytes = settings.store.checkpoint_bytes;
  options.store.reserve_bytes = settings.store.reserve_bytes;
  options.store.idempotency_retention_ms = settings.orders.idempotency_retention_ms;
  options.checkpointer.interval_ms = settings.store.checkpoint_interval_ms;
  options.checkpointer.changed_bytes = settings.store.checkpoint_bytes;
  options.checkpointer.idempotency_retention_ms = settings.orders.idempotency_retention_ms;
  options.on_fatal = std::move(on_fatal);
  options.on_warning = [](const std::string& text) { log_warning(text); };
  options.on_unbalanced = [](const std::string& text) { log_error(text); };

  auto opened = ShardedEngine::open(files, std::move(options));
  if (!opened) throw StoreError(opened.error().to_text());
  auto* engine = opened->get();
  const auto& recovery = engine->store().recovery();
  if (recovery.records > 0 || recovery.torn_tail) {
    log_info("recovered " + std::to_string(recovery.records) + " records from the journal" +
             (recovery.torn_tail ? ", and cut an unfinished group off its end" : ""));
  }
  engine->start();
  auto scrubber = std::make_shared<Scrubber>(files, engine->store(), scrubber_options(settings.store));
  scrubber->start();
  auto cursors = open_cursors(files, settings, engine->store());
  auto retention = std::make_shared<Retention>(files, retained_folder(engine->store()),
                                               retention_options(settings.store, *engine, cursors));
  if (!settings.store.journal_retention.keep_all()) retention->start();
  OpenedEngine result;
  result.engine = std::move(*opened);
  result.metrics = [engine, scrubber] {
    auto metrics = engine->storage_metrics();
    metrics.scrub_last_success_ms = scrubber->last_success_ms();
    metrics.scrub_bytes = scrubber->bytes();
    metrics.scrub_damage = scrubber->damage();
    return metrics;
  };
  result.ledger_balanced = [engine] { return engine->ledger_balanced(); };
  result.store_writable = [engine] { return !engine->storage_full(); };
  result.checkpoint = [engine] { engine->ask_for_checkpoint(); };
  result.cursors = std::move(cursors);
  result.segment_bytes = settings.store.segment_bytes;
  result.events = {&files, retained_folder(engine->store()).journal,
                   [engine] { return engine->store().journal().durable_position(); }};
  result.change_watch = &engine->change_watch();
  result.fence = [engine] { return engine->fence(); };
  result.notify_urls = [engine] {
    Store& store = engine->store();
    return std::make_unique<NotifyUrls>(store.books(), store.codec(), store.books_file());
  };
  result.close = [engine, scrubber, retention] {
    retention->stop();
    scrubber->stop();
    engine->io_threads_ended();
    engine->stop();
  };
  return result;
}

}  // namespace recharge
