#include "server/sharded_engine.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/check.h"

namespace recharge {
namespace {

constexpr std::size_t kCacheLine = 64;

// Ids are made from random bytes drawn many at once.
class RandomBytes {
 public:
  void take(std::array<std::uint8_t, 10>& bytes) noexcept {
    if (at_ + bytes.size() > pool_.size()) {
      randombytes_buf(pool_.data(), pool_.size());
      at_ = 0;
    }
    std::memcpy(bytes.data(), pool_.data() + at_, bytes.size());
    at_ += bytes.size();
  }

 private:
  std::array<std::uint8_t, 4000> pool_{};
  std::size_t at_ = pool_.size();
};

constexpr std::int64_t kTotalsIntervalMs = 20;

struct LaneTotals {
  std::array<std::uint64_t, kOrderStatuses> orders{};
  std::array<std::uint64_t, kExceptionKinds> open_exceptions{};
  std::int64_t ledger_sum = 0;
};

struct Task {
  const std::function<void(unsigned, ShardGroup&)>* body = nullptr;
  std::atomic<bool> done{false};
};

}  // namespace

// One io thread's part. What others touch stands on cache lines of its own.
struct ShardedEngine::Lane {
  unsigned index = 0;
  ShardGroup* group = nullptr;
  int wake_fd = -1;
  bool now_is_fresh = false;
  bool pushed = false;  // journal records since the last publish
  RandomBytes random;
  std::size_t in_flight = 0;
  // By thread that executed them: they become durable in this order.
  std::vector<boost::circular_buffer_space_optimized<Operation*>> waiting;
  std::size_t waiting_total = 0;
  std::vector<Operation*> ready;  // refused at once
  std::vector<bool> to_wake;
  bool totals_changed = true;
  std::int64_t totals_published_ms = 0;
  std::mutex totals_mutex;  // not on the way of a request
  LaneTotals totals;

  alignas(kCacheLine) std::atomic<std::uint64_t> turns{0};  // that were begun
  alignas(kCacheLine) std::atomic<bool> awaits_durability{false};
  alignas(kCacheLine) std::atomic<Task*> task{nullptr};
  // Indexed by the other thread. Commands come from it; outcomes go back to this one.
  std::vector<std::unique_ptr<Ring>> commands_from;
  std::vector<std::unique_ptr<Ring>> outcomes_from;

  ~Lane() {
    if (wake_fd >= 0) ::close(wake_fd);
  }
};

// A command over all shards: one part for each thread.
struct ShardedEngine::Gathering {
  ShardedEngine* engine = nullptr;
  Lane* lane = nullptr;
  Operation* whole = nullptr;
  std::vector<Operation> parts;
  std::size_t remaining = 0;
};

Time ShardedEngine::wall_clock() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return Time{now.tv_sec * 1000 + now.tv_nsec / 1'000'000};
}

ShardedEngine::ShardedEngine(Options options) : options_(std::move(options)), watch_(options_.store.threads) {
  for (unsigned i = 0; i < options_.store.threads; ++i) {
    auto lane = std::make_unique<Lane>();
    lane->index = i;
    lane->wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    RECHARGE_CHECK(lane->wake_fd >= 0);
    for (unsigned other = 0; other < options_.store.threads; ++other) {
      lane->waiting.emplace_back(kMaxInFlight);
      lane->commands_from.push_back(other == i ? nullptr : std::make_unique<Ring>());
      lane->outcomes_from.push_back(other == i ? nullptr : std::make_unique<Ring>());
    }
    lane->to_wake.resize(options_.store.threads);
    lanes_.push_back(std::move(lane));
  }
}

ShardedEngine::~ShardedEngine() = default;

