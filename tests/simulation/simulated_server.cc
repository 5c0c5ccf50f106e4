#include "tests/simulation/simulated_server.h"

#include "core/check.h"

namespace recharge::simulation {
namespace {

constexpr HashKey kHashKey{0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::size_t kRecordsPerTransaction = 8;
const std::string kDirectory = "/journal";

StorageError books_error(const boost::system::error_code& code, const char* what) {
  return {code, "books", 0, what};
}

}  // namespace

const ShardMap& shard_map() {
  static const ShardMap map(kHashKey, kShards);
  return map;
}

const RecordCodec& record_codec() {
  static const RecordCodec codec(kHashKey);
  return codec;
}

// As small as the largest record allows, so that histories meet full segments and full rings. A segment holds
// two groups and room for one record more: with less, a segment that is nearly full could never be left.
JournalOptions journal_options(unsigned threads) {
  JournalOptions options;
  options.directory = kDirectory;
  options.folder_id = {0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  options.producers = threads;
  options.max_group_bytes = 28 * kSectorBytes;
  options.segment_bytes = 86 * kSectorBytes;
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
  auto snapshot = books_.snapshot();
  ShardGroup::Shards shards;
  for (unsigned i = 0; i < kShards; ++i) {
    shards.push_back(std::make_unique<ShardRecords>(static_cast<std::uint8_t>(i), record_codec(), *snapshot));
    if (auto done = shards.back()->load_resident(); !done) return books_error(done.error(), "totals");
  }
  ShardGroup all(shard_map(), std::move(snapshot), std::move(shards), {});
  const auto position = books_.position();
  if (!position) return books_error(position.error(), "position");
  RecoveryReport report;
  const auto options = journal_options(settings_.threads);
  auto end = recover_shards(all, position->expiry_watermark_ms, report);
  if (!end) return end.error();
  auto journal = Journal::open(disk_, options, *end, {});
  if (!journal) return journal.error();
  journal_ = std::move(*journal);
  shards = all.take_shards();
  for (unsigned thread = 0; thread < settings_.threads; ++thread) {
    ShardGroup::Shards own(kShards);
    for (std::size_t i = thread; i < kShards; i += settings_.threads) own[i] = std::move(shards[i]);
    groups_.push_back(
        std::make_unique<ShardGroup>(shard_map(), books_.snapshot(), std::move(own), settings_.limits));
    groups_.back()->attach(*journal_, thread);
    groups_.back()->set_now(report.last);
  }
  checkpointer_ =
      std::make_unique<Checkpointer>(CheckpointedStore{books_, record_codec(), shard_map(), *journal_,
                                                       settings_.threads, position->expiry_watermark_ms},
                                     *this, checkpointer_options());
  return report;
}

StorageResult<JournalPosition> SimulatedServer::recover_shards(ShardGroup& all, std::uint64_t watermark_ms,
                                                               RecoveryReport& report) {
  CheckpointWriter writer(books_, record_codec(), {kRecordsPerTransaction, settings_.between_transactions});
  const auto checkpoint = [&](const JournalPosition& reached) -> StorageResult<void> {
    all.release_books();
    CheckpointInput input;
    input.position = {reached, watermark_ms};
    for (const auto& shard : all.shards()) {
      if (shard->has_changes()) input.shards.push_back({shard->shard(), shard->freeze()});
    }
    if (auto done = writer.write(input); !done) return books_error(done.error(), "checkpoint of recovery");
    for (const auto& shard : all.shards()) shard->drop_frozen();
    return {};
  };
  return recover(disk_, journal_options(settings_.threads), books_.position()->journal, all,
                 settings_.recovery_limit_bytes, checkpoint, report);
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
