// Purpose: the records of one shard. What changed since the last checkpoint is in memory; behind it what is
// frozen, on its way to the books; behind that the books. What was only read is not kept: the page cache does
// that. Owner: the thread of the shard. Lifetime: within its RecordCodec and BooksSnapshot. Errors:
// Errc::damaged where a row of the books fails its checksum.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "core/fact.h"
#include "core/records.h"
#include "storage/change_set.h"
#include "storage/stored_record.h"

namespace recharge {

class ShardRecords final : public RecordSource, public RecordSink {
 public:
  ShardRecords(std::uint8_t shard, const RecordCodec& codec, BooksSnapshot& books)
      : shard_(shard), codec_(codec), books_(&books), changed_(std::make_unique<ChangeSet>()) {}

  // Moves the shard to the thread that owns this snapshot.
  void rebind(BooksSnapshot& books) noexcept { books_ = &books; }

  // Reads the totals and the house accounts, which stay in memory. Once, before anything else.
  Result<void> load_resident();

  // A command begins: nothing has been read for it yet.
  void begin_command() noexcept { read_number_ = 0; }
  // The greatest number among the records read since: an outcome that shows them waits for it to be durable.
  std::uint64_t read_number() const noexcept { return read_number_; }
  // Facts applied from now on belong to the journal record of this number.
  void set_change_number(std::uint64_t number) noexcept { change_number_ = number; }

  // Finds what the fact will change, so that apply() cannot fail. Recovery calls it; decisions have gathered
  // it.
  Result<void> prepare(const Fact& fact);

  // The changed set becomes the frozen one. REQUIRES: nothing is frozen.
  std::shared_ptr<const ChangeSet> freeze();
  // The frozen set is in the books, as a snapshot acquired from now on shows them.
  void drop_frozen() noexcept { frozen_.reset(); }
  bool has_frozen() const noexcept { return frozen_ != nullptr; }
  bool has_changes() const noexcept { return changed_->last_number != 0 || changed_->records() != 0; }
  std::size_t bytes() const noexcept { return changed_->bytes() + (frozen_ ? frozen_->bytes() : 0); }
  std::size_t changed_bytes() const noexcept { return changed_->bytes(); }
  std::uint8_t shard() const noexcept { return shard_; }
  // Over all accounts of the shard, in minor units: zero at any moment.
  std::int64_t ledger_sum() const noexcept;

  // Newest first, those before `before` (nil: all), until visit() says false.
  Result<void> visit_exceptions(const ExceptionId& before,
                                const std::function<bool(const PaymentException&)>& visit);
  // Oldest first.
  Result<std::vector<Refund>> refunds_of(const OrderId& order_id);
  Result<std::vector<PaymentException>> exceptions_of(const OrderReference& reference);
  Result<std::vector<RechargeAttempt>> attempts_of(const OrderId& order_id);
  // All that is not ended, in the order of the keys.
  Result<std::vector<GatewayWorkKey>> open_gateway_work();
  const std::vector<HouseAccount>& house() const noexcept { return house_; }

  Result<const Order*> order(const OrderId& id) override;
  Result<const UserAccount*> account(const Account& account) override;
  Result<const Refund*> refund(const OrderId& order_id, const RefundId& refund_id) override;
  Result<const Debit*> debit(const Account& account, const DebitId& debit_id) override;
  Result<const Transfer*> transfer(const EntryId& id) override;
  Result<const IdempotencyRecord*> idempotency(const IdempotencyKey& key) override;
  Result<const PaymentException*> exception(const ExceptionId& id) override;
  Result<const PaymentException*> exception(const ExceptionKey& key) override;
  Result<const GatewayWork*> gateway_work(const GatewayWorkKey& key) override;
  Result<const RechargeAttempt*> attempt(const OrderId& order_id, std::uint16_t number) override;
  const ShardTotals& totals() override { return totals_; }
  Money house_balance(LedgerAccountKind kind, const GatewayName& gateway) override;

  Order& change_order(const OrderId& id) noexcept override;
  UserAccount& change_account(const Account& account) noexcept override;
  PaymentException& change_exception(const ExceptionId& id) noexcept override;
  Money& change_house_balance(LedgerAccountKind kind, const GatewayName& gateway) noexcept override;
  ShardTotals& change_totals() noexcept override;
  void put(const Order& order) noexcept override;
  void put(const Transfer& transfer) noexcept override;
  void put(const PaymentException& exception) noexcept override;
  void put(const Refund& refund) noexcept override;
  void put(const Debit& debit) noexcept override;
  void put(const IdempotencyRecord& record) noexcept override;
  void put(const GatewayWork& work) noexcept override;
  void put(const RechargeAttempt& attempt) noexcept override;
  void put(const NotifyAddress& address) noexcept override;

 private:
  // A record read from the books, or that there is none, until the next of its kind is read.
  template <class Key, class Record>
  struct Fetched {
    Key key{};
    Record record{};
    bool known = false;
    bool present = false;
  };
  template <class Key, class Record>
  Result<const Record*> fetch(Table table, const StoredKey& row_key, const Key& key,
                              Fetched<Key, Record>& fetched);

  void touch(std::uint64_t number) noexcept { read_number_ = number > read_number_ ? number : read_number_; }
  template <class Record>
  const Record* read(const Changed<Record>& entry) noexcept {
    touch(entry.number);
    return &entry.record;
  }
  void mark_changed() noexcept {
    if (change_number_ > changed_->last_number) changed_->last_number = change_number_;
  }
  template <class Table, class Key, class Record>
  Record& put_in(Table& table, const Key& key, const Record& record) noexcept;

  const std::uint8_t shard_;
  const RecordCodec& codec_;
  BooksSnapshot* books_;
  std::unique_ptr<ChangeSet> changed_;
  std::shared_ptr<const ChangeSet> frozen_;
  ShardTotals totals_;
  std::vector<HouseAccount> house_;
  std::uint64_t read_number_ = 0;
  std::uint64_t change_number_ = 0;

  Fetched<OrderId, Order> fetched_order_;
  Fetched<Account, UserAccount> fetched_account_;
  Fetched<RefundKey, Refund> fetched_refund_;
  Fetched<DebitKey, Debit> fetched_debit_;
  Fetched<EntryId, Transfer> fetched_transfer_;
  Fetched<IdempotencyKey, IdempotencyRecord> fetched_idempotency_;
  std::array<Fetched<GatewayWorkKey, GatewayWork>, 2> fetched_gateway_work_;  // a refund and its recharge
  std::size_t next_gateway_work_ = 0;
  Fetched<AttemptKey, RechargeAttempt> fetched_attempt_;
  std::array<Fetched<ExceptionId, PaymentException>, kExceptionKinds + 1> fetched_exceptions_;
  std::size_t next_exception_ = 0;
};

}  // namespace recharge
