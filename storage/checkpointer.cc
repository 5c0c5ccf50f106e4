#include "storage/checkpointer.h"

#include <chrono>
#include <cstdlib>

#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr std::int64_t kTickMs = 100;
constexpr std::int64_t kRetryFullMs = 1000;
constexpr std::size_t kSweepRows = 20'000;   // examined in one sweep
constexpr std::size_t kSweepExpiries = 256;  // handed to the owners at once
// An order's id is made before the order reaches its shard: this much later at the most.
constexpr std::int64_t kSweepMarginMs = 10'000;
constexpr std::int64_t kClockJumpMs = 60'000;  // against the monotonic clock
constexpr std::int64_t kRestAfterJumpMs = 600'000;

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void sleep_ms(std::int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

CheckpointerOptions with_defaults(CheckpointerOptions options) {
  if (!options.monotonic_clock_ms) options.monotonic_clock_ms = steady_ms;
  if (!options.rest) options.rest = sleep_ms;
  return options;
}

}  // namespace

Checkpointer::Checkpointer(Store& store, ShardOwners& owners, CheckpointerOptions options)
    : Checkpointer({store.books(), store.codec(), store.map(), store.journal(), store.threads(),
                    store.expiry_watermark_ms()},
                   owners, std::move(options)) {}

Checkpointer::Checkpointer(const CheckpointedStore& store, ShardOwners& owners, CheckpointerOptions options)
    : store_(store),
      owners_(owners),
      options_(with_defaults(std::move(options))),
      writer_(store_.books, store_.codec, {options_.records_per_transaction, [this] { options_.rest(1); }}),
      snapshot_(store_.books.snapshot()),
      wait_numbers_(store_.threads, 0),
      watermark_ms_(store_.expiry_watermark_ms),
      clock_offset_ms_(options_.wall_clock().ms - options_.monotonic_clock_ms()) {}

Checkpointer::~Checkpointer() { stop(); }

void Checkpointer::start() { thread_ = std::thread(&Checkpointer::run, this); }

void Checkpointer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::run() {
  begin_thread("checkpoint", Urgency::background);
  std::int64_t last_ms = steady_ms();
  std::int64_t swept_ms = last_ms;
  bool more_to_sweep = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, std::chrono::milliseconds(kTickMs), [this] { return stopping_; })) return;
    }
    if (store_.journal.failed()) return;
    const auto now_ms = steady_ms();
    if (due(now_ms - last_ms)) {
      last_ms = now_ms;
      writing_.store(true, std::memory_order_relaxed);
      const auto done = run_once();
      writing_.store(false, std::memory_order_relaxed);
      if (!done) {
        if (!is_disk_full(done.error())) return options_.on_fatal(done.error());
        full_.store(true, std::memory_order_relaxed);
        if (options_.on_full) options_.on_full(done.error());
        last_ms += kRetryFullMs - options_.interval_ms;
      }
    }
    if (more_to_sweep || now_ms - swept_ms >= 1000) {
      swept_ms = now_ms;
      more_to_sweep = sweep();
    }
  }
}

bool Checkpointer::due(std::int64_t waited_ms) {
  if (asked_.exchange(false, std::memory_order_relaxed)) return true;
  if (waited_ms >= options_.interval_ms)
    return has_pending_ || !(store_.journal.durable_position() == written_);
  if (has_pending_ || waited_ms < kTickMs) return false;
  std::atomic<std::size_t> bytes{0};  // the owners may count at the same time
  owners_.run_on_each([&bytes](unsigned, ShardGroup& group) { bytes += group.changed_bytes(); });
  return bytes >= options_.changed_bytes;
}

// The journal's durable position is taken before the first shard is frozen: every fact before it was applied
// by then.
void Checkpointer::freeze() {
  pending_ = {};
  pending_.position.journal = store_.journal.durable_position();
  pending_.now = options_.wall_clock();
  pending_.idempotency_retention_ms = options_.idempotency_retention_ms;
  std::mutex collecting;
  Time oldest_now{INT64_MAX};
  owners_.run_on_each([&](unsigned thread, ShardGroup& group) {
    group.set_now(options_.wall_clock());
    std::vector<FrozenShard> frozen;
    std::uint64_t last_number = 0;
    for (const auto& shard : group.shards()) {
      if (!shard || !shard->has_changes()) continue;
      frozen.push_back({shard->shard(), shard->freeze()});
      last_number = std::max(last_number, frozen.back().changes->last_number);
    }
    const std::lock_guard lock(collecting);
    pending_.shards.insert(pending_.shards.end(), frozen.begin(), frozen.end());
    wait_numbers_[thread] = last_number;
    oldest_now = std::min(oldest_now, group.now());
  });
  pending_.position.expiry_watermark_ms = watermark_ms_;
  frozen_at_ = Time{oldest_now.ms - kSweepMarginMs};
  has_pending_ = true;
}

