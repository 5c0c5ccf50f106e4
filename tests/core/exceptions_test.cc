// Payments that must not be credited as they came: kept once, with their money in suspense, until they are
// resolved or come again as they should.
#include <gtest/gtest.h>

#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Code = OutcomeCode;
using Kind = ExceptionKind;
using Action = ExceptionAction;

constexpr std::int64_t kStale = kToleranceMs + 1000;

// How a payment of txn_1 comes to be kept, and what it is answered each time.
struct Way {
  Kind kind;
  Code code;
  std::int64_t amount = 5000;
  std::string_view gateway = "native";
  std::int64_t sent_ago_ms = 0;

  Callback callback() const { return {.amount = amount, .gateway = gateway, .sent_ago_ms = sent_ago_ms}; }
};

const Way kWays[] = {
    {Kind::late_payment, Code::kept_for_review},
    {Kind::duplicate_payment, Code::kept_for_review},
    {Kind::amount_mismatch, Code::kept_for_review, 4999},
    {Kind::gateway_mismatch, Code::kept_for_review, 5000, "other"},
    {Kind::unknown_order, Code::order_not_found},
    {Kind::stale_callback, Code::stale_signature, 5000, "native", kStale},
    {Kind::balance_limit, Code::kept_for_review},
};
std::ostream& operator<<(std::ostream& out, const Way& way) { return out << to_text(way.kind); }

// Makes the order of such a payment; the user's balance before it.
std::int64_t prepare(Scenario& s, Kind kind) {
  if (kind == Kind::balance_limit) {
    s.place(kMaxBalance.minor_units() - 4999);
    s.callback({.transaction = "txn_0", .amount = kMaxBalance.minor_units() - 4999});
  }
  s.place(5000, "native");
  if (kind == Kind::late_payment) s.close();
  if (kind == Kind::duplicate_payment) s.callback({.transaction = "txn_0"});
  if (kind == Kind::unknown_order) s.id = s.fresh_order_id();
  return s.units();
}

class EveryKind : public ::testing::TestWithParam<Way> {
 protected:
  void keep() {
    before_ = prepare(s_, way().kind);
    clearing_ = s_.clearing(way().gateway);
    ASSERT_EQ(s_.callback(way().callback()), way().code);
    ASSERT_EQ(s_.records.exceptions.size(), 1u);
    kept_ = s_.newest_exception().id;
  }
  const Way& way() const { return GetParam(); }
  bool has_order() const { return way().kind != Kind::unknown_order; }
  const PaymentException& exception() const { return s_.records.exceptions.at(kept_); }
  std::int64_t moved() { return s_.clearing(way().gateway) - clearing_; }

  Scenario s_;
  ExceptionId kept_;
  std::int64_t before_ = 0;
  std::int64_t clearing_ = 0;
};

TEST_P(EveryKind, IsKeptWithItsMoneyInSuspense) {
  ASSERT_NO_FATAL_FAILURE(keep());
  const auto& e = exception();
  EXPECT_EQ(e.kind, way().kind);
  EXPECT_EQ(s_.outcome.exception_kind, way().kind);
  EXPECT_EQ(e.reference.view(), s_.id.to_text());
  EXPECT_EQ(e.order_id, has_order() ? s_.id : OrderId{});
  EXPECT_EQ(e.account.view(), has_order() ? kUser : std::string_view());
  EXPECT_EQ(e.gateway.view(), way().gateway);
  EXPECT_EQ(e.transaction_id.view(), "txn_1");
  EXPECT_EQ(e.amount.minor_units(), way().amount);
  EXPECT_EQ(e.created_at(), s_.now);
  EXPECT_EQ(e.evidence, digest_of(Callback{}.evidence));
  EXPECT_EQ(e.evidence_key.view(), "key-1");
  EXPECT_TRUE(e.is_open());
  EXPECT_EQ(moved(), -way().amount);
  EXPECT_EQ(s_.suspense(way().gateway), way().amount);
  EXPECT_EQ(s_.units(), before_);
}

TEST_P(EveryKind, IsKeptOnceHoweverOftenRepeated) {
  ASSERT_NO_FATAL_FAILURE(keep());
  for (int i = 0; i < 3; ++i) {
    s_.pass(1000);
    EXPECT_EQ(s_.callback(way().callback()), way().code);
    EXPECT_EQ(s_.outcome.exception_kind, way().kind);
    EXPECT_EQ(s_.kinds(), "");
  }
  EXPECT_EQ(s_.records.exceptions.size(), 1u);
  EXPECT_EQ(s_.suspense(way().gateway), way().amount);
}

