#include "storage/store.h"

#include <sodium.h>

#include "core/check.h"
#include "storage/books_check.h"
#include "storage/segment.h"

namespace recharge {
namespace {

StorageError books_error(const std::string& directory, const boost::system::error_code& code,
                         const char* what) {
  return StorageError{code, directory + "/data.mdb", 0, what};
}

}  // namespace

Store::~Store() = default;

StorageResult<std::unique_ptr<Store>> Store::open(FileSystem& files, const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store(files));
  auto folder =
      DataFolder::open(files, options.data_dir, options.currency,
                       [](std::span<std::uint8_t> bytes) { randombytes_buf(bytes.data(), bytes.size()); });
  if (!folder) return folder.error();
  store->folder_.emplace(std::move(*folder));
  const auto& format = store->folder_->format();
  if (format.currency != options.currency) {
    return StorageError{
        make_error_code(Errc::out_of_range), options.data_dir + "/FORMAT", 0,
        "the data folder was made for currency " + std::string(currency_code(format.currency))};
  }
  store->map_.emplace(format.hash_key, format.shard_count);
  store->codec_.emplace(format.hash_key);

  JournalOptions journal_options;
  journal_options.directory = store->folder_->journal_directory();
  journal_options.folder_id = format.folder_id;
  journal_options.producers = options.threads;
  journal_options.segment_bytes = options.segment_bytes;
  if (auto done = store->open_books(options.data_dir + "/books"); !done) return done.error();
  if (auto done = store->recover_shards(options, journal_options); !done) return done.error();
  auto journal = Journal::open(files, journal_options, store->recovered_, options.journal_hooks);
  if (!journal) return journal.error();
  store->journal_ = std::move(*journal);
  for (unsigned thread = 0; thread < options.threads; ++thread) {
    store->groups_[thread]->attach(*store->journal_, thread);
  }
  if (store->folder_->first_start()) {
    if (auto done = store->folder_->complete_first_start(); !done) return done.error();
  }
  return store;
}

// Books that are missing or of an older schema are made anew, and filled from the journal's beginning.
StorageResult<void> Store::open_books(const std::string& directory) {
  const auto& id = folder_->format().folder_id;
  auto how = folder_->first_start() ? LmdbBooks::Open::fresh : LmdbBooks::Open::existing;
  if (how == LmdbBooks::Open::existing) {
    const auto finished = files_.exists(directory + "/unfinished");
    if (finished && !*finished) {
      if (auto sound = check_books_at_start(files_, directory + "/data.mdb"); !sound) return sound.error();
    }
  }
  auto opened = LmdbBooks::open(directory, id, how);
  if (!opened && opened.error().is(Errc::not_found))
    opened = LmdbBooks::open(directory, id, LmdbBooks::Open::fresh);
  if (!opened) return opened.error();
  books_ = std::move(*opened);
  const auto is_whole = [this](Table table, Bytes key, Bytes value) {
    return codec_->check(table, key, value).has_value();
  };
  if (auto set = books_->check_rows_with(is_whole); !set) {
    return StorageError{set.error(), directory, 0, "opening the books"};
  }
  return {};
}

StorageResult<void> Store::recover_shards(const StoreOptions& options,
                                          const JournalOptions& journal_options) {
  const std::string directory = options.data_dir + "/books";
  auto snapshot = books_->snapshot();
  ShardGroup::Shards shards;
  for (unsigned shard = 0; shard < map_->shards(); ++shard) {
    shards.push_back(std::make_unique<ShardRecords>(static_cast<std::uint8_t>(shard), *codec_, *snapshot));
    if (auto done = shards.back()->load_resident(); !done)
      return books_error(directory, done.error(), "totals");
  }
  snapshot->release();
  auto position = books_->position();
  if (!position) return books_error(directory, position.error(), "position");
  expiry_watermark_ms_ = position->expiry_watermark_ms;

  ShardGroup all(*map_, std::move(snapshot), std::move(shards), {});
  CheckpointWriter writer(*books_, *codec_, {});
  const auto checkpoint = [&](const JournalPosition& reached) -> StorageResult<void> {
    all.release_books();
    CheckpointInput input;
    input.position = {reached, expiry_watermark_ms_};
    for (const auto& shard : all.shards()) {
      if (shard->has_changes()) input.shards.push_back({shard->shard(), shard->freeze()});
    }
    if (auto done = writer.write(input); !done)
      return books_error(directory, done.error(), "checkpoint of recovery");
    for (const auto& shard : all.shards()) shard->drop_frozen();
    return {};
  };
  auto end =
      recover(files_, journal_options, position->journal, all, options.checkpoint_bytes, checkpoint, report_);
  if (!end) return end.error();
  recovered_ = *end;
  all.release_books();
  distribute(options.threads, all.take_shards(), options);
  return {};
}

void Store::distribute(unsigned threads, ShardGroup::Shards shards, const StoreOptions& options) {
  RECHARGE_CHECK(threads > 0);
  MemoryLimits limits;
  limits.orders_bytes = 2 * options.checkpoint_bytes / threads + (std::size_t{32} << 20);
  limits.changes_bytes = limits.orders_bytes + (std::size_t{32} << 20);
  for (unsigned thread = 0; thread < threads; ++thread) {
    ShardGroup::Shards own(shards.size());
    for (std::size_t shard = thread; shard < shards.size(); shard += threads)
      own[shard] = std::move(shards[shard]);
    groups_.push_back(std::make_unique<ShardGroup>(*map_, books_->snapshot(), std::move(own), limits));
    groups_.back()->set_now(report_.last);
  }
}

std::uint64_t Store::free_bytes() const {
  const auto free = files_.free_bytes(folder_->path());
  return free ? *free : 0;
}

}  // namespace recharge
