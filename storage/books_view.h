// Purpose: reads the books of a data folder by themselves, also beside the recharged that writes them: rows
// in the order of time, and single records. Changes nothing and takes no lock. Each row is as of a moment
// while it is read; rows of one scan may be of different moments, so that the running server's file does not
// grow. The books are behind the journal by a checkpoint: complete_until() says how far they can be relied
// on. Owner: one thread. Lifetime: as it likes. Errors: StorageError; Errc::damaged for rows that do not fit.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/data_folder.h"
#include "storage/lmdb_books.h"
#include "storage/shard_map.h"
#include "storage/stored_record.h"

namespace recharge {

class BooksView {
 public:
  static StorageResult<BooksView> open(FileSystem& files, const std::string& data_dir);

  Currency currency() const noexcept { return format_.currency; }
  // Everything that happened before it is in the books. now: where nothing is missing.
  Time complete_until() const noexcept { return complete_until_; }

  StorageResult<std::optional<Order>> order(const OrderId& id);
  // The kept payments of this order reference, gateway and transaction, of whatever kind.
  using VisitException = std::function<void(const PaymentException& exception)>;
  StorageResult<void> exceptions_of(const OrderReference& reference, const GatewayName& gateway,
                                    const TransactionId& transaction_id, const VisitException& visit);
  StorageResult<void> refunds_of(const OrderId& id, const std::function<void(const Refund& refund)>& visit);

  // Posted, or kept, from `from` on and before `until`; exceptions shard by shard.
  using VisitTransfer = std::function<StorageResult<void>(const Transfer& transfer)>;
  StorageResult<void> transfers(Time from, Time until, const VisitTransfer& visit);
  StorageResult<void> exceptions(Time from, Time until, const VisitException& visit);

 private:
  BooksView(const FolderFormat& format, std::string path, std::unique_ptr<LmdbBooks> books);
  // Rows at or above `from` until the visitor says false.
  using VisitRow = std::function<StorageResult<bool>(Bytes key, Bytes value)>;
  StorageResult<void> scan(Table table, Bytes from, const VisitRow& visit);
  template <class Record>
  StorageResult<std::optional<Record>> find(Table table, const StoredKey& key);
  StorageError failed(const boost::system::error_code& code, Table table) const;

  FolderFormat format_;
  std::string path_;  // of the file with the books
  ShardMap map_;
  RecordCodec codec_;
  std::unique_ptr<LmdbBooks> books_;
  std::unique_ptr<BooksSnapshot> snapshot_;
  Time complete_until_;
};

}  // namespace recharge