StorageResult<std::unique_ptr<ShardedEngine>> ShardedEngine::open(FileSystem& files, Options options) {
  std::unique_ptr<ShardedEngine> engine(new ShardedEngine(std::move(options)));
  auto* self = engine.get();
  auto& hooks = self->options_.store.journal_hooks;
  hooks.on_group = [self](const GroupReport& report) {
    self->meter_.flush_seconds.add(static_cast<double>(report.flush_ns) * 1e-9);
    self->meter_.group_records.add(report.records);
    self->meter_.journal_bytes.add(report.bytes);
    self->watch_.note(report);
  };
  // Any thread may hold outcomes of the producer's shards.
  hooks.notify = [self](unsigned) {
    // Between the durable number and the look at who sleeps; the other side is in turn().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (auto& lane : self->lanes_) {
      if (lane->awaits_durability.load(std::memory_order_seq_cst)) self->wake(*lane);
    }
  };
  hooks.on_fatal = [self](const StorageError& error) { self->fail(error.to_text()); };

  auto store = Store::open(files, self->options_.store);
  if (!store) return store.error();
  self->store_ = std::move(*store);
  for (auto& lane : self->lanes_) {
    lane->group = &self->store_->group(lane->index);
    lane->group->set_now(wall_clock());
    lane->group->watch_changes(self->watch_);
    self->publish_totals(*lane, true);  // also: whether they add up
  }
  auto& checkpoints = self->options_.checkpointer;
  checkpoints.wall_clock = wall_clock;
  checkpoints.on_checkpoint = [self](double seconds, std::size_t) {
    self->meter_.checkpoint_seconds.add(seconds);
  };
  checkpoints.on_full = [self](const boost::system::error_code& code) {
    if (self->options_.on_warning) self->options_.on_warning("checkpoint put off: " + code.message());
  };
  checkpoints.on_fatal = [self](const boost::system::error_code& code) {
    self->fail("checkpoint failed: " + code.message());
  };
  self->checkpointer_ = std::make_unique<Checkpointer>(*self->store_, *self, checkpoints);
  return engine;
}

void ShardedEngine::fail(const std::string& reason) {
  if (failed_.exchange(true)) return;
  if (options_.on_fatal) options_.on_fatal(reason);
}

void ShardedEngine::start() {
  started_ = true;
  store_->journal().start();
  checkpointer_->start();
}

void ShardedEngine::io_threads_ended() {
  ended_.store(true, std::memory_order_release);
  for (auto& lane : lanes_) store_->journal().rest(lane->index);
}

void ShardedEngine::begin_batch(unsigned thread) noexcept { store_->journal().gate().awake(thread); }

void ShardedEngine::stop() {
  if (!started_.exchange(false)) return;
  RECHARGE_CHECK(ended_.load());
  checkpointer_->stop();
  for (auto& lane : lanes_) store_->journal().publish(lane->index);
  if (failed()) return store_->journal().stop();
  // The journal still flushes while the checkpoint waits for it.
  if (auto done = checkpointer_->run_once(); !done && options_.on_warning) {
    options_.on_warning("last checkpoint left out: " + done.error().message());
  }
  store_->journal().stop();
}

bool ShardedEngine::storage_full() const noexcept {
  return store_->journal().storage_full() || checkpointer_->storage_full();
}

int ShardedEngine::wake_fd(unsigned thread) const noexcept { return lanes_[thread]->wake_fd; }
std::size_t ShardedEngine::in_flight(unsigned thread) const noexcept { return lanes_[thread]->in_flight; }

Time ShardedEngine::now(unsigned thread) const noexcept {
  auto& lane = *lanes_[thread];
  if (!lane.now_is_fresh) {
    lane.group->set_now(wall_clock());
    lane.now_is_fresh = true;
    if (unbalanced_.load(std::memory_order_relaxed)) lane.group->refuse_changes();
  }
  return lane.group->now();
}

std::vector<GatewayWorkKey> ShardedEngine::take_gateway_work(unsigned thread) {
  auto& group = *lanes_[thread]->group;
  return group.has_gateway_work() ? group.take_gateway_work() : std::vector<GatewayWorkKey>();
}

void ShardedEngine::refresh_now(Lane& lane) noexcept { static_cast<void>(now(lane.index)); }

