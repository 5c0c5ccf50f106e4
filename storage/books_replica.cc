#include "storage/books_replica.h"

#include "storage/recovery.h"
#include "storage/segment.h"
#include "storage/shard_recovery.h"

namespace recharge {

StorageResult<BooksReplica> BooksReplica::open(const ShardMap& map, const RecordCodec& codec, Books& books,
                                               std::string name, ReplayPace pace) {
  auto shards = load_shards({books, map, codec, name});
  if (!shards) return shards.error();
  return BooksReplica(map, codec, books, std::move(name), std::move(pace), std::move(*shards));
}

StorageResult<void> BooksReplica::checkpoint(const JournalPosition& position) {
  return write_changed(shards_, {*books_, *map_, *codec_, name_},
                       {pace_.records_per_transaction, pace_.between_transactions},
                       {position, expiry_watermark_ms_});
}

StorageResult<void> BooksReplica::apply_group(const JournalGroup& group, const std::string& directory,
                                              const Visit& visit, ReplayReport& report) {
  JournalRecord record;
  for (std::size_t i = 0; i < group.records.size(); ++i) {
    const auto bytes = group.records[i];
    Result<void> done = decode_record(bytes, record);
    if (done && visit) {
      const auto place = segment_path(directory, group.segment) + ": offset " + std::to_string(group.offset) +
                         ", record " + std::to_string(i);
      visit(record, bytes, place, shards_);
    }
    if (done) done = apply_record(record, shards_);
    if (!done) {
      return StorageError{
          done.error(), segment_path(directory, group.segment), group.offset,
          "record " + std::to_string(i) + " of the group cannot be applied to the rows of books/data.mdb"};
    }
    report.last = std::max(report.last, record.circumstances.now);
  }
  ++report.groups;
  report.records += group.records.size();
  shards_.release_books();
  return {};
}

StorageResult<ReplayReport> BooksReplica::replay(FileSystem& files, const JournalOptions& journal,
                                                 const std::optional<JournalPosition>& until,
                                                 const Visit& visit) {
  const auto from = books_->position();
  if (!from) return StorageError{from.error(), name_, 0, "the position cannot be read"};
  expiry_watermark_ms_ = from->expiry_watermark_ms;
  auto reader = JournalReader::open(files, journal, from->journal);
  if (!reader) return reader.error();
  ReplayReport report;
  const auto before = until ? until->sequence : UINT64_MAX;
  for (;;) {
    if (pace_.stop && pace_.stop()) {
      report.stopped = true;
      break;
    }
    const auto begin = reader->position();
    auto group = reader->next(before);
    if (!group) return group.error();
    if (*group == nullptr) {
      report.torn_tail = reader->position().sequence < before && reader->tail().torn;
      break;
    }
    if (shards_.changed_bytes() > pace_.changed_limit_bytes) {
      if (auto done = checkpoint(begin); !done) return done.error();
      if (pace_.between_transactions) pace_.between_transactions();
    }
    if (auto done = apply_group(**group, journal.directory, visit, report); !done) return done.error();
  }
  report.end = reader->position();
  if (!report.stopped && until && report.end.sequence < until->sequence) {
    return StorageError{Errc::damaged, segment_path(journal.directory, report.end.segment), report.end.offset,
                        "the journal ends before the position that was asked for"};
  }
  if (auto done = checkpoint(report.end); !done) return done.error();
  return report;
}

}  // namespace recharge
