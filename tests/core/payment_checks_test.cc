// Reported payments: which check answers first, where time begins and ends, and that one payment's money is
// never in two places, whatever reasons its repeats come with.
#include <gtest/gtest.h>

#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Code = OutcomeCode;
using Kind = ExceptionKind;
using Action = ExceptionAction;

constexpr std::int64_t kStale = kToleranceMs + 1000;
const Callback kEverythingWrong{.amount = 1, .gateway = "other", .sent_ago_ms = kStale};

TEST(Precedence, StaleComesBeforeUnknown) {
  Scenario s;
  s.id = s.fresh_order_id();
  EXPECT_EQ(s.callback(kEverythingWrong), Code::stale_signature);
  EXPECT_EQ(s.newest_exception().kind, Kind::stale_callback);
  EXPECT_EQ(s.newest_exception().reference.view(), s.id.to_text());
  EXPECT_TRUE(s.newest_exception().order_id.is_nil());
  EXPECT_EQ(s.resolve(s.newest_exception().id, Action::credit), Code::not_creditable);
}

TEST(Precedence, StaleComesBeforeGatewayAmountAndState) {
  Scenario s;
  s.place(5000, "native");
  s.close();
  EXPECT_EQ(s.callback(kEverythingWrong), Code::stale_signature);
  EXPECT_EQ(s.newest_exception().kind, Kind::stale_callback);
}

TEST(Precedence, GatewayComesBeforeAmountAndState) {
  Scenario s;
  s.place(5000, "native");
  s.close();
  EXPECT_EQ(s.callback({.amount = 1, .gateway = "other"}), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::gateway_mismatch);
}

TEST(Precedence, AmountComesBeforeState) {
  for (const bool credited : {false, true}) {
    Scenario s;
    s.place();
    if (credited) {
      s.callback();
    } else {
      s.close();
    }
    EXPECT_EQ(s.callback({.transaction = "txn_2", .amount = 1}), Code::kept_for_review);
    EXPECT_EQ(s.outcome.exception_kind, Kind::amount_mismatch);
  }
}

TEST(Precedence, AmountOfAnotherCurrencyIsAnotherAmount) {
  Scenario s;
  s.place();
  auto report = s.report({});
  report.currency = Currency{840};
  EXPECT_EQ(s.execute(report), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::amount_mismatch);
}

TEST(Staleness, OfACreditedOrderIsNotAsked) {
  Scenario s;
  s.place();
  s.callback();
  EXPECT_EQ(s.callback({.sent_ago_ms = kStale}), Code::already_processed);
  EXPECT_EQ(s.callback({.success = false, .sent_ago_ms = kStale}), Code::already_processed);
  s.refund("r_1");
  EXPECT_EQ(s.callback({.sent_ago_ms = kStale}), Code::already_processed);
}

TEST(Staleness, BeginsBeyondTheTolerance) {
  for (const std::int64_t sign : {-1, 1}) {
    Scenario s;
    s.place();
    EXPECT_EQ(s.callback({.sent_ago_ms = sign * (kToleranceMs + 1000)}), Code::stale_signature);
    EXPECT_EQ(s.callback({.sent_ago_ms = sign * kToleranceMs}), Code::recharge_succeeded);
  }
}

TEST(Staleness, IsNotAskedWithoutToleranceOrTime) {
  Scenario s;
  s.place();
  auto report = s.report({.sent_ago_ms = kStale});
  report.tolerance_ms = 0;
  EXPECT_EQ(s.execute(report), Code::recharge_succeeded);
  s.place();
  report = s.report({});
  report.sent_at.reset();
  EXPECT_EQ(s.execute(report), Code::recharge_succeeded);
}

TEST(Staleness, OfAnUnknownOrderGivesWayToTheFreshReport) {
  Scenario s;
  s.id = s.fresh_order_id();
  s.callback({.sent_ago_ms = kStale});
  EXPECT_EQ(s.callback(), Code::order_not_found);
  EXPECT_EQ(s.newest_exception().kind, Kind::unknown_order);
  EXPECT_EQ(s.suspense(), 5000);
}

TEST(UnknownOrder, KeepsAReferenceThatIsNoId) {
  Scenario s;
  auto report = s.report({});
  report.reference = text<OrderReference>("ORDER 66");
  EXPECT_EQ(s.execute(report), Code::order_not_found);
  EXPECT_EQ(s.newest_exception().reference.view(), "ORDER 66");
  report.exception_id = s.fresh_exception_id();
  EXPECT_EQ(s.execute(report), Code::order_not_found);
  EXPECT_EQ(s.records.exceptions.size(), 1u);
}

