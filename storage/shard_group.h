// Purpose: the shards that one thread owns, and the execution of commands on them: decide, reserve room in
// the journal, encode, apply. Also the reads over their records. Owner: one io thread (or recovery, before
// there are any). Lifetime: within its Books, RecordCodec and Journal. Errors: within outcomes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fact.h"
#include "core/outcome.h"
#include "storage/change_watch.h"
#include "storage/journal.h"
#include "storage/shard_map.h"
#include "storage/shard_records.h"

namespace recharge {

// Bytes of changed and frozen records of one thread beyond which it takes no new orders, or no changes at
// all.
struct MemoryLimits {
  std::size_t orders_bytes = std::size_t{256} << 20;
  std::size_t changes_bytes = std::size_t{320} << 20;
};

constexpr unsigned kMaxExaminedByFilter = 1000;  // records that one page of a filtered list looks at

class ShardGroup {
 public:
  using Shards = std::vector<std::unique_ptr<ShardRecords>>;  // by shard; null: another group's

  ShardGroup(const ShardMap& map, std::unique_ptr<BooksSnapshot> books, Shards shards, MemoryLimits limits);

  // Before execute(): where its records go. `producer` is the journal's name for this thread.
  void attach(Journal& journal, unsigned producer) noexcept {
    journal_ = &journal;
    producer_ = producer;
  }

  // Who is to look at what changes, if anybody. Lifetime: longer than the group.
  void watch_changes(ChangeWatch& watch) noexcept { watch_ = &watch; }

  // Time for the commands of a batch. It never goes back: an earlier one is taken for the latest.
  void set_now(Time now) noexcept { now_ = now > now_ ? now : now_; }
  Time now() const noexcept { return now_; }

  // From now on: the books no longer add up, and nothing is added to them. Reads go on.
  void refuse_changes() noexcept { refuses_changes_ = true; }

  // Executes the command. The outcome may be shown once the journal is durable up to the number that is
  // returned. REQUIRES: the command's shard is one of this group, or the command is over all shards: then it
  // covers the group's.
  std::uint64_t execute(const Command& command, Outcome& outcome) noexcept;

  // Ends a batch: nothing of the books is held while the thread waits.
  void release_books() noexcept { books_->release(); }

  ShardRecords* shard(unsigned index) noexcept { return shards_[index].get(); }
  const Shards& shards() const noexcept { return shards_; }
  // Hands the shards on to other groups, which bind them to their own snapshots. Nothing may be executed
  // after it.
  Shards take_shards() noexcept { return std::move(shards_); }
  std::size_t changed_bytes() const noexcept;

  // Work at gateways that is open, and since then what was changed and left open; not durable yet.
  std::vector<GatewayWorkKey> take_gateway_work();
  bool has_gateway_work() const noexcept { return !looked_for_work_ || !noted_work_.empty(); }

 private:
  std::uint64_t execute_change(const Command& command, Outcome& outcome);
  std::uint64_t execute_read(const Command& command, Outcome& outcome);
  bool admit(const Command& command) noexcept;

  Result<void> read(ShardRecords& records, const ReadOrder& command, Outcome& outcome);
  Result<void> read(ShardRecords& records, const ExplainOrder& command, Outcome& outcome);
  Result<void> read(ShardRecords& records, const ReadBalance& command, Outcome& outcome);
  Result<void> read(ShardRecords& records, const ReadGatewayWork& command, Outcome& outcome);
  Result<void> read(ShardRecords& records, const ListOrders& command, Outcome& outcome);
  Result<void> read(ShardRecords& records, const ListEntries& command, Outcome& outcome);
  Result<void> add_order(ShardRecords& records, GatewayWorkAndOrder& shown);
  Result<void> read_gateway_work(const ListGatewayWork& command, Outcome& outcome, std::uint64_t& waits_for);
  Result<void> read_exceptions(const ListExceptions& command, Outcome& outcome, std::uint64_t& waits_for);

  ShardMap map_;
  std::unique_ptr<BooksSnapshot> books_;
  Shards shards_;
  MemoryLimits limits_;
  Journal* journal_ = nullptr;
  unsigned producer_ = 0;
  ChangeWatch* watch_ = nullptr;
  Time now_;
  Facts facts_;
  std::vector<OrderId> overdue_;  // met by a read, to be expired before it answers
  std::size_t held_bytes_ = 0;    // as of the last count
  unsigned until_count_ = 0;
  bool refuses_changes_ = false;
  bool looked_for_work_ = false;
  std::vector<GatewayWorkKey> noted_work_;
};

// The pages of several groups as one, in the order that each has.
void merge_exceptions(ExceptionPage& into, ExceptionPage&& other, unsigned limit);
void merge_gateway_work(GatewayWorkPage& into, GatewayWorkPage&& other, unsigned limit);

}  // namespace recharge
