#include "tests/simulation/simulated_server.h"

#include "core/check.h"
#include "storage/shard_recovery.h"

namespace recharge::simulation {
namespace {

constexpr HashKey kHashKey{0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::size_t kRecordsPerTransaction = 8;
const std::string kDirectory = "/journal";

}  // namespace

const ShardMap& shard_map() {
  static const ShardMap map(kHashKey, kShards);
  return map;
}

const RecordCodec& record_codec() {
  static const RecordCodec codec(kHashKey);
  return codec;
}

// As small as the journal accepts, so that histories meet full segments and full rings.
JournalOptions journal_options(unsigned threads) {
  JournalOptions options;
  options.directory = kDirectory;
  options.folder_id = {0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  options.producers = threads;
  options.max_group_bytes = 28 * kSectorBytes;
  options.segment_bytes = 87 * kSectorBytes;
  options.ring_bytes = 32 * 1024;
  return options;
}

std::unique_ptr<SimulatedFileSystem> empty_disk() {
  auto disk = std::make_unique<SimulatedFileSystem>();
  RECHARGE_CHECK(disk->make_directory(kDirectory).has_value());
  RECHARGE_CHECK(disk->sync_directory("/").has_value());
  return disk;
}

SimulatedServer::SimulatedServer(SimulatedFileSystem& disk, Books& books, ServerSettings settings)
    : disk_(disk), books_(books), settings_(std::move(settings)) {}
SimulatedServer::~SimulatedServer() = default;

StorageResult<RecoveryReport> SimulatedServer::start() {
  const ShardBooks books{books_, shard_map(), record_codec(), "books"};
  const auto options = journal_options(settings_.threads);
  auto recovered = recover_shards(disk_, options, books, settings_.recovery_limit_bytes,
                                  {kRecordsPerTransaction, settings_.between_transactions});
  if (!recovered) return recovered.error();
  auto journal = Journal::open(disk_, options, recovered->end, {});
  if (!journal) return journal.error();
  journal_ = std::move(*journal);
  const auto report = recovered->report;
  const auto watermark_ms = recovered->expiry_watermark_ms;
  groups_ = deal_out(books, std::move(*recovered), settings_.threads, settings_.limits);
  for (unsigned thread = 0; thread < settings_.threads; ++thread) groups_[thread]->attach(*journal_, thread);
  checkpointer_ = std::make_unique<Checkpointer>(
      CheckpointedStore{books_, record_codec(), shard_map(), *journal_, settings_.threads, watermark_ms},
      *this, checkpointer_options());
  return report;
}

CheckpointerOptions SimulatedServer::checkpointer_options() {
  CheckpointerOptions options;
  options.records_per_transaction = kRecordsPerTransaction;
  options.idempotency_retention_ms = kIdempotencyRetentionMs;
  options.wall_clock = settings_.wall_clock;
  options.monotonic_clock_ms = [this] { return settings_.wall_clock().ms; };
  options.rest = [this](std::int64_t) {
    if (settings_.between_transactions) settings_.between_transactions();
    serve();
    step();
  };
  return options;
}

SimulatedServer::Executed SimulatedServer::execute(const Command& command, Outcome& outcome) {
  const unsigned thread = shard_map().of_command(command) % settings_.threads;
  auto& group = *groups_[thread];
  group.set_now(settings_.wall_clock());
  const Executed executed{thread, group.execute(command, outcome)};
  group.release_books();
  journal_->publish(thread);
  return executed;
}

bool SimulatedServer::step() { return journal_->step().has_value(); }

void SimulatedServer::run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& task) {
  for (unsigned thread = 0; thread < settings_.threads; ++thread) {
    task(thread, *groups_[thread]);
    journal_->publish(thread);
    serve();
  }
}

}  // namespace recharge::simulation
