// Purpose: double entry: accounts, and transfers that each move one amount from one account to another.
// A balance is what was credited less what was debited; the sum over all accounts is zero at any moment.
// Lifetime: trivially copyable records, owned by one shard: every transfer stays inside a shard.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/currency.h"
#include "core/money.h"
#include "core/names.h"
#include "core/order.h"
#include "core/time.h"

namespace recharge {

// Stored as a byte: the values never change.
enum class LedgerAccountKind : std::uint8_t {
  user = 0,        // credit that a user can spend
  clearing = 1,    // per gateway: what it has collected for us, negative by as much
  suspense = 2,    // per gateway: verified payments that nobody was credited for yet
  in_transit = 3,  // per gateway: refunds taken from a balance and not yet settled
  spending = 4,    // what users spent by debits
  fulfilment = 5,  // per gateway: verified payments whose recharge a supplier is to perform
  supplied = 6,    // per supplier: what it has recharged
};
constexpr std::size_t kLedgerAccountKinds = 7;
constexpr LedgerAccountKind kLastLedgerAccountKind = LedgerAccountKind::supplied;
std::string_view to_text(LedgerAccountKind kind) noexcept;

// A user's account by its name, or a house account by its gateway (empty for spending) or supplier.
struct LedgerAccount {
  LedgerAccountKind kind = LedgerAccountKind::user;
  Account user;
  GatewayName gateway;

  static LedgerAccount of_user(const Account& account) noexcept;
  static LedgerAccount of_house(LedgerAccountKind kind, const GatewayName& gateway) noexcept;
  friend bool operator==(const LedgerAccount&, const LedgerAccount&) noexcept = default;
};

// Time-ordered id of a transfer: milliseconds (48 bits), shard (8), the shard's sequence (40), big-endian.
struct EntryId {
  std::array<std::uint8_t, 12> bytes{};

  static EntryId make(Time time, std::uint8_t shard, std::uint64_t sequence) noexcept;
  static Result<EntryId> parse(std::string_view hex) noexcept;  // 24 hex digits, lower case
  std::string to_text() const;
  Time time() const noexcept;
  std::uint8_t shard() const noexcept { return bytes[6]; }
  bool is_nil() const noexcept { return bytes == std::array<std::uint8_t, 12>{}; }
  friend auto operator<=>(const EntryId&, const EntryId&) noexcept = default;
};

// Stored as a byte: the values never change.
enum class TransferKind : std::uint8_t {
  recharge = 0,             // clearing -> user
  refund_reserved = 1,      // user -> in transit
  refund_settled = 2,       // in transit -> clearing
  refund_released = 3,      // in transit -> user: the refund failed
  debit = 4,                // user -> spending
  payment_kept = 5,         // clearing -> suspense: an exception was opened
  exception_credited = 6,   // suspense -> user
  exception_returned = 7,   // suspense -> in transit: the payment goes back to the payer
  exception_dismissed = 8,  // suspense -> clearing: booked back
  payment_held = 9,         // clearing -> fulfilment: a supplier is to recharge
  supplied = 10,            // fulfilment -> supplied: it did
  recharge_failed = 11,     // fulfilment -> in transit: nobody can; the payment goes back to the payer
  refund_refused = 12,      // in transit -> fulfilment: the gateway refused that
};
constexpr TransferKind kLastTransferKind = TransferKind::refund_refused;
std::string_view to_text(TransferKind kind) noexcept;

struct Transfer {
  EntryId id;
  TransferKind kind = TransferKind::recharge;
  LedgerAccount debit;
  LedgerAccount credit;
  Money amount;  // more than zero
  Money debit_balance_after;
  Money credit_balance_after;
  OrderId order_id;              // nil: none, as for a debit
  TransactionId transaction_id;  // empty: the order's
  EntryId previous;              // the user's entry before this one; nil: the first, or no user is touched
  Currency currency;
  std::uint32_t merchant = 0;

  // The user's side, or null where the transfer moves between house accounts.
  const Account* user() const noexcept;
  Money signed_amount() const noexcept;  // as the user sees it. REQUIRES: user()
  Money balance_after() const noexcept;  // the user's. REQUIRES: user()
};

struct UserAccount {
  Account account;
  Money balance;
  OrderId newest_order;
  EntryId newest_entry;
  Currency currency;
  std::uint32_t merchant = 0;
};

struct HouseAccount {
  LedgerAccountKind kind = LedgerAccountKind::clearing;
  GatewayName gateway;
  Money balance;
};

struct Debit {
  Account account;
  DebitId debit_id;  // unique within its account
  Money amount;
  Memo memo;
  EntryId entry_id;
};

// What a shard counts; each fact carries the new values.
struct ShardTotals {
  std::array<std::uint64_t, kOrderStatuses> orders{};
  std::array<std::uint64_t, 7> open_exceptions{};
  std::uint64_t transfers = 0;  // the sequence of the newest
  Money users;                  // the sum of all users' balances
};

}  // namespace recharge
