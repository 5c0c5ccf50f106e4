#include "storage/store.h"

#include <sodium.h>

#include "storage/base.h"
#include "storage/books_check.h"
#include "storage/segment.h"
#include "storage/shard_recovery.h"

namespace recharge {
Store::~Store() = default;

StorageResult<std::unique_ptr<Store>> Store::open(FileSystem& files, const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store(files, options.reserve_bytes));
  store->keeper_.start();
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
  if (auto done = store->start_shards(options, journal_options); !done) return done.error();
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

// Books that are missing or of an older schema are made anew: from the base, where there is one, and the
// journal.
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
    opened = books_at_beginning(files_, folder_->path(), id, *codec_, directory);
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

StorageResult<void> Store::start_shards(const StoreOptions& options, const JournalOptions& journal_options) {
  const ShardBooks books{*books_, *map_, *codec_, books_file()};
  auto recovered = recover_shards(files_, journal_options, books, options.checkpoint_bytes, {});
  if (!recovered) return recovered.error();
  expiry_watermark_ms_ = recovered->expiry_watermark_ms;
  recovered_ = recovered->end;
  report_ = recovered->report;
  MemoryLimits limits;
  limits.orders_bytes = 2 * options.checkpoint_bytes / options.threads + (std::size_t{32} << 20);
  limits.changes_bytes = limits.orders_bytes + (std::size_t{32} << 20);
  groups_ = deal_out(books, std::move(*recovered), options.threads, limits);
  return {};
}

std::uint64_t Store::free_bytes() const {
  const auto free = files_.free_bytes(folder_->path());
  return free ? *free : 0;
}

}  // namespace recharge
