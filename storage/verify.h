// Purpose: proves offline that the books and the journal of a data folder say the same: walks the whole
// journal, from its base on where there is one, makes every record anew in temporary books, adds up every
// balance from its transfers, and compares row by row. Owner: one thread, with the folder's lock. Lifetime: a
// call. Changes nothing in the folder. Errors: StorageError where the folder cannot be read; differences are
// no errors but findings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/file.h"
#include "storage/journal_position.h"
#include "storage/storage_error.h"

namespace recharge {

constexpr std::size_t kMaxFindings = 100;  // kept with their text; more are counted

struct VerifyOptions {
  std::string data_dir;
  std::string scratch_dir;  // for the temporary books; removed again
  // Also decide every command again, and compare the facts; but not over a base that is being carried
  // forward, whose rows may be ahead of the commands.
  bool decide = false;
};

struct VerifyReport {
  std::uint64_t groups = 0;
  std::uint64_t records = 0;
  std::uint64_t orders = 0;
  std::uint64_t accounts = 0;
  std::uint64_t transfers = 0;
  std::uint64_t rows_compared = 0;
  std::int64_t ledger_sum_minor_units = 0;
  bool decided = false;
  bool torn_tail = false;               // no finding: a start cuts it
  std::optional<JournalPosition> base;  // where the base stands, if the oldest segments were dropped
  JournalPosition end;                  // its previous_hash is the head of the chain
  std::uint64_t findings_total = 0;
  std::vector<std::string> findings;

  bool clean() const noexcept { return findings_total == 0; }
  void add(std::string finding);
};

StorageResult<VerifyReport> verify_data_folder(FileSystem& files, const VerifyOptions& options);

}  // namespace recharge