TEST(UnknownOrder, IsTheSameInBothFormsOfItsId) {
  Scenario s;
  s.id = s.fresh_order_id();
  auto report = s.report({});
  report.reference = text<OrderReference>(s.id.to_hex());
  s.execute(report);
  EXPECT_EQ(s.callback(), Code::order_not_found);
  EXPECT_EQ(s.records.exceptions.size(), 1u);
}

TEST(Failure, OfAnUnknownOrderIsNotKept) {
  Scenario s;
  s.id = s.fresh_order_id();
  EXPECT_EQ(s.fail(), Code::order_not_found);
  EXPECT_EQ(s.callback({.success = false, .sent_ago_ms = kStale}), Code::stale_signature);
  EXPECT_TRUE(s.records.exceptions.empty());
}

TEST(Failure, ComparesNoAmount) {
  Scenario s;
  s.place();
  EXPECT_EQ(s.callback({.amount = 1, .success = false}), Code::payment_failure_recorded);
  EXPECT_EQ(s.status(), OrderStatus::failed);
  EXPECT_EQ(s.order(s.id).ended_at, s.now);
}

TEST(Failure, ThatIsStaleOrOfAnotherGatewayChangesNothing) {
  Scenario s;
  s.place(5000, "native");
  EXPECT_EQ(s.callback({.success = false, .sent_ago_ms = kStale}), Code::stale_signature);
  EXPECT_EQ(s.kinds(), "");
  EXPECT_EQ(s.callback({.gateway = "other", .success = false}), Code::already_processed);
  EXPECT_EQ(s.kinds(), "");
  EXPECT_EQ(s.status(), OrderStatus::pending);
}

TEST(OnTime, IsTheLastMomentToo) {
  Scenario s;
  s.place();
  s.now = s.order(s.id).expires_at;
  EXPECT_EQ(s.callback(), Code::recharge_succeeded) << "arrived in time";
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.callback({.paid_at = s.order(s.id).expires_at}), Code::recharge_succeeded) << "paid in time";
  EXPECT_EQ(s.order(s.id).paid_at, s.order(s.id).expires_at);
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.callback({.paid_at = s.now}), Code::kept_for_review);
}

TEST(Late, ExpiresTheOrderBeforeAnythingIsSaid) {
  Scenario s;
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.callback({.sent_ago_ms = kStale}), Code::stale_signature);
  EXPECT_EQ(s.kinds(), "changed transfer opened changed");
  EXPECT_EQ(s.status(), OrderStatus::expired);
}

TEST(Late, ProvenInTimeIsCreditedOnceAndClosesItsException) {
  Scenario s;
  s.place();
  const auto on_time = s.order(s.id).expires_at;
  s.pass_expiry();
  ASSERT_EQ(s.callback(), Code::kept_for_review);
  const auto kept = s.newest_exception().id;
  EXPECT_EQ(s.callback({.paid_at = on_time}), Code::recharge_succeeded);
  EXPECT_EQ(s.suspense(), 0);
  EXPECT_EQ(s.units(), 5000);
  EXPECT_EQ(s.resolve(kept, Action::credit), Code::invalid_state);
  EXPECT_EQ(s.units(), 5000);
}

TEST(Late, DismissedIsNotCreditedAfterwards) {
  Scenario s;
  s.place();
  const auto on_time = s.order(s.id).expires_at;
  s.pass_expiry();
  s.callback();
  s.resolve(s.newest_exception().id, Action::dismiss);
  EXPECT_EQ(s.callback({.paid_at = on_time}), Code::already_processed);
  EXPECT_EQ(s.callback({.late = PaymentPolicy::credit}), Code::already_processed);
  EXPECT_EQ(s.units(), 0);
}

TEST(Late, PolicyDoesNotReachBackToWhatWasKept) {
  Scenario s;
  s.place();
  s.close();
  s.callback();
  for (auto policy : {PaymentPolicy::credit, PaymentPolicy::refund}) {
    EXPECT_EQ(s.callback({.late = policy}), Code::kept_for_review);
    EXPECT_EQ(s.kinds(), "");
  }
}