TEST_P(EveryKind, AnotherTransactionIsAnotherPayment) {
  ASSERT_NO_FATAL_FAILURE(keep());
  auto other = way().callback();
  other.transaction = "txn_2";
  EXPECT_EQ(s_.callback(other), way().code);
  EXPECT_EQ(s_.records.exceptions.size(), 2u);
  EXPECT_EQ(s_.suspense(way().gateway), 2 * way().amount);
}

TEST_P(EveryKind, CreditMovesTheMoneyToTheUser) {
  ASSERT_NO_FATAL_FAILURE(keep());
  if (way().kind == Kind::balance_limit) {
    EXPECT_EQ(s_.resolve(kept_, Action::credit), Code::balance_limit);
    EXPECT_EQ(s_.kinds(), "");
    s_.spend("d_1", 1);
    before_ -= 1;
  }
  const auto status = has_order() ? s_.status() : OrderStatus::pending;
  const auto code = s_.resolve(kept_, Action::credit);
  if (!has_order()) {
    EXPECT_EQ(code, Code::not_creditable);
    EXPECT_EQ(s_.kinds(), "");
    EXPECT_TRUE(exception().is_open());
    return;
  }
  EXPECT_EQ(code, Code::exception_resolved);
  EXPECT_EQ(s_.kinds(), "transfer resolved");
  EXPECT_EQ(s_.units(), before_ + way().amount);
  EXPECT_EQ(s_.suspense(way().gateway), 0);
  EXPECT_EQ(moved(), -way().amount);
  EXPECT_EQ(s_.status(), status) << "the order's status stays";
  EXPECT_EQ(s_.callback(way().callback()), Code::already_processed);
  EXPECT_EQ(s_.kinds(), "");
  EXPECT_EQ(s_.callback({.gateway = way().gateway}), Code::already_processed)
      << "also as it should have come";
  EXPECT_EQ(s_.units(), before_ + way().amount);
}

TEST_P(EveryKind, RefundReturnsTheMoneyThroughTransit) {
  ASSERT_NO_FATAL_FAILURE(keep());
  EXPECT_EQ(s_.resolve(kept_, Action::refund), Code::exception_resolved);
  EXPECT_EQ(s_.kinds(), "transfer transfer resolved");
  EXPECT_EQ(std::get<TransferPosted>(s_.facts[0]).transfer.kind, TransferKind::exception_returned);
  EXPECT_EQ(std::get<TransferPosted>(s_.facts[1]).transfer.kind, TransferKind::refund_settled);
  EXPECT_EQ(s_.units(), before_);
  EXPECT_EQ(s_.suspense(way().gateway), 0);
  EXPECT_EQ(s_.in_transit(way().gateway), 0);
  EXPECT_EQ(moved(), 0);
  EXPECT_EQ(s_.callback(way().callback()), Code::already_processed);
  EXPECT_EQ(s_.kinds(), "");
}

TEST_P(EveryKind, DismissBooksTheMoneyBack) {
  ASSERT_NO_FATAL_FAILURE(keep());
  EXPECT_EQ(s_.resolve(kept_, Action::dismiss), Code::exception_resolved);
  EXPECT_EQ(s_.kinds(), "transfer resolved");
  EXPECT_EQ(s_.units(), before_);
  EXPECT_EQ(s_.suspense(way().gateway), 0);
  EXPECT_EQ(moved(), 0);
  // What says "send again" goes on saying so; it is not kept again.
  const auto again = way().code == Code::kept_for_review ? Code::already_processed : way().code;
  EXPECT_EQ(s_.callback(way().callback()), again);
  EXPECT_EQ(s_.kinds(), "");
}

TEST_P(EveryKind, IsResolvedOnce) {
  for (auto action : {Action::credit, Action::refund, Action::dismiss}) {
    if (action == Action::credit && (!has_order() || way().kind == Kind::balance_limit)) continue;
    Scenario s;
    prepare(s, way().kind);
    s.callback(way().callback());
    const auto id = s.newest_exception().id;
    ASSERT_EQ(s.resolve(id, action), Code::exception_resolved);
    const auto& shown = std::get<PaymentException>(s.outcome.shown);
    EXPECT_TRUE(testing::same(shown, s.newest_exception()));
    EXPECT_EQ(shown.action, action);
    EXPECT_EQ(shown.resolved_at, s.now);
    EXPECT_EQ(shown.note.view(), "checked by hand");
    for (auto second : {Action::credit, Action::refund, Action::dismiss}) {
      EXPECT_EQ(s.resolve(id, second), Code::invalid_state);
      EXPECT_EQ(s.kinds(), "");
    }
  }
}

