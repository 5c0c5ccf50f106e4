// Purpose: the words of the tests of the rules: one account, its orders, and what happens to them, each a
// command with the values that nearly every test wants. Owner: one test.
#pragma once

#include <gtest/gtest.h>

#include "tests/core/rule_driver.h"

namespace recharge::testing {

constexpr std::string_view kUser = "13812345678";

// A callback; what a test does not set is as it should be.
struct Callback {
  std::string_view transaction = "txn_1";
  std::int64_t amount = 5000;
  std::string_view gateway = "native";
  bool success = true;
  std::int64_t sent_ago_ms = 0;  // how old the signature is on arrival
  std::optional<Time> paid_at = {};
  PaymentPolicy late = PaymentPolicy::review;
  Fulfilment fulfilment = Fulfilment::wallet;
  std::string_view evidence = R"({"order_id":"…","status":"success"})";
};

class Scenario : public RuleDriver {
 public:
  OrderId id;  // of the order placed last

  Scenario() = default;
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  ~Scenario() { EXPECT_TRUE(broken.empty()) << joined(broken) << shown(records); }

  OutcomeCode place(std::int64_t amount = 5000, std::string_view gateway = {},
                    std::string_view account = kUser) {
    return execute(place_command(amount, gateway, account));
  }
  PlaceOrder place_command(std::int64_t amount = 5000, std::string_view gateway = {},
                           std::string_view account = kUser) {
    PlaceOrder command;
    command.order_id = id = fresh_order_id();
    command.account = text<Account>(account);
    command.amount = cents(amount);
    command.gateway = text<GatewayName>(gateway);
    command.currency = kCny;
    command.expire_after_ms = kExpireAfterMs;
    return command;
  }

  OutcomeCode pay(bool approved = true, std::string_view transaction = "sim_1") {
    return execute(SimulatePayment{id, text<GatewayName>(kSimulatedGateway), text<TransactionId>(transaction),
                                   approved});
  }

  ReportPayment report(const Callback& callback) {
    ReportPayment command;
    command.order_id = id;
    if (!id.is_nil()) command.reference = text<OrderReference>(id.to_text());
    command.gateway = text<GatewayName>(callback.gateway);
    command.transaction_id = text<TransactionId>(callback.transaction);
    command.amount = cents(callback.amount);
    command.success = callback.success;
    command.sent_at = Time{now.ms - callback.sent_ago_ms};
    command.tolerance_ms = kToleranceMs;
    command.paid_at = callback.paid_at;
    command.policies.late = callback.late;
    command.fulfilment = callback.fulfilment;
    command.exception_id = fresh_exception_id();
    command.currency = kCny;
    command.key_id = text<KeyId>("key-1");
    command.evidence = callback.evidence;
    return command;
  }
  OutcomeCode callback(const Callback& values = {}) { return execute(report(values)); }
  OutcomeCode fail(std::string_view transaction = "txn_1") {
    return callback({.transaction = transaction, .success = false});
  }

  OutcomeCode close() { return execute(CloseOrder{id}); }
  OutcomeCode expire() { return execute(ExpireOrder{id}); }
  OutcomeCode refund(std::string_view refund_id, std::optional<std::int64_t> amount = {},
                     bool settle_now = true) {
    RequestRefund command{id, text<RefundId>(refund_id), {}, settle_now};
    if (amount) command.amount = cents(*amount);
    return execute(command);
  }
  OutcomeCode settle(std::string_view refund_id, bool succeeded) {
    return execute(SettleRefund{id, text<RefundId>(refund_id), succeeded});
  }
  OutcomeCode begin_attempt(std::uint16_t number, std::string_view supplier) {
    return execute(BeginAttempt{id, number, text<SupplierName>(supplier)});
  }
  OutcomeCode note_attempt(std::uint16_t number) {
    return execute(NoteAttempt{id, number, text<AttemptReason>("no answer")});
  }
  OutcomeCode end_attempt(std::uint16_t number, AttemptState state) {
    return execute(EndAttempt{id, number, state, text<TransactionId>("ref-1"), {}});
  }
  OutcomeCode fail_recharge() { return execute(FailRecharge{id}); }
  OutcomeCode spend(std::string_view debit_id, std::int64_t amount, std::string_view memo = {},
                    std::string_view account = kUser) {
    SpendBalance command;
    command.account = text<Account>(account);
    command.debit_id = text<DebitId>(debit_id);
    command.amount = cents(amount);
    command.memo = text<Memo>(memo);
    command.currency = kCny;
    command.shard = kShard;
    return execute(command);
  }
  OutcomeCode resolve(const ExceptionId& exception, ExceptionAction action) {
    return execute(ResolveException{exception, action, text<Note>("checked by hand")});
  }

  void pass(std::int64_t ms) { now.ms += ms; }
  // The first moment at which the order is too late.
  void pass_expiry() { now = Time{order(id).expires_at.ms + 1}; }

  OrderStatus status() const { return order(id).status; }
  std::int64_t units(std::string_view account = kUser) const { return balance(account).minor_units(); }
  std::int64_t clearing(std::string_view gateway = "native") {
    return house(LedgerAccountKind::clearing, gateway).minor_units();
  }
  std::int64_t suspense(std::string_view gateway = "native") {
    return house(LedgerAccountKind::suspense, gateway).minor_units();
  }
  std::int64_t in_transit(std::string_view gateway = "native") {
    return house(LedgerAccountKind::in_transit, gateway).minor_units();
  }
  // The exception placed last.
  const PaymentException& newest_exception() const { return records.exceptions.rbegin()->second; }
  std::string kinds() const { return kinds_of(facts); }

  static std::string joined(const std::vector<std::string>& lines) {
    std::string all;
    for (const auto& line : lines) all += line + '\n';
    return all;
  }
};

}  // namespace recharge::testing
