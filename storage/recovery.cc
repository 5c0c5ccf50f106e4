#include "storage/recovery.h"

#include "storage/journal_format.h"
#include "storage/journal_recovery.h"
#include "storage/segment.h"

namespace recharge {

Result<void> apply_record(const JournalRecord& record, ShardGroup& shards) {
  if (record.circumstances.shard >= shards.shards().size()) return Errc::damaged;
  auto* records = shards.shard(record.circumstances.shard);
  if (records == nullptr) return Errc::damaged;
  for (const auto& fact : record.facts) {
    if (auto prepared = records->prepare(fact); !prepared) return prepared.error();
    recharge::apply(fact, *records);
  }
  return {};
}

StorageResult<JournalPosition> recover(FileSystem& files, const JournalOptions& options,
                                       const JournalPosition& position, ShardGroup& shards,
                                       std::size_t changed_limit_bytes, const RecoveryCheckpoint& checkpoint,
                                       RecoveryReport& report) {
  auto reader = JournalReader::open(files, options, position);
  if (!reader) return reader.error();
  JournalRecord record;
  for (;;) {
    const auto begin = reader->position();
    auto group = reader->next();
    if (!group) return group.error();
    if (*group == nullptr) break;
    // A group that another one follows was flushed: only now may the books be brought up to it.
    if (shards.changed_bytes() > changed_limit_bytes) {
      if (auto done = checkpoint(begin); !done) return done.error();
      ++report.checkpoints;
    }
    for (std::size_t i = 0; i < (*group)->records.size(); ++i) {
      Result<void> done = decode_record((*group)->records[i], record);
      if (done) done = apply_record(record, shards);
      if (!done) {
        return StorageError{
            done.error(), segment_path(options.directory, (*group)->segment), (*group)->offset,
            "record " + std::to_string(i) + " of the group cannot be applied to the rows of books/data.mdb"};
      }
      report.last = std::max(report.last, record.circumstances.now);
    }
    ++report.groups;
    report.records += (*group)->records.size();
    shards.release_books();
  }
  report.torn_tail = reader->tail().torn;
  return recover_tail(files, options, *reader);
}

}  // namespace recharge
