#include "storage/verify.h"

#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <unordered_map>

#include "core/journal_record.h"
#include "core/transition.h"
#include "storage/base.h"
#include "storage/books_check.h"
#include "storage/books_replica.h"
#include "storage/lmdb_books.h"
#include "storage/offline_folder.h"

namespace recharge {
namespace {

StorageResult<void> for_each_row(BooksSnapshot& books, Table table,
                                 const std::function<Result<void>(Bytes key, Bytes value)>& visit) {
  StoredKey from;
  for (;;) {
    auto row = books.first_from(table, from);
    if (row && !row->has_value()) return {};
    Result<void> done = row ? visit((*row)->key, (*row)->value) : Result<void>(row.error());
    if (!done)
      return StorageError{done.error(), "temporary books", 0,
                          std::string(kTableNames[static_cast<std::size_t>(table)])};
    from.assign((*row)->key.begin(), (*row)->key.end());
    from.push_back(std::byte{0});
  }
}

// What the transfers alone say, added up without any record.
class Sums {
 public:
  void add(const JournalRecord& record, VerifyReport& report) {
    for (const auto& fact : record.facts) {
      if (const auto* posted = std::get_if<TransferPosted>(&fact)) {
        if (known_.erase(posted->transfer.id) == 0) add(posted->transfer, report);
      }
      if (const auto* changed = std::get_if<OrderChanged>(&fact);
          changed != nullptr && changed->fields & kTransactionField &&
          (changed->event == OrderEvent::recharged || changed->event == OrderEvent::payment_held)) {
        const auto* payment = std::get_if<ReportPayment>(&record.command);
        note_payment(payment != nullptr ? payment->gateway : GatewayName(), changed->transaction_id,
                     changed->order_id, report);
      }
    }
  }
  // What the base stands for. A base that is carried forward may hold transfers of records that follow.
  StorageResult<void> begin_with(BooksSnapshot& base, const RecordCodec& codec, bool sealed,
                                 VerifyReport& report) {
    auto done = for_each_row(base, Table::transfers, [&](Bytes key, Bytes value) -> Result<void> {
      Transfer transfer;
      if (auto decoded = codec.decode(key, value, transfer); !decoded) return decoded;
      if (!sealed) known_.insert(transfer.id);
      add(transfer, report);
      return {};
    });
    if (!done) return done;
    return for_each_row(base, Table::orders, [&](Bytes key, Bytes value) -> Result<void> {
      Order order;
      if (auto decoded = codec.decode(key, value, order); !decoded) return decoded;
      if (order.is_paid_for()) note_payment(order.gateway, order.transaction_id, order.id, report);
      return {};
    });
  }
  const std::unordered_map<std::string, std::int64_t>& users() const noexcept { return users_; }
  std::int64_t total() const noexcept { return total_; }

