#include "storage/books_replica.h"

#include "storage/checkpoint.h"
#include "storage/recovery.h"
#include "storage/segment.h"

namespace recharge {
namespace {

constexpr std::size_t kChangedLimitBytes = std::size_t{256} << 20;
constexpr std::size_t kRecordsPerTransaction = 100'000;

}  // namespace

StorageResult<BooksReplica> BooksReplica::open(const ShardMap& map, const RecordCodec& codec, Books& books,
                                               std::string name) {
  auto snapshot = books.snapshot();
  ShardGroup::Shards shards;
  for (unsigned i = 0; i < map.shards(); ++i) {
    shards.push_back(std::make_unique<ShardRecords>(static_cast<std::uint8_t>(i), codec, *snapshot));
    if (auto done = shards.back()->load_resident(); !done)
      return StorageError{done.error(), name, 0, "totals cannot be read"};
  }
  snapshot->release();
  return BooksReplica(codec, books, std::move(name),
                      ShardGroup(map, std::move(snapshot), std::move(shards), {}));
}

StorageResult<void> BooksReplica::checkpoint(const JournalPosition& position) {
  shards_.release_books();
  CheckpointInput input;
  input.position = {position, expiry_watermark_ms_};
  for (const auto& shard : shards_.shards()) {
    if (shard->has_changes()) input.shards.push_back({shard->shard(), shard->freeze()});
  }
  CheckpointWriter writer(*books_, *codec_, {kRecordsPerTransaction, {}});
  if (auto done = writer.write(input); !done)
    return StorageError{done.error(), name_, 0, "writing the books"};
  for (const auto& shard : shards_.shards()) shard->drop_frozen();
  return {};
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
  while (!until || reader->position().sequence < until->sequence) {
    const auto begin = reader->position();
    auto group = reader->next();
    if (!group) return group.error();
    if (*group == nullptr) {
      report.torn_tail = reader->tail().torn;
      break;
    }
    if (shards_.changed_bytes() > kChangedLimitBytes) {
      if (auto done = checkpoint(begin); !done) return done.error();
    }
    if (auto done = apply_group(**group, journal.directory, visit, report); !done) return done.error();
  }
  report.end = reader->position();
  if (until && report.end.sequence < until->sequence) {
    return StorageError{Errc::damaged, segment_path(journal.directory, report.end.segment), report.end.offset,
                        "the journal ends before the position that was asked for"};
  }
  if (auto done = checkpoint(report.end); !done) return done.error();
  return report;
}

}  // namespace recharge
