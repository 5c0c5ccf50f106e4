// Orders, refunds and debits beyond the state table: what the records say, and what a repeat answers.
#include <gtest/gtest.h>

#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Code = OutcomeCode;

TEST(PlaceOrder, WritesWhatWasAsked) {
  Scenario s;
  auto command = s.place_command(1234, "alipay");
  command.subject = text<Subject>("100 minutes");
  EXPECT_EQ(s.execute(command), Code::order_placed);
  EXPECT_EQ(s.kinds(), "placed");
  const auto& order = s.order(s.id);
  EXPECT_EQ(order.account.view(), kUser);
  EXPECT_EQ(order.amount, cents(1234));
  EXPECT_EQ(order.gateway.view(), "alipay");
  EXPECT_EQ(order.subject.view(), "100 minutes");
  EXPECT_EQ(order.status, OrderStatus::pending);
  EXPECT_EQ(order.created_at(), kStart);
  EXPECT_EQ(order.expires_at.ms, kStart.ms + kExpireAfterMs);
  EXPECT_EQ(order.currency, kCny);
  EXPECT_TRUE(order.transaction_id.empty());
  EXPECT_TRUE(testing::same(std::get<Order>(s.outcome.shown), order));
  const auto first = s.id;
  s.place(1);
  EXPECT_EQ(s.order(s.id).previous, first);
}

PlaceOrder limited(Scenario& s, std::uint32_t max_pending, std::int64_t max_a_day,
                   std::int64_t amount = 5000) {
  auto command = s.place_command(amount);
  command.limits.max_pending = max_pending;
  command.limits.max_amount_a_day = cents(max_a_day);
  return command;
}

TEST(AccountLimits, CountOrdersThatWaitForTheirPayment) {
  Scenario s;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(s.execute(limited(s, 3, 0)), Code::order_placed);
  EXPECT_EQ(s.execute(limited(s, 3, 0)), Code::too_many_pending);
  EXPECT_TRUE(s.kinds().empty()) << "nothing was written";
  auto other = limited(s, 3, 0);
  other.account = text<Account>("13900000000");
  EXPECT_EQ(s.execute(other), Code::order_placed) << "another account has its own";
  EXPECT_EQ(s.execute(limited(s, 4, 0)), Code::order_placed);
  EXPECT_EQ(s.callback(), Code::recharge_succeeded);
  EXPECT_EQ(s.execute(limited(s, 4, 0)), Code::order_placed) << "one was paid";
  EXPECT_EQ(s.close(), Code::order_closed);
  EXPECT_EQ(s.execute(limited(s, 4, 0)), Code::order_placed) << "one was closed";
  EXPECT_EQ(s.execute(limited(s, 4, 0)), Code::too_many_pending);
  s.now.ms += kExpireAfterMs;
  EXPECT_EQ(s.execute(limited(s, 1, 0)), Code::too_many_pending) << "they wait to the end of their time";
  s.now.ms += 1;
  EXPECT_EQ(s.execute(limited(s, 1, 0)), Code::order_placed)
      << "all have expired, although nobody touched them";
}

TEST(AccountLimits, SumTheAmountsOfADay) {
  Scenario s;
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 10'001)), Code::day_amount_exceeded);
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 4000)), Code::order_placed);
  EXPECT_EQ(s.callback({.amount = 4000}), Code::recharge_succeeded);
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 6000)), Code::order_placed) << "up to the limit";
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 1)), Code::day_amount_exceeded);
  EXPECT_EQ(s.execute(limited(s, 1, 10'000, 1)), Code::too_many_pending) << "the first limit answers";
  EXPECT_EQ(s.execute(limited(s, 0, 0, 1'000'000)), Code::order_placed) << "no limit";
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 1)), Code::day_amount_exceeded);
  EXPECT_EQ(s.execute(limited(s, 0, 9'223'372'036'854'775'807, 1)), Code::order_placed);
  s.now.ms += kExpireAfterMs + 1;  // what was not paid counts no more
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 6000)), Code::order_placed);
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 1)), Code::day_amount_exceeded);
  s.now.ms += AccountLimits::kDayMs;
  EXPECT_EQ(s.execute(limited(s, 0, 10'000, 10'000)), Code::order_placed) << "a day later";
}