 private:
  void add(const Transfer& transfer, VerifyReport& report) {
    move(transfer.debit, -transfer.amount.minor_units());
    move(transfer.credit, transfer.amount.minor_units());
    ++report.transfers;
    const bool recharges = transfer.kind == TransferKind::recharge || transfer.kind == TransferKind::supplied;
    if (recharges && ++credits_[transfer.order_id.to_hex()] > 1)
      report.add("order " + transfer.order_id.to_text() + " was credited twice");
  }
  void note_payment(const GatewayName& gateway, const TransactionId& transaction, const OrderId& order,
                    VerifyReport& report) {
    const auto [at, fresh] = transactions_.emplace(
        std::string(gateway.view()) + " transaction " + std::string(transaction.view()), order);
    if (!fresh && at->second != order)
      report.add(at->first + " paid for two orders, " + at->second.to_text() + " and " + order.to_text());
  }
  void move(const LedgerAccount& account, std::int64_t amount) {
    total_ += amount;
    if (account.kind == LedgerAccountKind::user) users_[std::string(account.user.view())] += amount;
  }
  std::unordered_map<std::string, std::int64_t> users_;
  std::unordered_map<std::string, unsigned> credits_;
  std::unordered_map<std::string, OrderId> transactions_;
  std::set<EntryId> known_;
  std::int64_t total_ = 0;
};

void decide_again(const JournalRecord& record, std::span<const std::byte> bytes, ShardGroup& shards,
                  const std::string& place, VerifyReport& report) {
  auto* records = shards.shard(record.circumstances.shard);
  records->begin_command();
  const auto gathered = gather(record.command, *records);
  if (!gathered) return report.add(place + ": its records cannot be read");
  Outcome outcome;
  Facts facts;
  decide(record.command, *gathered, *records, record.circumstances, outcome, facts);
  std::vector<std::byte> room(max_record_bytes(record.command));
  const auto size = encode_record(record.command, facts, record.circumstances, room,
                                  std::to_integer<std::uint8_t>(bytes[0]));
  if (!size || *size != bytes.size() || std::memcmp(room.data(), bytes.data(), bytes.size()) != 0) {
    report.add(place + ": decided again, the command ends in other facts");
  }
}

// Both sides' rows of a table, in the order of their keys. Idempotency keys are forgotten in time: not
// compared.
StorageResult<void> compare_tables(BooksSnapshot& expected, BooksSnapshot& actual, VerifyReport& report) {
  for (std::size_t i = 0; i < kTables; ++i) {
    const auto table = static_cast<Table>(i);
    if (table == Table::idempotency) continue;
    StoredKey from;
    for (;;) {
      auto left = expected.first_from(table, from);
      auto right = actual.first_from(table, from);
      if (!left) return StorageError{left.error(), "temporary books", 0, std::string(kTableNames[i])};
      if (!right) return StorageError{right.error(), "books/data.mdb", 0, std::string(kTableNames[i])};
      if (!left->has_value() && !right->has_value()) break;
      const auto below = [](Bytes a, Bytes b) {
        return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
      };
      Bytes key;
      if (!right->has_value() || (left->has_value() && below((*left)->key, (*right)->key))) {
        key = (*left)->key;
        report.add(row_text(table, key) + " is missing in the books");
      } else if (!left->has_value() || below((*right)->key, (*left)->key)) {
        key = (*right)->key;
        report.add(row_text(table, key) + " is in the books and not in the journal");
      } else {
        key = (*left)->key;
        if (!std::equal((*left)->value.begin(), (*left)->value.end(), (*right)->value.begin(),
                        (*right)->value.end())) {
          report.add(row_text(table, key) + " differs from the journal");
        }
        ++report.rows_compared;
      }
      from.assign(key.begin(), key.end());
      from.push_back(std::byte{0});
    }
  }
  return {};
}

// Every user's balance against the sum of the transfers, and the ledger's sum.
StorageResult<void> compare_sums(BooksReplica& replica, const RecordCodec& codec, const Sums& sums,
                                 VerifyReport& report) {
  auto snapshot = replica.books().snapshot();
  const auto done = for_each_row(*snapshot, Table::accounts, [&](Bytes key, Bytes value) -> Result<void> {
    UserAccount account;
    if (auto decoded = codec.decode(key, value, account); !decoded) return decoded;
    ++report.accounts;
    const auto found = sums.users().find(std::string(account.account.view()));
    const auto sum = found == sums.users().end() ? 0 : found->second;
    if (sum != account.balance.minor_units()) {
      report.add("account " + std::string(account.account.view()) + " has " + to_text(account.balance) +
                 ", its transfers add up to " + to_text(Money::from_minor_units(sum)));
    }
    return {};
  });
  if (!done) return done;
  report.ledger_sum_minor_units = sums.total();
  for (const auto& shard : replica.shards().shards()) {
    report.ledger_sum_minor_units += shard->totals().users.minor_units();
    for (const auto& account : shard->house()) report.ledger_sum_minor_units += account.balance.minor_units();
  }
  if (report.ledger_sum_minor_units != 0) report.add("the sum over all accounts is not zero");
  return {};
}

// The folder's books as a start would see them: with the journal applied from their position on, in a copy of
// their own, since the folder is not to be changed. LMDB sees them only when their pages fit together.
StorageResult<void> compare_books(FileSystem& files, const OfflineFolder& folder, const std::string& scratch,
                                  LmdbBooks& expected, VerifyReport& report) {
  const std::string file = folder.books_directory() + "/data.mdb";
  const auto checked = check_books(files, file, folder.codec,
                                   [&report](const StorageError& damage) { report.add(damage.to_text()); });
  if (!checked) {
    if (!checked.error().is(Errc::damaged)) return checked.error();
    report.add(checked.error().to_text());
    return {};
  }
  std::error_code copied;
  std::filesystem::copy(folder.books_directory(), scratch, copied);
  if (copied) return StorageError{{copied.value(), boost::system::generic_category()}, file, 0, "copy"};
  auto actual = LmdbBooks::open(scratch, folder.journal.folder_id, LmdbBooks::Open::existing);
  if (!actual) return StorageError{actual.error().code, file, actual.error().offset, actual.error().what};
  auto live = BooksReplica::open(folder.map, folder.codec, **actual, file);
  if (!live) return live.error();
  if (auto done = live->replay(files, folder.journal); !done) return done.error();
  return compare_tables(*expected.snapshot(), *(*actual)->snapshot(), report);
}

struct ScratchDirectory {
  std::string path;
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

void VerifyReport::add(std::string finding) {
  ++findings_total;
  if (findings.size() < kMaxFindings) findings.push_back(std::move(finding));
}

StorageResult<VerifyReport> verify_data_folder(FileSystem& files, const VerifyOptions& options) {
  auto folder = OfflineFolder::open(files, options.data_dir);
  if (!folder) return folder.error();
  const auto& folder_id = folder->journal.folder_id;
  ScratchDirectory scratch{options.scratch_dir + "/recharge-verify-XXXXXX"};
  if (::mkdtemp(scratch.path.data()) == nullptr) {
    return StorageError{
        {errno, boost::system::generic_category()}, options.scratch_dir, 0, "temporary books"};
  }
  const auto base = read_base_seal(files, options.data_dir, folder_id);
  if (!base) return base.error();
  auto fresh =
      books_at_beginning(files, options.data_dir, folder_id, folder->codec, scratch.path + "/expected");
  if (!fresh) return fresh.error();
  auto expected = BooksReplica::open(folder->map, folder->codec, **fresh, "temporary books");
  if (!expected) return expected.error();
  VerifyReport report;
  report.decided = options.decide && (!*base || (*base)->digest);
  Sums sums;
  if (*base) {
    report.base = (*base)->position;
    auto begun = sums.begin_with(*(*fresh)->snapshot(), folder->codec, (*base)->digest.has_value(), report);
    if (!begun) return begun.error();
  }
  const auto visit = [&](const JournalRecord& record, Bytes bytes, const std::string& place,
                         ShardGroup& shards) {
    if (report.decided) decide_again(record, bytes, shards, place, report);
    sums.add(record, report);
  };
  auto replayed = expected->replay(files, folder->journal, std::nullopt, visit);
  if (!replayed) return replayed.error();
  report.groups = replayed->groups;
  report.records = replayed->records;
  report.torn_tail = replayed->torn_tail;
  report.end = replayed->end;
  report.orders = (*fresh)->rows(Table::orders);
  if (auto done = compare_sums(*expected, folder->codec, sums, report); !done) return done.error();

  if (auto done = compare_books(files, *folder, scratch.path + "/actual", **fresh, report); !done) {
    if (report.clean()) return done.error();
    report.add(done.error().to_text());
  }
  return report;
}

}  // namespace recharge