TEST(Late, RefundedByPolicyIsNotRefundedAgain) {
  Scenario s;
  s.place();
  s.close();
  EXPECT_EQ(s.callback({.late = PaymentPolicy::refund}), Code::kept_for_review);
  EXPECT_EQ(s.newest_exception().action, Action::refund);
  EXPECT_EQ(s.clearing(), 0);
  EXPECT_EQ(s.callback({.late = PaymentPolicy::refund}), Code::already_processed);
  EXPECT_EQ(s.kinds(), "");
}

TEST(BalanceLimit, IsExact) {
  Scenario s;
  s.place(kMaxBalance.minor_units() - 5000);
  s.callback({.transaction = "txn_0", .amount = kMaxBalance.minor_units() - 5000});
  s.place();
  EXPECT_EQ(s.callback(), Code::recharge_succeeded);
  EXPECT_EQ(s.balance(kUser), kMaxBalance);
  s.place(1);
  EXPECT_EQ(s.callback({.transaction = "txn_2", .amount = 1}), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::balance_limit);
  s.spend("d_1", 5000);
  EXPECT_EQ(s.callback({.transaction = "txn_2", .amount = 1}), Code::kept_for_review) << "only by resolve";
  EXPECT_EQ(s.resolve(s.newest_exception().id, Action::credit), Code::exception_resolved);
  EXPECT_EQ(s.status(), OrderStatus::pending);
}

// Kept for one reason, come again for another: the money stays where it is.
TEST(OnePayment, IsNotKeptTwiceOnceAnotherPaidTheOrder) {
  Scenario s;
  s.place();
  const auto on_time = s.order(s.id).expires_at;
  s.pass_expiry();
  s.callback();  // late
  s.callback({.transaction = "txn_2", .paid_at = on_time});
  ASSERT_EQ(s.status(), OrderStatus::recharged);
  EXPECT_EQ(s.callback(), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::late_payment);
  EXPECT_EQ(s.kinds(), "");
  EXPECT_EQ(s.suspense(), 5000);
}

TEST(OnePayment, BeyondTheBalanceLimitIsNotADuplicateLater) {
  Scenario s;
  s.place(kMaxBalance.minor_units());
  s.callback({.transaction = "txn_0", .amount = kMaxBalance.minor_units()});
  s.place();
  s.callback();  // beyond the limit
  s.spend("d_1", 10000);
  ASSERT_EQ(s.callback({.transaction = "txn_2"}), Code::recharge_succeeded);
  EXPECT_EQ(s.callback(), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::balance_limit);
  EXPECT_EQ(s.records.exceptions.size(), 1u);
}

TEST(OnePayment, LateAndThenOfAnotherAmountIsKeptOnce) {
  Scenario s;
  s.place();
  s.close();
  s.callback();
  EXPECT_EQ(s.callback({.amount = 4000}), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::late_payment);
  EXPECT_EQ(s.suspense(), 5000);
}

TEST(OnePayment, OfAnotherGatewayIsAnotherPayment) {
  for (auto action : {Action::credit, Action::refund, Action::dismiss, Action::none}) {
    Scenario s;
    s.place(5000, "native");
    s.callback({.gateway = "other"});
    if (action != Action::none) s.resolve(s.newest_exception().id, action);
    const auto before = s.units();
    EXPECT_EQ(s.callback(), Code::recharge_succeeded);
    EXPECT_EQ(s.units(), before + 5000);
  }
}

TEST(Gateway, OfTheFirstPaymentBindsTheOrder) {
  Scenario s;
  s.place();
  EXPECT_EQ(s.pay(false), Code::payment_declined);
  EXPECT_EQ(s.callback({.gateway = "other"}), Code::kept_for_review);
  EXPECT_EQ(s.outcome.exception_kind, Kind::gateway_mismatch);
  EXPECT_EQ(s.callback({.transaction = "txn_2"}), Code::recharge_succeeded) << "simulated ends at the native";
  EXPECT_EQ(s.order(s.id).gateway.view(), kSimulatedGateway);
  EXPECT_EQ(s.clearing(kSimulatedGateway), -5000);
}

TEST(Gateway, OfTheCreditIsTheOrders) {
  Scenario s;
  s.place();
  s.callback({.gateway = "other"});
  EXPECT_EQ(s.order(s.id).gateway.view(), "other");
  s.place(5000, "other");
  EXPECT_EQ(s.pay(), Code::gateway_mismatch);
  EXPECT_EQ(s.kinds(), "");
}

}  // namespace
}  // namespace recharge::testing
