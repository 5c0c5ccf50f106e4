#include "storage/shard_recovery.h"

#include "core/check.h"

namespace recharge {

StorageResult<ShardGroup> load_shards(const ShardBooks& from) {
  auto snapshot = from.books.snapshot();
  ShardGroup::Shards shards;
  for (unsigned i = 0; i < from.map.shards(); ++i) {
    shards.push_back(std::make_unique<ShardRecords>(static_cast<std::uint8_t>(i), from.codec, *snapshot));
    if (auto done = shards.back()->load_resident(); !done)
      return StorageError{done.error(), from.name, 0, "totals cannot be read"};
  }
  snapshot->release();
  return ShardGroup(from.map, std::move(snapshot), std::move(shards), {});
}

StorageResult<void> write_changed(ShardGroup& all, const ShardBooks& to, const CheckpointPace& pace,
                                  const BooksPosition& position) {
  all.release_books();
  CheckpointInput input;
  input.position = position;
  for (const auto& shard : all.shards()) {
    if (shard->has_changes()) input.shards.push_back({shard->shard(), shard->freeze()});
  }
  CheckpointWriter writer(to.books, to.codec, pace);
  if (auto done = writer.write(input); !done)
    return StorageError{done.error(), to.name, 0, "writing the books"};
  for (const auto& shard : all.shards()) shard->drop_frozen();
  return {};
}

StorageResult<RecoveredShards> recover_shards(FileSystem& files, const JournalOptions& journal,
                                              const ShardBooks& books, std::size_t changed_limit_bytes,
                                              const CheckpointPace& pace) {
  auto all = load_shards(books);
  if (!all) return all.error();
  const auto position = books.books.position();
  if (!position) return StorageError{position.error(), books.name, 0, "the position cannot be read"};
  RecoveredShards recovered;
  recovered.expiry_watermark_ms = position->expiry_watermark_ms;
  const auto checkpoint = [&](const JournalPosition& reached) {
    return write_changed(*all, books, pace, {reached, position->expiry_watermark_ms});
  };
  auto end =
      recover(files, journal, position->journal, *all, changed_limit_bytes, checkpoint, recovered.report);
  if (!end) return end.error();
  all->release_books();
  recovered.end = *end;
  recovered.shards = all->take_shards();
  return recovered;
}

std::vector<std::unique_ptr<ShardGroup>> deal_out(const ShardBooks& books, RecoveredShards recovered,
                                                  unsigned threads, const MemoryLimits& limits) {
  RECHARGE_CHECK(threads > 0);
  std::vector<std::unique_ptr<ShardGroup>> groups;
  for (unsigned thread = 0; thread < threads; ++thread) {
    ShardGroup::Shards own(recovered.shards.size());
    for (std::size_t shard = thread; shard < own.size(); shard += threads)
      own[shard] = std::move(recovered.shards[shard]);
    groups.push_back(std::make_unique<ShardGroup>(books.map, books.books.snapshot(), std::move(own), limits));
    groups.back()->set_now(recovered.report.last);
  }
  return groups;
}

}  // namespace recharge
