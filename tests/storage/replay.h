// Purpose: the journal's facts applied by hand, from any position and over any books, by the right function
// or a broken one: to show that replay from every earlier position ends in the same books, and that the check
// notices where it does not. Lifetime: calls.
#pragma once

#include <functional>

#include "tests/storage/machine.h"

namespace recharge::testing {

using ApplyFact = std::function<void(const Fact&, ShardRecords&)>;

inline void apply_rightly(const Fact& fact, ShardRecords& records) { recharge::apply(fact, records); }

// The books as they are after the facts behind `from` were applied over them. An error: the facts do not fit.
inline Result<Rows> replayed(SimulatedFileSystem& disk, const JournalOptions& options,
                             const JournalPosition& from, MemoryBooks over,
                             const ApplyFact& apply_fact = apply_rightly) {
  Machine machine(disk, over);
  auto all = machine.load();
  auto reader = JournalReader::open(disk, options, from);
  if (!reader) return reader.error().code;
  JournalRecord record;
  for (;;) {
    auto group = reader->next();
    if (!group) return group.error().code;
    if (*group == nullptr) break;
    for (const auto bytes : (*group)->records) {
      if (auto done = decode_record(bytes, record); !done) return done.error();
      auto& records = *all->shard(record.circumstances.shard);
      for (const auto& fact : record.facts) {
        if (auto done = records.prepare(fact); !done) return done.error();
        apply_fact(fact, records);
      }
    }
  }
  const auto input = Machine::freeze({*all}, {reader->position(), 0});
  if (auto written = CheckpointWriter(over, kTestCodec, {}).write(input); !written) return written.error();
  return rows_of(over);
}

// Where each group begins, and the end.
inline std::vector<JournalPosition> positions(SimulatedFileSystem& disk, const JournalOptions& options) {
  std::vector<JournalPosition> found;
  auto reader = JournalReader::open(disk, options);
  EXPECT_TRUE(reader.has_value());
  for (;;) {
    found.push_back(reader->position());
    auto group = reader->next();
    EXPECT_TRUE(group.has_value());
    if (!group || *group == nullptr) return found;
  }
}

// A build whose facts are increments: right when applied once, over exactly the records before it.
inline void apply_as_increment(const Fact& fact, ShardRecords& records) {
  Fact changed = fact;
  if (auto* posted = std::get_if<TransferPosted>(&changed)) {
    auto& transfer = posted->transfer;
    const auto move = [&](const LedgerAccount& side, Money& after, std::int64_t amount) {
      if (side.kind != LedgerAccountKind::user) return;
      const auto* account = *records.account(side.user);
      after = cents((account == nullptr ? 0 : account->balance.minor_units()) + amount);
    };
    move(transfer.credit, transfer.credit_balance_after, transfer.amount.minor_units());
    move(transfer.debit, transfer.debit_balance_after, -transfer.amount.minor_units());
    if (transfer.debit_balance_after.is_negative() && transfer.debit.kind == LedgerAccountKind::user) {
      transfer.debit_balance_after = {};
    }
  }
  recharge::apply(changed, records);
}

}  // namespace recharge::testing
