// Purpose: everything of storage that a process has, on a simulated disk and single-threaded: shards in
// groups over any books, the journal in single steps, checkpoints at any moment, a start from what a crash
// left. With seams for builds that are broken on purpose. Owner: one test. Errors: unexpected ones fail the
// test.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/checkpoint.h"
#include "storage/memory_books.h"
#include "storage/recovery.h"
#include "tests/core/map_records.h"
#include "tests/storage/commands.h"
#include "tests/storage/journal_fixture.h"

namespace recharge::testing {

inline const RecordCodec kTestCodec{kTestHashKey};

// A committer that is given a fault of its own; the default is the right one.
using MakeCommitter = std::function<std::unique_ptr<GroupCommitter>(const JournalOptions&, SegmentPreparer&,
                                                                    Segment, const JournalPosition&)>;

class Machine {
 public:
  SimulatedFileSystem& disk;
  Books& books;
  ShardMap map{kTestHashKey, kTestShards};
  JournalOptions options;
  std::unique_ptr<Journal> journal;
  std::vector<std::unique_ptr<ShardGroup>> groups;
  Outcome outcome;

  Machine(SimulatedFileSystem& on, Books& over, unsigned threads = 1, MemoryLimits limits = {})
      : disk(on), books(over), options(small_journal(threads)), limits_(limits) {}

  // Without recovery where the journal is known to be empty.
  void start_fresh(const MakeCommitter& make = {}) { open_journal({}, load(), make); }

  StorageResult<RecoveryReport> start(std::size_t changed_limit_bytes = 1 << 30) {
    RecoveryReport report;
    auto all = load();
    const auto checkpoint = [&](const JournalPosition& reached) -> StorageResult<void> {
      all->release_books();
      const auto input = freeze({*all}, {reached, 0});
      auto written = CheckpointWriter(books, kTestCodec, {}).write(input);
      if (!written) return StorageError{written.error(), "books", 0, "checkpoint"};
      drop_frozen(*all);
      return {};
    };
    auto end =
        recover(disk, options, books.position()->journal, *all, changed_limit_bytes, checkpoint, report);
    if (!end) return end.error();
    open_journal(*end, std::move(all), {});
    for (auto& group : groups) group->set_now(report.last);
    return report;
  }

  // All shards as of the books, in one group.
  std::unique_ptr<ShardGroup> load() {
    auto snapshot = books.snapshot();
    ShardGroup::Shards shards;
    for (unsigned i = 0; i < map.shards(); ++i) {
      shards.push_back(std::make_unique<ShardRecords>(static_cast<std::uint8_t>(i), kTestCodec, *snapshot));
      EXPECT_TRUE(shards.back()->load_resident().has_value());
    }
    return std::make_unique<ShardGroup>(map, std::move(snapshot), std::move(shards), limits_);
  }

  unsigned thread_of(const Command& command) const {
    return map.of_command(command) % static_cast<unsigned>(groups.size());
  }
  // The number that the reply waits for.
  std::uint64_t execute(const Command& command, Time now) {
    const auto thread = thread_of(command);
    groups[thread]->set_now(now);
    const auto number = groups[thread]->execute(command, outcome);
    journal->publish(thread);
    return number;
  }
  OutcomeCode run(const Command& command, Time now) {
    execute(command, now);
    return outcome.code;
  }

  // Until everything published is durable.
  void flush() {
    for (;;) {
      auto written = journal->step();
      ASSERT_TRUE(written.has_value()) << written.error().to_text();
      if (*written == 0) return;
    }
  }

  CheckpointInput freeze(Time now = {}, std::int64_t retention_ms = 0) {
    std::vector<std::reference_wrapper<ShardGroup>> all;
    for (auto& group : groups) all.emplace_back(*group);
    auto input = freeze(all, {journal->durable_position(), 0});
    input.now = now;
    input.idempotency_retention_ms = retention_ms;
    return input;
  }
  void drop_frozen() {
    for (auto& group : groups) drop_frozen(*group);
  }
  Result<CheckpointResult> checkpoint(CheckpointPace pace = {}) {
    const auto input = freeze();
    flush();
    auto written = CheckpointWriter(books, kTestCodec, std::move(pace)).write(input);
    if (written) drop_frozen();
    return written;
  }

  static CheckpointInput freeze(const std::vector<std::reference_wrapper<ShardGroup>>& groups,
                                const BooksPosition& position) {
    CheckpointInput input;
    input.position = position;
    for (ShardGroup& group : groups) {
      for (const auto& shard : group.shards()) {
        if (shard && shard->has_changes()) input.shards.push_back({shard->shard(), shard->freeze()});
      }
    }
    return input;
  }
  static void drop_frozen(ShardGroup& group) {
    group.release_books();
    for (const auto& shard : group.shards()) {
      if (shard && shard->has_frozen()) shard->drop_frozen();
    }
  }