Result<void> Checkpointer::wait_until_durable() {
  for (unsigned thread = 0; thread < wait_numbers_.size(); ++thread) {
    while (store_.journal.durable(thread) < wait_numbers_[thread]) {
      if (store_.journal.failed()) return boost::system::error_code(EIO, boost::system::generic_category());
      options_.rest(1);
    }
  }
  return {};
}

Result<void> Checkpointer::run_once() {
  const auto begun = std::chrono::steady_clock::now();
  if (!has_pending_) freeze();
  if (auto durable = wait_until_durable(); !durable) return durable.error();
  const bool idle = pending_.shards.empty() && pending_.position.journal == written_;
  auto written = idle ? Result<CheckpointResult>(CheckpointResult{}) : writer_.write(pending_);
  if (!written) return written.error();
  full_.store(false, std::memory_order_relaxed);
  if (!idle) checkpointed_segment_.store(pending_.position.journal.segment, std::memory_order_relaxed);
  owners_.run_on_each([](unsigned, ShardGroup& group) {
    group.release_books();  // whatever is read from now on sees the checkpoint
    for (const auto& shard : group.shards()) {
      if (shard && shard->has_frozen()) shard->drop_frozen();
    }
  });
  written_ = pending_.position.journal;
  sweep_limit_ = frozen_at_;
  pending_ = {};
  has_pending_ = false;
  if (options_.on_checkpoint && !idle) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    options_.on_checkpoint(took.count(), written->records);
  }
  return {};
}

// After a jump of the wall clock nothing is expired for a while: it may jump back.
bool Checkpointer::rests_after_clock_jump(Time now) {
  const auto monotonic = options_.monotonic_clock_ms();
  const auto offset = now.ms - monotonic;
  if (std::abs(offset - clock_offset_ms_) > kClockJumpMs)
    rest_until_monotonic_ms_ = monotonic + kRestAfterJumpMs;
  clock_offset_ms_ = offset;
  return monotonic < rest_until_monotonic_ms_;
}

// Walks the books' orders by id, from the watermark on, up to the first that still has time.
bool Checkpointer::sweep() {
  const Time now = options_.wall_clock();
  if (rests_after_clock_jump(now)) return false;
  if (sweep_cursor_.empty()) {
    OrderId first;
    for (std::size_t i = 0; i < 6; ++i)
      first.bytes[i] = static_cast<std::uint8_t>(watermark_ms_ >> (40 - 8 * i));
    sweep_cursor_ = order_key(first);
  }
  std::vector<OrderId> overdue;
  bool more = false;
  StoredKey next = sweep_cursor_;
  Time reached = Time{static_cast<std::int64_t>(watermark_ms_)};
  for (std::size_t examined = 0;; ++examined) {
    auto row = snapshot_->first_from(Table::orders, next);
    if (!row || !row->has_value()) break;
    Order order;
    if (!store_.codec.decode((*row)->key, (*row)->value, order)) {
      // Damage is for whoever reads the order; those behind it still expire.
      next.assign((*row)->key.begin(), (*row)->key.end());
      next.push_back(std::byte{0});
      continue;
    }
    if (order.created_at() >= sweep_limit_) break;  // orders before it may still be on their way to the books
    if (awaits_payment(order.status) && now <= order.expires_at) break;
    if (examined == kSweepRows || overdue.size() == kSweepExpiries) {
      more = true;
      break;
    }
    if (awaits_payment(order.status)) overdue.push_back(order.id);
    reached = order.created_at();
    next = order_key(order.id);
    next.push_back(std::byte{0});
  }
  snapshot_->release();
  std::atomic<bool> refused{false};
  if (!overdue.empty()) {
    owners_.run_on_each([&](unsigned, ShardGroup& group) {
      group.set_now(now);  // an idle thread's time stands still
      Outcome outcome;
      for (const auto& id : overdue) {
        if (group.shard(store_.map.of_id(id)) == nullptr) continue;
        group.execute(ExpireOrder{id}, outcome);
        if (outcome.code == OutcomeCode::overloaded || outcome.code == OutcomeCode::storage_full ||
            outcome.code == OutcomeCode::ledger_unbalanced) {
          refused = true;
        }
      }
    });
  }
  if (refused) return false;
  sweep_cursor_ = next;
  watermark_ms_ = static_cast<std::uint64_t>(reached.ms);
  return more;
}

}  // namespace recharge