TEST(AccountLimits, LookAtNoMoreThanAThousand) {
  Scenario s;
  for (std::uint32_t i = 0; i < AccountLimits::kMaxExamined; ++i) s.place(1);
  EXPECT_EQ(s.execute(limited(s, 0, 1'000'000'000, 1)), Code::order_placed);
  EXPECT_EQ(s.execute(limited(s, 0, 1'000'000'000, 1)), Code::day_amount_exceeded);
  EXPECT_EQ(s.execute(limited(s, AccountLimits::kMaxExamined, 0, 1)), Code::too_many_pending);
}

TEST(AccountLimits, ARepeatWithItsKeyIsAnsweredAllTheSame) {
  Scenario s;
  auto command = limited(s, 1, 5000);
  command.idempotency_key = IdempotencyKey::make(kUser, "", "k");
  command.request_body = digest_of("body");
  command.idempotency_retention_ms = AccountLimits::kDayMs;
  EXPECT_EQ(s.execute(command), Code::order_placed);
  const OrderId first = s.id;
  command.order_id = s.fresh_order_id();
  EXPECT_EQ(s.execute(command), Code::order_replayed);
  EXPECT_EQ(std::get<Order>(s.outcome.shown).id, first);
}

// Bound to an account: orders of others do not exist.
TEST(OnlyAccount, OrdersOfOthersDoNotExist) {
  Scenario s;
  const Account mine = text<Account>(kUser), other = text<Account>("13900000000");
  s.place();
  const auto pay = [&](const Account& who) {
    return s.execute(
        SimulatePayment{s.id, text<GatewayName>(kSimulatedGateway), text<TransactionId>("sim"), true, who});
  };
  EXPECT_EQ(pay(other), Code::order_not_found);
  EXPECT_EQ(s.execute(CloseOrder{s.id, other}), Code::order_not_found);
  EXPECT_EQ(s.order(s.id).status, OrderStatus::pending);
  s.now.ms += kExpireAfterMs + 1;
  EXPECT_EQ(s.execute(CloseOrder{s.id, other}), Code::order_not_found);
  EXPECT_TRUE(s.kinds().empty()) << "not even its expiry";
  s.place();
  EXPECT_EQ(pay(mine), Code::payment_simulated);
  EXPECT_EQ(s.callback(), Code::recharge_succeeded);
  RequestRefund refund{s.id, text<RefundId>("r"), {}, true, other};
  EXPECT_EQ(s.execute(refund), Code::order_not_found);
  EXPECT_EQ(s.order(s.id).refunded, Money());
  refund.only_account = mine;
  EXPECT_EQ(s.execute(refund), Code::refund_settled);
}

class Idempotency : public ::testing::Test {
 protected:
  static constexpr std::int64_t kDay = 24 * 3600 * 1000;
  PlaceOrder keyed(std::string_view body, std::string_view key = "k") {
    auto command = s_.place_command();
    command.idempotency_key = IdempotencyKey::make(kUser, "", key);
    command.request_body = digest_of(body);
    command.idempotency_retention_ms = kDay;
    return command;
  }
  Scenario s_;
};

TEST_F(Idempotency, SameKeyAndBodyPlaceOneOrder) {
  const auto first = keyed("body");
  EXPECT_EQ(s_.execute(first), Code::order_placed);
  s_.pass(kDay - 1);
  EXPECT_EQ(s_.execute(keyed("body")), Code::order_replayed);
  EXPECT_EQ(s_.kinds(), "");
  EXPECT_EQ(std::get<Order>(s_.outcome.shown).id, first.order_id);
  EXPECT_EQ(s_.records.orders.size(), 1u);
}

TEST_F(Idempotency, AnotherBodyIsRefused) {
  s_.execute(keyed("body"));
  EXPECT_EQ(s_.execute(keyed("other body")), Code::idempotency_mismatch);
  EXPECT_EQ(s_.kinds(), "");
}

TEST_F(Idempotency, AnotherKeyIsAnotherOrder) {
  s_.execute(keyed("body"));
  EXPECT_EQ(s_.execute(keyed("body", "l")), Code::order_placed);
}

TEST_F(Idempotency, EndsWithItsRetention) {
  s_.execute(keyed("body"));
  s_.pass(kDay);
  EXPECT_EQ(s_.execute(keyed("other body")), Code::order_placed);
  EXPECT_EQ(s_.execute(keyed("other body")), Code::order_replayed) << "remembered anew";
}

TEST_F(Idempotency, KeysOfAccountsAndSubjectsDiffer) {
  EXPECT_NE(IdempotencyKey::make("a", "b", "c"), IdempotencyKey::make("ab", "", "c"));
  EXPECT_NE(IdempotencyKey::make("a", "", "k"), IdempotencyKey::make("b", "", "k"));
  EXPECT_EQ(IdempotencyKey::make("a", "s", "k"), IdempotencyKey::make("a", "s", "k"));
}

TEST(Credit, WritesThePaymentIntoTheOrder) {
  Scenario s;
  s.place();
  s.pay();
  EXPECT_EQ(s.order(s.id).transaction_id.view(), "sim_1");
  s.pass(1000);
  const Time paid_at{s.now.ms - 500};
  s.callback({.paid_at = paid_at});
  const auto& order = s.order(s.id);
  EXPECT_EQ(order.transaction_id.view(), "txn_1") << "the callback's takes the place of the simulated one";
  EXPECT_EQ(order.paid_at, paid_at);
  EXPECT_EQ(order.recharged_at, s.now);
  EXPECT_EQ(order.evidence, digest_of(Callback{}.evidence));
  EXPECT_EQ(order.evidence_key.view(), "key-1");
  EXPECT_EQ(order.evidence_at, s.now);
  const auto& entry = s.records.transfers.rbegin()->second;
  EXPECT_EQ(entry.kind, TransferKind::recharge);
  EXPECT_EQ(entry.order_id, s.id);
  EXPECT_EQ(entry.signed_amount(), cents(5000));
  EXPECT_EQ(entry.balance_after(), cents(5000));
  EXPECT_EQ(entry.currency, kCny);
}

TEST(Pay, AgainAnswersTheCurrentTransaction) {
  Scenario s;
  s.place();
  s.pay(true, "sim_1");
  EXPECT_EQ(s.pay(true, "sim_2"), Code::payment_simulated);
  EXPECT_EQ(std::get<Order>(s.outcome.shown).transaction_id.view(), "sim_1");
  s.callback();
  s.pay(true, "sim_3");
  EXPECT_EQ(std::get<Order>(s.outcome.shown).transaction_id.view(), "txn_1");
}

TEST(Pay, AfterTheTimeIsRefusedAndExpires) {
  Scenario s;
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.pay(), Code::invalid_state);
  EXPECT_EQ(s.status(), OrderStatus::expired);
  EXPECT_EQ(s.order(s.id).ended_at, s.order(s.id).expires_at);
}

TEST(UnknownOrders, AreNotFound) {
  Scenario s;
  s.id = s.fresh_order_id();
  EXPECT_EQ(s.pay(), Code::order_not_found);
  EXPECT_EQ(s.close(), Code::order_not_found);
  EXPECT_EQ(s.expire(), Code::order_not_found);
  EXPECT_EQ(s.refund("r"), Code::order_not_found);
  EXPECT_EQ(s.settle("r", true), Code::order_not_found);
  EXPECT_EQ(s.kinds(), "");
}

class Refunds : public ::testing::Test {
 protected:
  Refunds() {
    s_.place();
    s_.callback();
  }
  const Refund& record(std::string_view id) { return s_.records.refunds.at({s_.id, text<RefundId>(id)}); }
  Scenario s_;
};

TEST_F(Refunds, AreReservedThenSettled) {
  EXPECT_EQ(s_.refund("r_1", 2000, false), Code::refund_requested);
  EXPECT_EQ(s_.units(), 3000);
  EXPECT_EQ(s_.in_transit(), 2000);
  EXPECT_EQ(s_.status(), OrderStatus::recharged);
  EXPECT_EQ(record("r_1").status, RefundStatus::pending);
  EXPECT_EQ(s_.settle("r_1", true), Code::refund_settled);
  EXPECT_EQ(s_.status(), OrderStatus::partially_refunded);
  EXPECT_EQ(s_.in_transit(), 0);
  EXPECT_EQ(s_.clearing(), -3000);
  EXPECT_EQ(record("r_1").status, RefundStatus::succeeded);
  EXPECT_EQ(record("r_1").settled_at, s_.now);
}

TEST_F(Refunds, ThatFailGoBackToTheUser) {
  s_.refund("r_1", {}, false);
  EXPECT_EQ(s_.refund("r_2", 1), Code::refund_exceeds_payment) << "what is reserved is not there";
  EXPECT_EQ(s_.settle("r_1", false), Code::refund_settled);
  EXPECT_EQ(s_.units(), 5000);
  EXPECT_EQ(s_.status(), OrderStatus::recharged);
  EXPECT_EQ(record("r_1").status, RefundStatus::failed);
  EXPECT_EQ(s_.refund("r_2"), Code::refund_settled);
  EXPECT_EQ(s_.status(), OrderStatus::refunded);
}

TEST_F(Refunds, AreSettledOnce) {
  s_.refund("r_1", 2000, false);
  s_.settle("r_1", true);
  for (bool succeeded : {true, false}) {
    EXPECT_EQ(s_.settle("r_1", succeeded), Code::refund_settled);
    EXPECT_EQ(s_.kinds(), "");
    EXPECT_EQ(std::get<RefundAndOrder>(s_.outcome.shown).refund.status, RefundStatus::succeeded);
  }
  EXPECT_EQ(s_.settle("r_2", true), Code::refund_not_found);
}

TEST_F(Refunds, AgainAnswerTheSame) {
  s_.refund("r_1", 2000);
  EXPECT_EQ(s_.refund("r_1", 2000), Code::refund_requested);
  EXPECT_EQ(std::get<RefundAndOrder>(s_.outcome.shown).refund.amount, cents(2000));
  EXPECT_EQ(s_.refund("r_1", 1999), Code::idempotency_mismatch);
  EXPECT_EQ(s_.kinds(), "");
  EXPECT_EQ(s_.refund("r_2"), Code::refund_settled) << "no amount: the rest";
  EXPECT_EQ(record("r_2").amount, cents(3000));
  EXPECT_EQ(s_.refund("r_2"), Code::refund_requested);
  EXPECT_EQ(s_.units(), 0);
}

TEST_F(Refunds, HaveTheirIdsFromTheirOrder) {
  s_.refund("r_1");
  s_.place();
  s_.callback({.transaction = "txn_2"});
  EXPECT_EQ(s_.refund("r_1"), Code::refund_settled);
}

TEST_F(Refunds, NeverExceedThePayment) {
  s_.place();
  s_.callback({.transaction = "txn_2"});  // a balance of 100.00
  s_.refund("r_1", 4999);
  EXPECT_EQ(s_.refund("r_2", 2), Code::refund_exceeds_payment);
  EXPECT_EQ(s_.refund("r_2", 1), Code::refund_settled);
  EXPECT_EQ(s_.status(), OrderStatus::refunded);
}

TEST_F(Refunds, ExceedThePaymentBeforeTheBalance) {
  s_.spend("d_1", 4000);
  EXPECT_EQ(s_.refund("r_1", 5001), Code::refund_exceeds_payment);
  EXPECT_EQ(s_.refund("r_1", 1001), Code::insufficient_balance);
  EXPECT_EQ(s_.refund("r_1", 1000), Code::refund_settled);
}

TEST_F(Refunds, DoNotReturnBeyondTheBalanceLimit) {
  s_.refund("r_1", {}, false);
  s_.place(kMaxBalance.minor_units());
  s_.callback({.transaction = "txn_2", .amount = kMaxBalance.minor_units()});
  s_.id = s_.records.orders.begin()->first;
  EXPECT_EQ(s_.settle("r_1", false), Code::balance_limit);
  EXPECT_EQ(s_.kinds(), "");
  EXPECT_EQ(record("r_1").status, RefundStatus::pending);
}

TEST(Debits, SpendTheBalanceOnce) {
  Scenario s;
  EXPECT_EQ(s.spend("d_1", 1), Code::insufficient_balance) << "no account yet";
  s.place();
  s.callback();
  EXPECT_EQ(s.spend("d_1", 5001), Code::insufficient_balance);
  EXPECT_EQ(s.kinds(), "");
  EXPECT_EQ(s.spend("d_1", 4000, "call"), Code::balance_spent);
  EXPECT_EQ(s.kinds(), "transfer debit");
  const auto entry = std::get<Transfer>(s.outcome.shown);
  EXPECT_EQ(entry.signed_amount(), cents(-4000));
  EXPECT_EQ(entry.balance_after(), cents(1000));
  EXPECT_EQ(s.house(LedgerAccountKind::spending, ""), cents(4000));
  EXPECT_EQ(s.spend("d_1", 4000, "call"), Code::balance_spent);
  EXPECT_EQ(s.kinds(), "");
  EXPECT_TRUE(testing::same(std::get<Transfer>(s.outcome.shown), entry));
  EXPECT_EQ(s.spend("d_1", 4001, "call"), Code::idempotency_mismatch);
  EXPECT_EQ(s.spend("d_1", 4000, "text"), Code::idempotency_mismatch);
  EXPECT_EQ(s.spend("d_2", 1000), Code::balance_spent);
  EXPECT_EQ(s.units(), 0);
}

TEST(Debits, HaveTheirIdsFromTheirAccount) {
  Scenario s;
  for (std::string_view account : {"13800000001", "13800000002"}) {
    s.place(5000, {}, account);
    s.callback();
    EXPECT_EQ(s.spend("d_1", 5000, {}, account), Code::balance_spent);
  }
}

}  // namespace
}  // namespace recharge::testing
