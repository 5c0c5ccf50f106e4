#include "storage/books_view.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/journal_record.h"
#include "storage/journal_reader.h"

namespace recharge {
namespace {

// After as many rows, the view of the file is given back: about a millisecond.
constexpr unsigned kRowsOfOneView = 1000;
constexpr int kLooksAtTheJournal = 20;
constexpr std::chrono::milliseconds kBetweenLooks{50};

Time wall_time() {
  return Time{std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()};
}

// The time of the first record that may not be in the books; none: all are. A journal that grows may show
// half a group for a moment.
StorageResult<std::optional<Time>> first_missing(FileSystem& files, const JournalOptions& journal,
                                                 const JournalPosition& from) {
  for (int look = 1;; ++look) {
    auto reader = JournalReader::open(files, journal, from);
    if (!reader) return reader.error();
    const auto group = reader->next();
    if (!group && look < kLooksAtTheJournal) {
      std::this_thread::sleep_for(kBetweenLooks);
      continue;
    }
    if (!group) return group.error();
    if (*group == nullptr || (*group)->records.empty()) return std::optional<Time>();
    JournalRecord record;
    if (const auto decoded = decode_record((*group)->records.front(), record); !decoded)
      return StorageError{decoded.error(), journal.directory, 0, "a record behind the books"};
    return std::optional<Time>(record.circumstances.now);
  }
}

}  // namespace

BooksView::BooksView(const FolderFormat& format, std::string path, std::unique_ptr<LmdbBooks> books)
    : format_(format),
      path_(std::move(path)),
      map_(format.hash_key, format.shard_count),
      codec_(format.hash_key),
      books_(std::move(books)),
      snapshot_(books_->snapshot()) {}

StorageResult<BooksView> BooksView::open(FileSystem& files, const std::string& data_dir) {
  const auto present = files.exists(data_dir + "/FORMAT");
  if (!present || !*present)
    return StorageError{Errc::not_found, data_dir + "/FORMAT", 0, "this is no data folder"};
  const auto format = read_format(files, data_dir);
  if (!format) return format.error();
  const std::string directory = data_dir + "/books";
  auto books = LmdbBooks::open(directory, format->folder_id, LmdbBooks::Open::shared);
  if (!books) return books.error();
  BooksView view(*format, directory + "/data.mdb", std::move(*books));

  const Time now = wall_time();
  const auto position = view.books_->position();
  if (!position) return StorageError{position.error(), view.path_, 0, "position of the books"};
  JournalOptions journal;
  journal.directory = data_dir + "/journal";
  journal.folder_id = format->folder_id;
  const auto missing = first_missing(files, journal, position->journal);
  if (!missing) return missing.error();
  view.complete_until_ = missing->has_value() ? std::min(**missing, now) : now;
  return view;
}

StorageError BooksView::failed(const boost::system::error_code& code, Table table) const {
  return StorageError{code, path_, 0, "table " + std::string(kTableNames[static_cast<std::size_t>(table)])};
}

StorageResult<void> BooksView::scan(Table table, Bytes from, const VisitRow& visit) {
  StoredKey next(from.begin(), from.end());
  for (unsigned rows = 1;; ++rows) {
    const auto row = snapshot_->first_from(table, next);
    if (!row) return failed(row.error(), table);
    if (!row->has_value()) break;
    next.assign((*row)->key.begin(), (*row)->key.end());
    next.push_back(std::byte{0});
    const auto on = visit((*row)->key, (*row)->value);
    if (!on) return on.error();
    if (!*on) break;
    if (rows % kRowsOfOneView == 0) snapshot_->release();
  }
  snapshot_->release();
  return {};
}

template <class Record>
StorageResult<std::optional<Record>> BooksView::find(Table table, const StoredKey& key) {
  const auto value = snapshot_->get(table, key);
  if (!value) return failed(value.error(), table);
  if (!value->has_value()) return std::optional<Record>();
  Record record;
  if (const auto decoded = codec_.decode(key, **value, record); !decoded)
    return failed(decoded.error(), table);
  return std::optional<Record>(record);
}

StorageResult<std::optional<Order>> BooksView::order(const OrderId& id) {
  return find<Order>(Table::orders, order_key(id));
}

StorageResult<void> BooksView::exceptions_of(const OrderReference& reference, const GatewayName& gateway,
                                             const TransactionId& transaction_id,
                                             const VisitException& visit) {
  const auto id = OrderId::parse(reference.view());
  const auto shard = id ? map_.of_id(*id) : map_.of_text(reference.view());
  for (std::size_t kind = 0; kind < kExceptionKinds; ++kind) {
    const auto key = make_exception_key(reference, static_cast<ExceptionKind>(kind), gateway, transaction_id);
    const auto row = find<ExceptionKeyRow>(Table::exception_keys, exception_key_key(shard, key));
    if (!row) return row.error();
    if (!row->has_value()) continue;
    const auto exception =
        find<PaymentException>(Table::exceptions, exception_row_key(shard, (*row)->exception_id));
    if (!exception) return exception.error();
    if (exception->has_value()) visit(**exception);
  }
  return {};
}

StorageResult<void> BooksView::refunds_of(const OrderId& id,
                                          const std::function<void(const Refund& refund)>& visit) {
  const auto from = refund_key(id, RefundId());
  return scan(Table::refunds, from, [&](Bytes key, Bytes value) -> StorageResult<bool> {
    if (key.size() < id.bytes.size() ||
        !std::equal(id.bytes.begin(), id.bytes.end(), key.begin(),
                    [](std::uint8_t a, std::byte b) { return a == std::to_integer<std::uint8_t>(b); }))
      return false;
    Refund refund;
    if (const auto decoded = codec_.decode(key, value, refund); !decoded)
      return failed(decoded.error(), Table::refunds);
    visit(refund);
    return true;
  });
}

StorageResult<void> BooksView::transfers(Time from, Time until, const VisitTransfer& visit) {
  const auto first = transfer_key(EntryId::make(Time{std::max<std::int64_t>(from.ms, 0)}, 0, 0));
  return scan(Table::transfers, first, [&](Bytes key, Bytes value) -> StorageResult<bool> {
    Transfer transfer;
    if (const auto decoded = codec_.decode(key, value, transfer); !decoded)
      return failed(decoded.error(), Table::transfers);
    if (transfer.id.time() >= until) return false;
    if (const auto done = visit(transfer); !done) return done.error();
    return true;
  });
}

StorageResult<void> BooksView::exceptions(Time from, Time until, const VisitException& visit) {
  for (unsigned shard = 0; shard < map_.shards(); ++shard) {
    const auto first =
        exception_row_key(static_cast<std::uint8_t>(shard),
                          ExceptionId{make_uuid_v7(Time{std::max<std::int64_t>(from.ms, 0)}, 0, {})});
    const auto done = scan(Table::exceptions, first, [&](Bytes key, Bytes value) -> StorageResult<bool> {
      if (std::to_integer<unsigned>(key.front()) != shard) return false;
      PaymentException exception;
      if (const auto decoded = codec_.decode(key, value, exception); !decoded)
        return failed(decoded.error(), Table::exceptions);
      if (exception.created_at() >= until) return false;
      visit(exception);
      return true;
    });
    if (!done) return done.error();
  }
  return {};
}

}  // namespace recharge
