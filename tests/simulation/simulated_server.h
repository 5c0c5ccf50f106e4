// Purpose: the storage of a server, single-threaded: shards, journal, checkpointer and recovery as they are,
// on a simulated disk and over books in memory. Its threads are turns. Owner: one thread. Lifetime: one life
// of the process, within its disk and books. Errors: of a start as StorageError; whatever the disk throws
// goes through, and the server can only be destroyed then.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/outcome.h"
#include "storage/checkpointer.h"
#include "storage/recovery.h"
#include "storage/simulated_file.h"

namespace recharge::simulation {

constexpr unsigned kShards = 4;
constexpr std::int64_t kIdempotencyRetentionMs = 30 * 60 * 1000;

struct ServerSettings {
  unsigned threads = 1;
  MemoryLimits limits;
  std::size_t recovery_limit_bytes = std::size_t{1} << 30;
  std::function<Time()> wall_clock;
  std::function<void()> between_transactions;  // of a checkpoint: the process may end here
  std::function<void()> meanwhile;             // what else goes on while a checkpoint is made
};

const ShardMap& shard_map();
const RecordCodec& record_codec();
JournalOptions journal_options(unsigned threads);
// A disk with an empty folder for the journal.
std::unique_ptr<SimulatedFileSystem> empty_disk();

class SimulatedServer final : public ShardOwners {
 public:
  SimulatedServer(SimulatedFileSystem& disk, Books& books, ServerSettings settings);
  ~SimulatedServer() override;

  StorageResult<RecoveryReport> start();

  struct Executed {
    unsigned thread = 0;
    std::uint64_t waits_for = 0;  // the outcome may be shown once the journal is durable up to it
  };
  Executed execute(const Command& command, Outcome& outcome);
  // One group, and the preparation of a segment where none is ready. False: the journal has failed.
  bool step();
  Result<void> checkpoint() { return checkpointer_->run_once(); }
  void sweep() { checkpointer_->sweep(); }

  bool is_durable(const Executed& executed) const {
    return journal_->durable(executed.thread) >= executed.waits_for;
  }
  JournalPosition durable_position() const { return journal_->durable_position(); }
  // The first segment of the journal that a start still needs, as of a checkpoint of this life; 0: none yet.
  std::uint64_t checkpointed_segment() const { return checkpointer_->checkpointed_segment(); }
  bool journal_failed() const { return journal_->failed(); }
  unsigned threads() const { return settings_.threads; }
  ShardGroup& group(unsigned thread) { return *groups_[thread]; }
  ShardRecords& shard(unsigned index) { return *groups_[index % settings_.threads]->shard(index); }

 private:
  void run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& task) override;
  CheckpointerOptions checkpointer_options();
  void serve() {
    if (settings_.meanwhile) settings_.meanwhile();
  }

  SimulatedFileSystem& disk_;
  Books& books_;
  const ServerSettings settings_;
  std::vector<std::unique_ptr<ShardGroup>> groups_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Checkpointer> checkpointer_;
};

}  // namespace recharge::simulation
