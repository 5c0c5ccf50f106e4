#include "storage/shard_group.h"

#include "core/check.h"
#include "core/journal_record.h"
#include "core/transition.h"

namespace recharge {
namespace {

constexpr unsigned kCommandsBetweenCounts = 256;

}  // namespace

ShardGroup::ShardGroup(const ShardMap& map, std::unique_ptr<BooksSnapshot> books, Shards shards,
                       MemoryLimits limits)
    : map_(map), books_(std::move(books)), shards_(std::move(shards)), limits_(limits) {
  RECHARGE_CHECK(shards_.size() == map_.shards());
  for (auto& shard : shards_) {
    if (shard) shard->rebind(*books_);
  }
}

std::size_t ShardGroup::changed_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto& shard : shards_) {
    if (shard) bytes += shard->changed_bytes();
  }
  return bytes;
}

// New orders are refused first, callbacks last: their money has been paid.
bool ShardGroup::admit(const Command& command) noexcept {
  // Above the limit every command counts again: a checkpoint may have made room.
  if (until_count_ == 0 || held_bytes_ > limits_.orders_bytes) {
    until_count_ = kCommandsBetweenCounts;
    held_bytes_ = 0;
    for (const auto& shard : shards_) {
      if (shard) held_bytes_ += shard->bytes();
    }
  }
  --until_count_;
  if (held_bytes_ > limits_.changes_bytes) return false;
  return held_bytes_ <= limits_.orders_bytes || !std::holds_alternative<PlaceOrder>(command);
}

std::uint64_t ShardGroup::execute(const Command& command, Outcome& outcome) noexcept {
  outcome.shown = std::monostate{};
  return is_change(command) ? execute_change(command, outcome) : execute_read(command, outcome);
}

std::uint64_t ShardGroup::execute_change(const Command& command, Outcome& outcome) {
  if (refuses_changes_) {
    outcome.code = OutcomeCode::ledger_unbalanced;
    return 0;
  }
  if (!admit(command)) {
    outcome.code = OutcomeCode::overloaded;
    return 0;
  }
  const auto shard = map_.of_command(command);
  auto* records = shards_[shard].get();
  RECHARGE_CHECK(records != nullptr);
  records->begin_command();
  const auto gathered = gather(command, *records);
  if (!gathered) {
    outcome.code = OutcomeCode::damaged;
    return 0;
  }
  const Circumstances circumstances{now_, shard};
  facts_.clear();
  decide(command, *gathered, *records, circumstances, outcome, facts_);
  if (facts_.empty()) return records->read_number();

  const auto room = journal_->reserve(producer_, max_record_bytes(command));
  if (room.empty()) {
    outcome.code = journal_->storage_full() ? OutcomeCode::storage_full : OutcomeCode::overloaded;
    outcome.shown = std::monostate{};
    return 0;
  }
  const auto size = encode_record(command, facts_, circumstances, room);
  RECHARGE_CHECK(size.has_value());
  const auto number = journal_->commit(producer_, *size);
  if (watch_ != nullptr) watch_->look(producer_, number, facts_);
  records->set_change_number(number);
  for (const auto& fact : facts_) {
    recharge::apply(fact, *records);
    const auto* work = std::get_if<GatewayWorkChanged>(&fact);
    if (work != nullptr && !work->work.ended) noted_work_.push_back(work->work.key);
  }
  return number;
}

std::vector<GatewayWorkKey> ShardGroup::take_gateway_work() {
  auto keys = std::exchange(noted_work_, {});
  if (looked_for_work_) return keys;
  looked_for_work_ = true;
  keys.clear();
  for (auto& shard : shards_) {
    if (!shard) continue;
    // Damage shows where the work itself is read, and in the daily pass.
    if (const auto open = shard->open_gateway_work()) keys.insert(keys.end(), open->begin(), open->end());
  }
  return keys;
}

}  // namespace recharge
