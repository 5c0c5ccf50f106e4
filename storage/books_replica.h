// Purpose: books brought forward by a journal alone, without rules and without a running server: how verify,
// a rebuild, a restore and the base of a shortened journal make books. Owner: one thread. Lifetime: within
// its books, map and codec. Errors: StorageError names the journal's file and offset, or the books.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/journal_record.h"
#include "storage/books.h"
#include "storage/journal_reader.h"
#include "storage/shard_group.h"

namespace recharge {

struct ReplayReport {
  std::uint64_t groups = 0;
  std::uint64_t records = 0;
  bool torn_tail = false;
  bool stopped = false;  // before it was done; the books stand at `end`
  JournalPosition end;
  Time last;  // of the newest record; zero where there was none
};

// How it shares the disk and the memory with others.
struct ReplayPace {
  std::size_t changed_limit_bytes = std::size_t{256} << 20;
  std::size_t records_per_transaction = 100'000;
  std::function<void()> between_transactions = {};
  std::function<bool()> stop = {};  // asked before every group
};

class BooksReplica {
 public:
  // name: of the books, in errors.
  static StorageResult<BooksReplica> open(const ShardMap& map, const RecordCodec& codec, Books& books,
                                          std::string name, ReplayPace pace = {});

  // Called for each record before it is applied. place: "FILE: offset N, record I".
  using Visit =
      std::function<void(const JournalRecord& record, Bytes bytes, const std::string& place, ShardGroup&)>;
  // Applies the records from the books' position on, up to `until` (none: the journal's end), and commits.
  StorageResult<ReplayReport> replay(FileSystem& files, const JournalOptions& journal,
                                     const std::optional<JournalPosition>& until = std::nullopt,
                                     const Visit& visit = {});

  const ShardGroup& shards() const noexcept { return shards_; }
  Books& books() const noexcept { return *books_; }

 private:
  BooksReplica(const ShardMap& map, const RecordCodec& codec, Books& books, std::string name, ReplayPace pace,
               ShardGroup shards)
      : map_(&map),
        codec_(&codec),
        books_(&books),
        name_(std::move(name)),
        pace_(std::move(pace)),
        shards_(std::move(shards)) {}
  StorageResult<void> apply_group(const JournalGroup& group, const std::string& directory, const Visit& visit,
                                  ReplayReport& report);
  StorageResult<void> checkpoint(const JournalPosition& position);

  const ShardMap* map_;
  const RecordCodec* codec_;
  Books* books_;
  std::string name_;
  ReplayPace pace_;
  ShardGroup shards_;
  std::uint64_t expiry_watermark_ms_ = 0;
};

}  // namespace recharge
