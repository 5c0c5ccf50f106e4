// The engine of the running server, made from the settings.
#include <memory>

#include "server/application.h"
#include "server/log.h"
#include "server/sharded_engine.h"
#include "storage/real_file.h"

namespace recharge {

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
  OpenedEngine result;
  result.engine = std::move(*opened);
  result.metrics = [engine] { return engine->storage_metrics(); };
  result.ledger_balanced = [engine] { return engine->ledger_balanced(); };
  result.close = [engine] {
    engine->io_threads_ended();
    engine->stop();
  };
  return result;
}

}  // namespace recharge