OrderId ShardedEngine::fresh_order_id(unsigned thread, std::uint8_t shard) noexcept {
  std::array<std::uint8_t, 10> bytes;
  lanes_[thread]->random.take(bytes);
  return OrderId::make(now(thread), shard, bytes);
}

ExceptionId ShardedEngine::fresh_exception_id(unsigned thread, std::uint8_t shard) noexcept {
  std::array<std::uint8_t, 10> bytes;
  lanes_[thread]->random.take(bytes);
  return ExceptionId::make(now(thread), shard, bytes);
}

void ShardedEngine::wake(Lane& lane) noexcept {
  if (!store_->journal().gate().wake(lane.index)) return;
  const std::uint64_t one = 1;
  // Its only failure is a full counter, and then the thread is about to wake.
  [[maybe_unused]] const auto written = ::write(lane.wake_fd, &one, sizeof one);
}

void ShardedEngine::execute_here(Lane& lane, Operation& operation) noexcept {
  refresh_now(lane);
  operation.waits_for_thread = lane.index;
  operation.waits_for_number = lane.group->execute(operation.command, operation.outcome);
  lane.pushed = true;
}

void ShardedEngine::submit(unsigned thread, Operation& operation) noexcept {
  auto& lane = *lanes_[thread];
  operation.origin = thread;
  if (++lane.in_flight > kMaxInFlight - lanes_.size()) {
    operation.outcome.code = OutcomeCode::overloaded;
    operation.outcome.shown = std::monostate{};
    lane.ready.push_back(&operation);
    return;
  }
  if (std::holds_alternative<ListExceptions>(operation.command) ||
      std::holds_alternative<ListGatewayWork>(operation.command)) {
    return submit_to_all(lane, operation);
  }
  const unsigned owner = store_->map().of_command(operation.command) % threads();
  if (owner == thread) {
    execute_here(lane, operation);
    lane.waiting[owner].push_back(&operation);
    ++lane.waiting_total;
    return;
  }
  RECHARGE_CHECK(lanes_[owner]->commands_from[thread]->push(&operation));
  lane.to_wake[owner] = true;
}

// Each part goes its own way; the last to come back completes the whole.
void ShardedEngine::submit_to_all(Lane& lane, Operation& operation) noexcept {
  auto* gathering = new Gathering{this, &lane, &operation, std::vector<Operation>(threads()), threads()};
  operation.outcome.code = OutcomeCode::found;
  operation.outcome.shown = std::monostate{};
  for (unsigned owner = 0; owner < threads(); ++owner) {
    auto& part = gathering->parts[owner];
    part.command = operation.command;
    part.context = gathering;
    part.origin = lane.index;
    part.complete = [](Operation& done) noexcept {
      auto* all = static_cast<Gathering*>(done.context);
      auto& whole = *all->whole;
      if (done.outcome.code != OutcomeCode::found) {
        whole.outcome.code = done.outcome.code;
      } else if (whole.outcome.shown.index() == 0) {
        whole.outcome.shown = std::move(done.outcome.shown);
      } else if (auto* exceptions = std::get_if<ExceptionPage>(&done.outcome.shown)) {
        merge_exceptions(std::get<ExceptionPage>(whole.outcome.shown), std::move(*exceptions),
                         std::get<ListExceptions>(whole.command).limit);
      } else {
        merge_gateway_work(std::get<GatewayWorkPage>(whole.outcome.shown),
                           std::move(std::get<GatewayWorkPage>(done.outcome.shown)),
                           std::get<ListGatewayWork>(whole.command).limit);
      }
      if (--all->remaining > 0) return;
      all->engine->complete(*all->lane, whole);
      delete all;
    };
    ++lane.in_flight;
    if (owner == lane.index) {
      execute_here(lane, part);
      lane.waiting[owner].push_back(&part);
      ++lane.waiting_total;
    } else {
      RECHARGE_CHECK(lanes_[owner]->commands_from[lane.index]->push(&part));
      lane.to_wake[owner] = true;
    }
  }
}

void ShardedEngine::complete(Lane& lane, Operation& operation) noexcept {
  --lane.in_flight;
  operation.complete(operation);
}