// A stale repeat of what is kept already says so and keeps nothing more.
TEST_P(EveryKind, StaleRepeatKeepsNothingMore) {
  ASSERT_NO_FATAL_FAILURE(keep());
  auto stale = way().callback();
  stale.sent_ago_ms = kStale;
  // An order that is credited already has no use for the age of a signature.
  EXPECT_EQ(s_.callback(stale),
            way().kind == Kind::duplicate_payment ? Code::kept_for_review : Code::stale_signature);
  EXPECT_EQ(s_.kinds(), "");
}

std::string kind_of(const ::testing::TestParamInfo<Way>& way) { return std::string(to_text(way.param.kind)); }
INSTANTIATE_TEST_SUITE_P(, EveryKind, ::testing::ValuesIn(kWays), kind_of);

TEST(Exceptions, ResolvingAnUnknownOneChangesNothing) {
  Scenario s;
  EXPECT_EQ(s.resolve(s.fresh_exception_id(), Action::refund), Code::exception_not_found);
}

// Fresh after stale, and right after wrong: credited once, and the exception is closed.
class GivesWay : public ::testing::TestWithParam<Kind> {
 protected:
  GivesWay() {
    s_.place();
    s_.callback(GetParam() == Kind::stale_callback ? Callback{.sent_ago_ms = kStale}
                                                   : Callback{.amount = 4999});
    kept_ = s_.newest_exception().id;
  }
  Scenario s_;
  ExceptionId kept_;
};

TEST_P(GivesWay, ToTheSamePaymentAsItShouldCome) {
  EXPECT_EQ(s_.callback(), Code::recharge_succeeded);
  EXPECT_EQ(s_.kinds(), "transfer resolved transfer changed");
  EXPECT_EQ(s_.units(), 5000);
  EXPECT_EQ(s_.suspense(), 0);
  EXPECT_EQ(s_.clearing(), -5000);
  EXPECT_EQ(s_.newest_exception().action, Action::superseded);
  EXPECT_EQ(s_.resolve(kept_, Action::credit), Code::invalid_state);
  EXPECT_EQ(s_.callback(), Code::already_processed);
  EXPECT_EQ(s_.units(), 5000);
}

TEST_P(GivesWay, NotToAnotherPayment) {
  EXPECT_EQ(s_.callback({.transaction = "txn_2"}), Code::recharge_succeeded);
  EXPECT_TRUE(s_.newest_exception().is_open());
  EXPECT_NE(s_.suspense(), 0);
  // The first one, should it come after all, is a duplicate now, and its money is kept once.
  EXPECT_EQ(s_.callback(), Code::kept_for_review);
  EXPECT_EQ(s_.outcome.exception_kind, Kind::duplicate_payment);
  EXPECT_EQ(s_.suspense(), 5000);
}

TEST_P(GivesWay, ToItsBetterReasonWhenLate) {
  s_.close();
  EXPECT_EQ(s_.callback(), Code::kept_for_review);
  EXPECT_EQ(s_.outcome.exception_kind, Kind::late_payment);
  EXPECT_EQ(s_.records.exceptions.at(kept_).action, Action::superseded);
  EXPECT_EQ(s_.suspense(), 5000);
}

TEST_P(GivesWay, NotOnceCreditedByHand) {
  ASSERT_EQ(s_.resolve(kept_, Action::credit), Code::exception_resolved);
  const auto balance = s_.units();
  EXPECT_EQ(s_.callback(), Code::already_processed);
  EXPECT_EQ(s_.units(), balance);
  EXPECT_EQ(s_.status(), OrderStatus::pending);
}

std::string gives_way_name(const ::testing::TestParamInfo<Kind>& kind) {
  return std::string(to_text(kind.param));
}
INSTANTIATE_TEST_SUITE_P(, GivesWay, ::testing::Values(Kind::stale_callback, Kind::amount_mismatch),
                         gives_way_name);

}  // namespace
}  // namespace recharge::testing
