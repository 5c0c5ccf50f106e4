// Purpose: the engine of the running server: shards spread over io threads, commands and outcomes handed
// between them by bounded rings, outcomes held back until the journal is durable. Owner threads: as
// server/engine.h says; construction, start(), io_threads_ended() and stop(): the main thread. Lifetime:
// longer than the io threads. Errors: open() returns those of the store.
#pragma once

#include <atomic>
#include <boost/circular_buffer.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "server/engine.h"
#include "server/metrics.h"
#include "server/storage_meter.h"
#include "storage/change_watch.h"
#include "storage/checkpointer.h"
#include "storage/store.h"

namespace recharge {

// Operations of one io thread that were submitted and not completed. Rings hold as many: they cannot fill.
constexpr std::size_t kMaxInFlight = 16'384;
// Foreign commands that one turn executes at the most, so that a thread's own connections get their share.
constexpr std::size_t kMaxForeignPerTurn = 1024;

class ShardedEngine final : public Engine, public ShardOwners {
 public:
  struct Options {
    StoreOptions store;
    CheckpointerOptions checkpointer;                         // its callbacks are set by the engine
    std::function<void(const std::string& reason)> on_fatal;  // once, on any thread; the process must end
    std::function<void(const std::string& reason)> on_warning;
    std::function<void(const std::string& reason)> on_unbalanced;  // once, on any io thread
  };

  static StorageResult<std::unique_ptr<ShardedEngine>> open(FileSystem& files, Options options);
  ~ShardedEngine() override;

  void start();             // the journal and the checkpoints
  void io_threads_ended();  // turn() will not be called any more
  void stop();              // flushes the journal and writes the last checkpoint

  StorageMetrics storage_metrics();
  Store& store() noexcept { return *store_; }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  bool storage_full() const noexcept;
  void ask_for_checkpoint() noexcept { checkpointer_->ask(); }  // any thread
  std::uint64_t checkpointed_segment() const noexcept { return checkpointer_->checkpointed_segment(); }
  // False for good once the ledger of a shard did not add up to zero: changes are refused.
  bool ledger_balanced() const noexcept { return !unbalanced_.load(std::memory_order_acquire); }

  unsigned threads() const noexcept override { return static_cast<unsigned>(lanes_.size()); }
  void submit(unsigned thread, Operation& operation) noexcept override;
  void begin_batch(unsigned thread) noexcept override;
  bool turn(unsigned thread) noexcept override;
  int wake_fd(unsigned thread) const noexcept override;
  std::size_t in_flight(unsigned thread) const noexcept override;
  std::vector<GatewayWorkKey> take_gateway_work(unsigned thread) override;
  bool is_writing_books() const noexcept override { return checkpointer_->is_writing(); }
  Time now(unsigned thread) const noexcept override;
  std::uint8_t shard_of(std::string_view account) const noexcept override {
    return store_->map().of_text(account);
  }
  OrderId fresh_order_id(unsigned thread, std::uint8_t shard) noexcept override;
  ExceptionId fresh_exception_id(unsigned thread, std::uint8_t shard) noexcept override;

  void run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& task) override;

  ChangeWatch& change_watch() noexcept { return watch_; }
  // What it returns is asked again and again, and says whether all that was executed before the fence is
  // durable; what is executed later sees everything that the caller did before. Any thread; both only until
  // the engine is destroyed.
  std::function<bool()> fence();

 private:
  using Ring = boost::lockfree::spsc_queue<Operation*, boost::lockfree::capacity<kMaxInFlight>>;
  struct Lane;
  struct Gathering;

  explicit ShardedEngine(Options options);
  static Time wall_clock() noexcept;
  void refresh_now(Lane& lane) noexcept;
  void execute_here(Lane& lane, Operation& operation) noexcept;
  void submit_to_all(Lane& lane, Operation& operation) noexcept;
  bool run_task(Lane& lane) noexcept;
  bool serve_others(Lane& lane) noexcept;
  bool collect_outcomes(Lane& lane) noexcept;
  bool complete_durable(Lane& lane) noexcept;
  void complete(Lane& lane, Operation& operation) noexcept;
  bool has_work(Lane& lane) noexcept;
  void publish_totals(Lane& lane, bool going_to_sleep) noexcept;
  void stop_changes(const ShardRecords& shard);
  void wake(Lane& lane) noexcept;
  void fail(const std::string& reason);

  Options options_;
  ChangeWatch watch_;
  std::unique_ptr<Store> store_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<Checkpointer> checkpointer_;
  StorageMeter meter_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> unbalanced_{false};
  std::atomic<bool> started_{false};
};

}  // namespace recharge