bool ShardedEngine::run_task(Lane& lane) noexcept {
  if (lane.task.load(std::memory_order_relaxed) == nullptr) return false;
  auto* task = lane.task.exchange(nullptr, std::memory_order_acq_rel);
  if (task == nullptr) return false;
  refresh_now(lane);
  (*task->body)(lane.index, *lane.group);
  lane.pushed = true;
  task->done.store(true, std::memory_order_release);
  return true;
}

bool ShardedEngine::serve_others(Lane& lane) noexcept {
  bool served = false;
  for (unsigned other = 0; other < threads(); ++other) {
    if (other == lane.index) continue;
    Operation* operation = nullptr;
    for (std::size_t i = 0; i < kMaxForeignPerTurn && lane.commands_from[other]->pop(operation); ++i) {
      execute_here(lane, *operation);
      RECHARGE_CHECK(lanes_[other]->outcomes_from[lane.index]->push(operation));
      lane.to_wake[other] = true;
      served = true;
    }
  }
  return served;
}

bool ShardedEngine::collect_outcomes(Lane& lane) noexcept {
  bool collected = false;
  for (unsigned other = 0; other < threads(); ++other) {
    if (other == lane.index) continue;
    Operation* operation = nullptr;
    while (lane.outcomes_from[other]->pop(operation)) {
      lane.waiting[other].push_back(operation);
      ++lane.waiting_total;
      collected = true;
    }
  }
  return collected;
}

// Outcomes of one thread are shown in the order in which it executed them: a read waits, at the most, for the
// changes that were executed before it.
bool ShardedEngine::complete_durable(Lane& lane) noexcept {
  bool completed = false;
  for (unsigned owner = 0; owner < threads(); ++owner) {
    auto& waiting = lane.waiting[owner];
    if (waiting.empty()) continue;
    const auto durable = store_->journal().durable(owner);
    while (!waiting.empty() && waiting.front()->waits_for_number <= durable) {
      auto* operation = waiting.front();
      waiting.pop_front();
      --lane.waiting_total;
      complete(lane, *operation);
      completed = true;
    }
  }
  for (auto* operation : std::exchange(lane.ready, {})) {
    complete(lane, *operation);
    completed = true;
  }
  return completed;
}

bool ShardedEngine::has_work(Lane& lane) noexcept {
  if (lane.task.load(std::memory_order_seq_cst) != nullptr || !lane.ready.empty()) return true;
  for (unsigned other = 0; other < threads(); ++other) {
    if (other != lane.index && (lane.commands_from[other]->read_available() > 0 ||
                                lane.outcomes_from[other]->read_available() > 0)) {
      return true;
    }
    const auto& waiting = lane.waiting[other];
    if (!waiting.empty() && waiting.front()->waits_for_number <= store_->journal().durable(other))
      return true;
  }
  return false;
}

