// Purpose: everything that a shard can be asked to do. A command carries the ids, times and settings that its
// decision needs, so that the same command on the same records always ends the same way.
// Lifetime: values; string_views point into the buffer of whoever made the command, and outlive its
// execution.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "core/gateway_work.h"
#include "core/idempotency.h"
#include "core/ledger.h"
#include "core/notify_url.h"
#include "core/order.h"
#include "core/payment_exception.h"
#include "core/recharge_attempt.h"

namespace recharge {

// Members `only_account` are of whoever asks: where one is set, orders of all other accounts do not exist for
// the command. They are not stored, for what was refused by them has left nothing.
// What one account may place; zero: no limit. Judged by the account's own orders, newest first, of which no
// more than kMaxExamined are looked at: who has placed more in the time that counts, is over any limit. Not
// stored with the command, for an order that was placed has passed them.
struct AccountLimits {
  static constexpr std::uint32_t kMaxExamined = 1000;
  static constexpr std::int64_t kDayMs = 86'400'000;

  std::uint32_t max_pending = 0;
  Money max_amount_a_day;  // of the orders of the last 24 hours that were not closed, failed or expired

  bool empty() const noexcept { return max_pending == 0 && max_amount_a_day == Money(); }
};

struct PlaceOrder {
  OrderId order_id;  // fresh; its shard is the account's
  Account account;
  Money amount;  // already checked against the limits
  GatewayName gateway;
  Subject subject;
  Currency currency;
  std::uint32_t merchant = 0;
  std::int64_t expire_after_ms = 0;
  IdempotencyKey idempotency_key;  // nil: the request had none
  Digest request_body{};           // set with the key
  std::int64_t idempotency_retention_ms = 0;
  AccountLimits limits = {};
  std::string_view notify_url = {};  // at most NotifyUrl::kCapacity bytes; empty: nobody is told by itself
};

// The simulated gateway's payment: approves or declines at once.
struct SimulatePayment {
  OrderId order_id;
  GatewayName gateway;           // "simulated"
  TransactionId transaction_id;  // fresh
  bool approved = true;
  Account only_account = {};
};

// What becomes of a payment that does not fit its order.
enum class PaymentPolicy : std::uint8_t { review = 0, credit = 1, refund = 2 };

struct PaymentPolicies {
  PaymentPolicy late = PaymentPolicy::review;
  PaymentPolicy duplicate = PaymentPolicy::review;
  PaymentPolicy over = PaymentPolicy::review;   // more than the order's amount
  PaymentPolicy under = PaymentPolicy::review;  // less
  friend bool operator==(const PaymentPolicies&, const PaymentPolicies&) noexcept = default;
};

// A callback whose signature was verified, or a verified answer of a gateway.
struct ReportPayment {
  OrderReference reference;  // the order id as sent
  OrderId order_id;          // nil where the reference is not the form of an id
  GatewayName gateway;
  TransactionId transaction_id;
  Money amount;
  bool success = true;
  std::optional<Time> sent_at;    // signed time of this sending; none: not checked
  std::int64_t tolerance_ms = 0;  // zero switches the check off
  std::optional<Time> paid_at;    // signed payment time; none: the time of arrival decides
  PaymentPolicies policies;
  Fulfilment fulfilment = Fulfilment::wallet;  // who recharges
  ExceptionId exception_id;                    // fresh, with the shard that the order id or reference names
  Currency currency;
  std::uint32_t merchant = 0;
  SignatureScheme scheme = SignatureScheme::fields;
  KeyId key_id;
  std::string_view evidence;          // the body as received; its digest is taken where it is kept
  std::string_view evidence_headers;  // webhook-id, webhook-timestamp, webhook-signature; one a line
};

// The same order has one reference, whichever form of its id was sent.
ExceptionKey exception_key(const ReportPayment& payment, ExceptionKind kind);

struct CloseOrder {
  OrderId order_id;
  Account only_account = {};
};

struct ExpireOrder {
  OrderId order_id;
};

struct RequestRefund {
  OrderId order_id;
  RefundId refund_id;
  std::optional<Money> amount;  // none: the rest
  bool settle_now = true;       // where its gateway needs no call for it
  Account only_account = {};
};

struct SettleRefund {
  OrderId order_id;
  RefundId refund_id;
  bool succeeded = true;
};

struct SpendBalance {
  Account account;
  DebitId debit_id;
  Money amount;
  Memo memo;
  Currency currency;
  std::uint32_t merchant = 0;
  std::uint8_t shard = 0;  // the account's
};

struct ResolveException {
  ExceptionId exception_id;
  ExceptionAction action = ExceptionAction::dismiss;  // credit, refund or dismiss
  Note note;
};

// A payment is about to be started at a gateway: the order is bound to it.
struct StartPayment {
  OrderId order_id;
  GatewayName gateway;  // empty: the one that the order is bound to
  PayMethod method = PayMethod::qr;
  Account only_account = {};
};

// What the gateway answered to it.
struct NotePaymentStart {
  OrderId order_id;
  PayMethod method = PayMethod::qr;
  PayText pay_text;
  Time pay_text_until;
  TransactionId gateway_id;
};

// Nothing more can come of it at the gateway.
struct EndPayment {
  OrderId order_id;
  PayMethod method = PayMethod::qr;
};

// The refund of a payment that was kept was carried out, or refused for good.
struct SettleExceptionRefund {
  ExceptionId exception_id;
  bool succeeded = true;
};

// A supplier is about to be asked for the recharge of an order: from here on it may have done it.
struct BeginAttempt {
  OrderId order_id;
  std::uint16_t number = 0;  // the next
  SupplierName supplier;
};

// A call of it had no answer that settles it.
struct NoteAttempt {
  OrderId order_id;
  std::uint16_t number = 0;
  AttemptReason reason;
};

// What became of it, by a verified answer; or it was never sent.
struct EndAttempt {
  OrderId order_id;
  std::uint16_t number = 0;
  AttemptState state = AttemptState::succeeded;  // not begun
  TransactionId reference;
  AttemptReason reason;
};

// Nobody can recharge the order: its payment goes back to the payer.
struct FailRecharge {
  OrderId order_id;
};

// Reads. What they show is durable before they are answered; an overdue order that they touch is expired
// first.
struct ReadOrder {
  OrderId order_id;
  Account only_account = {};
};
struct ExplainOrder {
  OrderId order_id;
  Account only_account = {};
};
struct ReadGatewayWork {
  GatewayWorkKey key;
};
// Over all shards: recharges and refunds that are not ended, in the order of their keys.
struct ListGatewayWork {
  unsigned limit = 20;
  GatewayWorkKey after;  // the cursor: only those behind it
};
struct ReadBalance {
  Account account;
};
struct ListOrders {
  Account account;
  std::optional<OrderStatus> status;
  unsigned limit = 20;
  OrderId from;  // the cursor: the first to examine; nil: the newest
};
struct ListEntries {
  Account account;
  unsigned limit = 20;
  EntryId from;  // the cursor; nil: the newest
};
// Over all shards.
struct ListExceptions {
  bool only_open = false;
  unsigned limit = 20;
  ExceptionId before;  // the cursor: only those placed before it; nil: the newest
};

// Changes come first: their index is stored in the journal and never changes.
using Command = std::variant<PlaceOrder, SimulatePayment, ReportPayment, CloseOrder, ExpireOrder,
                             RequestRefund, SettleRefund, SpendBalance, ResolveException, StartPayment,
                             NotePaymentStart, EndPayment, SettleExceptionRefund, BeginAttempt, NoteAttempt,
                             EndAttempt, FailRecharge, ReadOrder, ExplainOrder, ReadBalance, ListOrders,
                             ListEntries, ListExceptions, ReadGatewayWork, ListGatewayWork>;
constexpr std::size_t kChangeCommands = 17;

constexpr bool is_change(const Command& command) noexcept { return command.index() < kChangeCommands; }

}  // namespace recharge
