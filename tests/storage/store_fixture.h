// Purpose: an opened data folder on the real file system, single-threaded: the journal in single steps, the
// owners of the shards called in turn. Owner: one test.
#pragma once

#include <gtest/gtest.h>

#include "storage/checkpointer.h"
#include "storage/real_file.h"
#include "tests/storage/machine.h"
#include "tests/storage/temp_folder.h"

namespace recharge::testing {

constexpr std::uint64_t kStoreSegmentBytes = 4 << 20;

// Its threads are one: each task runs at once, and what it left in the journal's ring is made durable.
class DirectOwners final : public ShardOwners {
 public:
  explicit DirectOwners(Store& store) : store_(store) {}
  bool flushes = true;

  void run_on_each(const std::function<void(unsigned thread, ShardGroup& group)>& task) override {
    for (unsigned thread = 0; thread < store_.threads(); ++thread) {
      task(thread, store_.group(thread));
      store_.journal().publish(thread);
    }
    if (flushes) flush();
  }
  void flush() {
    for (auto written = store_.journal().step(); written && *written > 0;) written = store_.journal().step();
  }

 private:
  Store& store_;
};

class StoreTest : public ::testing::Test {
 protected:
  static StoreOptions options_for(const std::string& path, unsigned threads) {
    StoreOptions options;
    options.data_dir = path;
    options.currency = kCny;
    options.threads = threads;
    options.segment_bytes = kStoreSegmentBytes;
    return options;
  }
  std::string data() const { return folder.at("data"); }

  StorageResult<void> try_open(unsigned threads = 2) {
    close();
    auto opened = Store::open(files, options_for(data(), threads));
    if (!opened) return opened.error();
    store = std::move(*opened);
    owners.emplace(*store);
    EXPECT_TRUE(store->journal().step().has_value());  // prepares the next segment
    if (!model) {
      commands = Commands(7, store->map());
      model.emplace(store->map(), store->codec());
    }
    return {};
  }
  void open(unsigned threads = 2) {
    const auto opened = try_open(threads);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_text();
  }
  void close() {
    owners.reset();
    store.reset();
  }

  OutcomeCode run(const Command& command) {
    const auto thread = store->map().of_command(command) % store->threads();
    auto& group = store->group(thread);
    group.set_now(commands.now);
    group.execute(command, outcome);
    if (is_change(command)) model->execute(command, group.now());
    store->journal().publish(thread);
    group.release_books();
    return outcome.code;
  }
  void any(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      const auto command = commands.any();
      if (is_change(command)) run(command);
      if (i % 20 == 0) owners->flush();
    }
    owners->flush();
  }
  OrderId place(std::string_view account = kUser, std::int64_t expire_after_ms = kExpireAfterMs) {
    auto command = commands.place(account);
    command.expire_after_ms = expire_after_ms;
    EXPECT_EQ(run(command), OutcomeCode::order_placed);
    return command.order_id;
  }
  // Without touching it: an order past its time stays as it is.
  OrderStatus peek(const OrderId& id) {
    auto& group = store->group(store->map().of_id(id) % store->threads());
    const auto status = (*group.shard(store->map().of_id(id))->order(id))->status;
    group.release_books();
    return status;
  }

  CheckpointerOptions checkpointer_options() {
    CheckpointerOptions options;
    options.wall_clock = [this] { return commands.now; };
    options.monotonic_clock_ms = [this] { return monotonic_ms + commands.now.ms - kStart.ms; };
    options.idempotency_retention_ms = 0;
    return options;
  }
  void checkpoint() {
    Checkpointer checkpointer(*store, *owners, checkpointer_options());
    const auto done = checkpointer.run_once();
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  // Of everything, the journal's tail included.
  std::string differences_from_model() {
    checkpoint();
    auto text = differences(model->rows(), rows_of(store->books()));
    for (const auto& violation : model->violations()) text += violation + "\n";
    return text;
  }

  static constexpr std::string_view kUser = "13812345678";
  TempFolder folder;
  RealFileSystem files;
  std::int64_t monotonic_ms = 5'000'000;  // at kStart
  Commands commands;
  std::optional<Model> model;
  std::unique_ptr<Store> store;
  std::optional<DirectOwners> owners;
  Outcome outcome;
};

}  // namespace recharge::testing