bool ShardedEngine::turn(unsigned thread) noexcept {
  auto& lane = *lanes_[thread];
  lane.turns.store(lane.turns.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the other side is in fence()
  bool busy = run_task(lane);
  busy |= serve_others(lane);
  store_->journal().publish(thread);
  lane.totals_changed |= std::exchange(lane.pushed, false);
  for (unsigned other = 0; other < threads(); ++other) {
    if (!lane.to_wake[other]) continue;
    lane.to_wake[other] = false;
    wake(*lanes_[other]);
  }
  busy |= collect_outcomes(lane);
  busy |= complete_durable(lane);
  lane.group->release_books();
  lane.now_is_fresh = false;
  publish_totals(lane, !busy);
  if (busy) return true;
  // Going to sleep: whoever has something from now on, wakes this thread.
  lane.awaits_durability.store(lane.waiting_total > 0, std::memory_order_seq_cst);
  store_->journal().rest(thread);
  if (!has_work(lane)) return false;
  store_->journal().gate().awake(thread);
  return true;
}

void ShardedEngine::run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& body) {
  std::vector<Task> tasks(lanes_.size());
  for (auto& lane : lanes_) {
    auto& task = tasks[lane->index];
    task.body = &body;
    lane->task.store(&task, std::memory_order_seq_cst);
    wake(*lane);
  }
  for (auto& lane : lanes_) {
    auto& task = tasks[lane->index];
    while (!task.done.load(std::memory_order_acquire)) {
      // After the io threads, nobody else owns the shards.
      if (ended_.load(std::memory_order_acquire) && lane->task.exchange(nullptr) != nullptr) {
        body(lane->index, *lane->group);
        store_->journal().publish(lane->index);
        break;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
}

// What was executed before the next turn of a thread is published in it; the turn after tells that it ended.
std::function<bool()> ShardedEngine::fence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the other side is in turn()
  std::vector<std::uint64_t> turns;
  for (const auto& lane : lanes_) turns.push_back(lane->turns.load(std::memory_order_relaxed));
  return [this, turns = std::move(turns), numbers = std::vector<std::uint64_t>()]() mutable {
    if (numbers.empty()) {
      bool all_turned = true;
      for (auto& lane : lanes_) {
        if (lane->turns.load(std::memory_order_acquire) >= turns[lane->index] + 2) continue;
        all_turned = false;
        wake(*lane);
      }
      if (!all_turned) return false;
      for (unsigned i = 0; i < threads(); ++i) numbers.push_back(store_->journal().pushed(i));
    }
    for (unsigned i = 0; i < threads(); ++i) {
      if (store_->journal().durable(i) < numbers[i]) return false;
    }
    return true;
  };
}

// What the lane's shards count, for whoever asks; at the end of a batch, and not much more often than can be
// read.
void ShardedEngine::publish_totals(Lane& lane, bool going_to_sleep) noexcept {
  if (!lane.totals_changed) return;
  if (!going_to_sleep && lane.group->now().ms - lane.totals_published_ms < kTotalsIntervalMs) return;
  lane.totals_changed = false;
  lane.totals_published_ms = lane.group->now().ms;
  LaneTotals totals;
  for (const auto& shard : lane.group->shards()) {
    if (!shard) continue;
    const auto& counted = shard->totals();
    for (std::size_t i = 0; i < kOrderStatuses; ++i) totals.orders[i] += counted.orders[i];
    for (std::size_t i = 0; i < kExceptionKinds; ++i) totals.open_exceptions[i] += counted.open_exceptions[i];
    const auto sum = shard->ledger_sum();
    if (sum != 0) stop_changes(*shard);
    totals.ledger_sum += sum;
  }
  const std::lock_guard lock(lane.totals_mutex);
  lane.totals = totals;
}

// Every thread learns of it with its next batch.
void ShardedEngine::stop_changes(const ShardRecords& shard) {
  if (unbalanced_.exchange(true) || !options_.on_unbalanced) return;
  options_.on_unbalanced("the ledger of shard " + std::to_string(shard.shard()) + " sums to " +
                         std::to_string(shard.ledger_sum()) +
                         " minor units instead of zero: no changes are made until it is mended");
}

StorageMetrics ShardedEngine::storage_metrics() {
  StorageMetrics metrics;
  for (auto& lane : lanes_) {
    const std::lock_guard lock(lane->totals_mutex);
    for (std::size_t i = 0; i < kOrderStatuses; ++i) metrics.orders[i] += lane->totals.orders[i];
    for (std::size_t i = 0; i < kExceptionKinds; ++i)
      metrics.open_exceptions[i] += lane->totals.open_exceptions[i];
    metrics.ledger_sum_minor_units += lane->totals.ledger_sum;
  }
  metrics.journal_flush_seconds = meter_.flush_seconds.snapshot();
  metrics.journal_group_records = meter_.group_records.snapshot();
  metrics.checkpoint_seconds = meter_.checkpoint_seconds.snapshot();
  metrics.disk_free_bytes = store_->free_bytes();
  metrics.journal_bytes = meter_.journal_bytes.get();
  return metrics;
}

}  // namespace recharge