 private:
  void open_journal(const JournalPosition& end, std::unique_ptr<ShardGroup> all, const MakeCommitter& make) {
    auto opened = Journal::open(disk, options, end, {});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_text();
    journal = std::move(*opened);
    if (make) {
      journal.reset();
      auto preparer = std::make_unique<SegmentPreparer>(disk, options, end.segment + 1);
      auto segment = open_segment(disk, options.directory, end.segment, FileSystem::Access::read_write);
      ASSERT_TRUE(segment.has_value());
      auto committer = make(options, *preparer, std::move(*segment), end);
      journal = std::make_unique<Journal>(std::move(preparer), std::move(committer));
    }
    ASSERT_TRUE(journal->step().has_value());  // prepares the next segment
    auto shards = all->take_shards();
    for (unsigned thread = 0; thread < options.producers; ++thread) {
      ShardGroup::Shards own(shards.size());
      for (std::size_t i = thread; i < shards.size(); i += options.producers) own[i] = std::move(shards[i]);
      groups.push_back(std::make_unique<ShardGroup>(map, books.snapshot(), std::move(own), limits_));
      groups.back()->attach(*journal, thread);
    }
  }

  MemoryLimits limits_;
};

// Rows as text, by table: for comparisons that say what differs. Idempotency keys go by their age: left out.
using Rows = std::map<std::string, std::string>;

inline std::string hex_of(recharge::Bytes bytes) {
  std::string hex;
  for (const auto byte : bytes) {
    hex += "0123456789abcdef"[static_cast<unsigned>(byte) >> 4];
    hex += "0123456789abcdef"[static_cast<unsigned>(byte) & 15];
  }
  return hex;
}

inline Rows rows_of(Books& books, bool with_idempotency = true) {
  Rows rows;
  auto snapshot = books.snapshot();
  for (std::size_t i = 0; i < kTables; ++i) {
    const auto table = static_cast<Table>(i);
    if (table == Table::idempotency && !with_idempotency) continue;
    std::vector<std::byte> from;
    for (;;) {
      auto row = snapshot->first_from(table, from);
      EXPECT_TRUE(row.has_value());
      if (!row || !row->has_value()) break;
      rows[std::to_string(i) + " " + hex_of((*row)->key)] = hex_of((*row)->value);
      from.assign((*row)->key.begin(), (*row)->key.end());
      from.push_back(std::byte{0});
    }
  }
  return rows;
}

// The first few differences, one a line; empty where there are none.
inline std::string differences(const Rows& expected, const Rows& actual) {
  std::string text;
  unsigned lines = 0;
  const auto add = [&](const std::string& line) {
    if (++lines <= 5) text += line + "\n";
  };
  for (const auto& [key, value] : expected) {
    const auto found = actual.find(key);
    if (found == actual.end()) {
      add("missing: " + key);
    } else if (found->second != value) {
      add("differs: " + key + "\n  expected " + value + "\n  actual   " + found->second);
    }
  }
  for (const auto& [key, value] : actual) {
    if (!expected.contains(key)) add("not expected: " + key);
  }
  return text;
}

// What the books must hold after the given commands: decided and applied over plain maps.
class Model {
 public:
  explicit Model(const ShardMap& map, const RecordCodec& codec = kTestCodec)
      : map_(map), codec_(codec), shards_(map.shards()) {}

  void execute(const Command& command, Time now) {
    const auto shard = map_.of_command(command);
    auto& records = shards_[shard];
    Outcome outcome;
    Facts facts;
    const auto found = gather(command, records);
    RECHARGE_CHECK(found.has_value());
    decide(command, *found, records, {now, shard}, outcome, facts);
    touched_[shard] |= !facts.empty();
    for (const auto& fact : facts) recharge::apply(fact, records);
  }

  std::vector<std::string> violations() const {
    std::vector<std::string> all;
    for (const auto& records : shards_) {
      for (auto& violation : testing::violations(records)) all.push_back(std::move(violation));
    }
    return all;
  }

  Rows rows() const {
    Rows rows;
    for (unsigned i = 0; i < shards_.size(); ++i) {
      if (touched_[i]) add(static_cast<std::uint8_t>(i), rows);
    }
    return rows;
  }

 private:
  void add(std::uint8_t shard, Rows& rows) const {
    const auto& r = shards_[shard];
    StoredRow row;
    const auto keep = [&](Table table) {
      rows[std::to_string(static_cast<int>(table)) + " " + hex_of(row.key)] = hex_of(row.value);
    };
    const auto plain = [&](Table table, const auto& map) {
      for (const auto& [key, record] : map) codec_.encode(record, row), keep(table);
    };
    plain(Table::orders, r.orders);
    plain(Table::accounts, r.accounts);
    plain(Table::transfers, r.transfers);
    plain(Table::refunds, r.refunds);
    plain(Table::debits, r.debits);
    plain(Table::idempotency, r.idempotency_records);
    for (const auto& [id, record] : r.exceptions) {
      codec_.encode(shard, record, row);
      keep(Table::exceptions);
    }
    for (const auto& [key, id] : r.exception_keys) {
      codec_.encode(shard, ExceptionKeyRow{key, id}, row);
      keep(Table::exception_keys);
    }
    for (const auto& [key, balance] : r.house) {
      codec_.encode(HouseAccountRow{shard, {key.first, key.second, balance}}, row);
      keep(Table::house);
    }
    for (const auto& [key, work] : r.gateway_works) {
      codec_.encode(shard, work, row);
      keep(Table::gateway_work);
    }
    for (const auto& [key, attempt] : r.attempts) {
      codec_.encode(attempt, row);
      keep(Table::attempts);
    }
    plain(Table::notify_urls, r.notify_urls);
    codec_.encode(ShardTotalsRow{shard, r.shard_totals}, row);
    keep(Table::totals);
  }

  ShardMap map_;
  RecordCodec codec_;
  std::vector<MapRecords> shards_;
  std::array<bool, 256> touched_{};
};

}  // namespace recharge::testing
