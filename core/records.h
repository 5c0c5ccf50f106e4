// Purpose: the seam between the rules and where records are kept: RecordSource finds what a command needs,
// RecordSink takes what facts change. Owner: the thread of the shard.
// Lifetime: what a source returns stays valid until the next command begins or a fact is applied.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/command.h"
#include "core/error.h"
#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

// Null: there is none. An error: it is there and cannot be read (Errc::damaged).
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  virtual Result<const Order*> order(const OrderId& id) = 0;
  virtual Result<const UserAccount*> account(const Account& account) = 0;
  virtual Result<const Refund*> refund(const OrderId& order_id, const RefundId& refund_id) = 0;
  virtual Result<const Debit*> debit(const Account& account, const DebitId& debit_id) = 0;
  virtual Result<const Transfer*> transfer(const EntryId& id) = 0;
  virtual Result<const IdempotencyRecord*> idempotency(const IdempotencyKey& key) = 0;
  virtual Result<const PaymentException*> exception(const ExceptionId& id) = 0;
  virtual Result<const PaymentException*> exception(const ExceptionKey& key) = 0;
  virtual Result<const GatewayWork*> gateway_work(const GatewayWorkKey& key) = 0;
  virtual Result<const RechargeAttempt*> attempt(const OrderId& order_id, std::uint16_t number) = 0;
  virtual const ShardTotals& totals() = 0;
  virtual Money house_balance(LedgerAccountKind kind, const GatewayName& gateway) = 0;
};

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // The record to be changed in place. REQUIRES: it exists, but for accounts, which are made with a zero
  // balance.
  virtual Order& change_order(const OrderId& id) noexcept = 0;
  virtual UserAccount& change_account(const Account& account) noexcept = 0;
  virtual PaymentException& change_exception(const ExceptionId& id) noexcept = 0;
  virtual Money& change_house_balance(LedgerAccountKind kind, const GatewayName& gateway) noexcept = 0;
  virtual ShardTotals& change_totals() noexcept = 0;
  virtual void put(const Order& order) noexcept = 0;
  virtual void put(const Transfer& transfer) noexcept = 0;
  virtual void put(const PaymentException& exception) noexcept = 0;
  virtual void put(const Refund& refund) noexcept = 0;
  virtual void put(const Debit& debit) noexcept = 0;
  virtual void put(const IdempotencyRecord& record) noexcept = 0;
  virtual void put(const GatewayWork& work) noexcept = 0;  // ended: there is none from now on
  virtual void put(const RechargeAttempt& attempt) noexcept = 0;
  virtual void put(const NotifyAddress& address) noexcept = 0;
};

// What an account has placed lately, as far as its limits ask for it.
struct PlacedLately {
  std::uint32_t pending = 0;
  Money amount;           // within a day, of orders that still count
  bool too_many = false;  // to look at them all
};

// What one command is decided on. Null: no such record, or the command does not need it.
struct Records {
  const Order* order = nullptr;
  const UserAccount* account = nullptr;
  const Refund* refund = nullptr;
  const Debit* debit = nullptr;
  const Transfer* entry = nullptr;
  const IdempotencyRecord* idempotency = nullptr;
  const PaymentException* exception = nullptr;                  // the one that the command names
  std::array<const PaymentException*, kExceptionKinds> kept{};  // of the reported payment, by kind
  const GatewayWork* work = nullptr;
  const GatewayWork* recharge = nullptr;     // open, of an order that is held
  const RechargeAttempt* attempt = nullptr;  // the one that the command names; else the order's latest
  PlacedLately placed_lately;                // where the command has limits
};

// Finds the records that a change needs, in key order: the order, then its account, then what hangs on them.
Result<Records> gather(const Command& command, RecordSource& source);

}  // namespace recharge
