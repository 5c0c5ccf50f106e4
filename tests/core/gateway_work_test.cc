// Work at gateways: there before the gateway is called, gone once a verified answer has ended it.
#include <gtest/gtest.h>

#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Code = OutcomeCode;
using Kind = ExceptionKind;
using Policy = PaymentPolicy;

class GatewayWorkTest : public ::testing::Test {
 protected:
  Code start(std::string_view gateway = "alipay", PayMethod method = PayMethod::qr) {
    return s_.execute(StartPayment{s_.id, text<GatewayName>(gateway), method});
  }
  Code note(std::string_view pay_text, std::int64_t for_ms = 60'000) {
    return s_.execute(
        NotePaymentStart{s_.id, PayMethod::qr, text<PayText>(pay_text), Time{s_.now.ms + for_ms}, {}});
  }
  ReportPayment paid(const Callback& values = {.gateway = "alipay"}, PaymentPolicies policies = {}) {
    auto report = s_.report(values);
    report.gateway = text<GatewayName>("alipay");
    report.scheme = SignatureScheme::alipay;
    report.policies = policies;
    return report;
  }
  const GatewayWork& shown() const { return std::get<GatewayWorkAndOrder>(s_.outcome.shown).work; }
  std::size_t works() const { return s_.records.gateway_works.size(); }
  const GatewayWork& only_work() const { return s_.records.gateway_works.begin()->second; }

  Scenario s_;
};

TEST_F(GatewayWorkTest, AStartedPaymentBindsItsOrderAndIsShownAgain) {
  s_.place();
  EXPECT_EQ(start(), Code::payment_to_start);
  EXPECT_EQ(s_.order(s_.id).gateway.view(), "alipay");
  EXPECT_EQ(works(), 1U);
  EXPECT_EQ(start(), Code::payment_to_start) << "the answer of the gateway is not known yet";
  EXPECT_TRUE(s_.facts.empty());
  EXPECT_EQ(start("wechat"), Code::gateway_mismatch);
  EXPECT_EQ(start(""), Code::payment_to_start) << "the order knows its gateway";
  EXPECT_EQ(note("https://qr"), Code::payment_started);
  EXPECT_EQ(start(), Code::payment_started);
  EXPECT_EQ(shown().pay_text.view(), "https://qr");
  EXPECT_EQ(start("alipay", PayMethod::h5), Code::payment_to_start) << "another method is another text";
  s_.pass(60'000);
  EXPECT_EQ(start(), Code::payment_to_start) << "what is shown holds for a time only";
  EXPECT_EQ(s_.execute(EndPayment{s_.id, PayMethod::qr}), Code::payment_ended);
  EXPECT_EQ(s_.execute(EndPayment{s_.id, PayMethod::h5}), Code::payment_ended);
  EXPECT_EQ(works(), 0U);
  EXPECT_EQ(s_.execute(EndPayment{s_.id, PayMethod::h5}), Code::payment_ended);
  EXPECT_TRUE(s_.facts.empty());
  EXPECT_EQ(note("late"), Code::invalid_state);
}

TEST_F(GatewayWorkTest, NothingIsStartedThatCannotBePaid) {
  EXPECT_EQ(start(), Code::order_not_found);
  s_.place();
  EXPECT_EQ(start(""), Code::gateway_mismatch) << "neither the order nor the caller names a gateway";
  s_.place(5000, "wechat");
  EXPECT_EQ(start(), Code::gateway_mismatch);
  s_.place();
  s_.close();
  EXPECT_EQ(start(), Code::invalid_state);
  s_.place();
  s_.execute(paid());
  EXPECT_EQ(start(), Code::invalid_state);
  s_.place();
  s_.pass_expiry();
  EXPECT_EQ(start(), Code::invalid_state);
  EXPECT_EQ(s_.status(), OrderStatus::expired);
  EXPECT_EQ(works(), 0U);
  StartPayment hidden{s_.id, text<GatewayName>("alipay"), PayMethod::qr, text<Account>("somebody else")};
  EXPECT_EQ(s_.execute(hidden), Code::order_not_found);
}

TEST_F(GatewayWorkTest, ARefundOfAGatewayIsReservedUntilItAnswers) {
  s_.place();
  s_.execute(paid());
  EXPECT_EQ(s_.refund("r-1", 2000), Code::refund_requested);
  EXPECT_EQ(s_.units(), 3000);
  EXPECT_EQ(s_.in_transit("alipay"), 2000);
  ASSERT_EQ(works(), 1U);
  EXPECT_EQ(only_work().transaction_id.view(), "txn_1");
  EXPECT_EQ(only_work().amount, cents(2000));
  EXPECT_EQ(only_work().total, cents(5000));
  EXPECT_EQ(s_.refund("r-2", 3001), Code::refund_exceeds_payment);
  EXPECT_EQ(s_.refund("r-2", 3000), Code::refund_requested);
  EXPECT_EQ(s_.refund("r-3", 1), Code::refund_exceeds_payment) << "all is reserved";
  EXPECT_EQ(s_.settle("r-1", true), Code::refund_settled);
  EXPECT_EQ(s_.settle("r-2", false), Code::refund_settled);
  EXPECT_EQ(works(), 0U);
  EXPECT_EQ(s_.units(), 3000) << "what was refused is back";
  EXPECT_EQ(s_.in_transit("alipay"), 0);
  EXPECT_EQ(s_.clearing("alipay"), -3000);
  EXPECT_EQ(s_.status(), OrderStatus::partially_refunded);
}

TEST_F(GatewayWorkTest, ARefundOfASenderWithoutCallsIsSettledAtOnce) {
  s_.place();
  s_.callback();
  EXPECT_EQ(s_.refund("r-1"), Code::refund_settled);
  EXPECT_EQ(works(), 0U);
}

struct PolicyCase {
  const char* name;
  PaymentPolicies policies;
  std::int64_t amount;
  bool second;  // a second payment of a credited order
  Kind kind;
};

class PolicyTest : public GatewayWorkTest, public ::testing::WithParamInterface<PolicyCase> {
 protected:
  void meet() {
    s_.place();
    if (GetParam().second) s_.execute(paid());
    before_ = s_.units();
    auto report = paid({.transaction = "txn_2", .amount = GetParam().amount}, GetParam().policies);
    EXPECT_EQ(s_.execute(report), Code::kept_for_review);
    EXPECT_EQ(s_.newest_exception().kind, GetParam().kind);
    EXPECT_EQ(s_.execute(report), Code::already_processed) << "a repeat changes nothing";
  }
  std::int64_t before_ = 0;
};

class CreditPolicy : public PolicyTest {};
class RefundPolicy : public PolicyTest {};

TEST_P(CreditPolicy, GivesWhatWasPaidToTheUser) {
  meet();
  EXPECT_EQ(s_.units(), before_ + GetParam().amount);
  EXPECT_EQ(s_.newest_exception().action, ExceptionAction::credit);
  EXPECT_EQ(s_.suspense("alipay"), 0);
  EXPECT_EQ(works(), 0U);
}

TEST_P(RefundPolicy, SendsWhatWasPaidBackThroughTheGateway) {
  meet();
  EXPECT_EQ(s_.units(), before_);
  EXPECT_EQ(s_.newest_exception().action, ExceptionAction::refund);
  EXPECT_EQ(s_.suspense("alipay"), 0);
  EXPECT_EQ(s_.in_transit("alipay"), GetParam().amount);
  ASSERT_EQ(works(), 1U);
  const GatewayWork work = only_work();
  EXPECT_EQ(work.transaction_id.view(), "txn_2");
  EXPECT_EQ(work.amount.minor_units(), GetParam().amount);
  const auto id = s_.newest_exception().id;
  EXPECT_EQ(s_.execute(SettleExceptionRefund{id, true}), Code::refund_settled);
  EXPECT_EQ(s_.in_transit("alipay"), 0);
  EXPECT_EQ(works(), 0U);
  EXPECT_EQ(s_.execute(SettleExceptionRefund{id, true}), Code::refund_not_found) << "once";
}

TEST_P(RefundPolicy, OpensTheExceptionAgainWhereTheGatewayRefuses) {
  meet();
  const auto id = s_.newest_exception().id;
  EXPECT_EQ(s_.execute(SettleExceptionRefund{id, false}), Code::refund_settled);
  EXPECT_TRUE(s_.newest_exception().is_open());
  EXPECT_EQ(s_.suspense("alipay"), GetParam().amount);
  EXPECT_EQ(s_.in_transit("alipay"), 0);
  EXPECT_EQ(works(), 0U);
  EXPECT_EQ(s_.resolve(id, ExceptionAction::refund), Code::exception_resolved) << "an operator tries again";
  EXPECT_EQ(works(), 1U);
}

constexpr PolicyCase kCredits[] = {
    {"duplicate", {.duplicate = Policy::credit}, 5000, true, Kind::duplicate_payment},
    {"over", {.over = Policy::credit}, 5001, false, Kind::amount_mismatch},
    {"under", {.under = Policy::credit}, 4999, false, Kind::amount_mismatch},
};
constexpr PolicyCase kRefunds[] = {
    {"duplicate", {.duplicate = Policy::refund}, 5000, true, Kind::duplicate_payment},
    {"over", {.over = Policy::refund}, 5001, false, Kind::amount_mismatch},
    {"under", {.under = Policy::refund}, 4999, false, Kind::amount_mismatch},
};
std::string name_of(const ::testing::TestParamInfo<PolicyCase>& row) { return row.param.name; }
INSTANTIATE_TEST_SUITE_P(, CreditPolicy, ::testing::ValuesIn(kCredits), name_of);
INSTANTIATE_TEST_SUITE_P(, RefundPolicy, ::testing::ValuesIn(kRefunds), name_of);

TEST_F(GatewayWorkTest, OnlyThePolicyOfItsKindCounts) {
  s_.place();
  const PaymentPolicies others{.duplicate = Policy::refund, .under = Policy::credit};
  EXPECT_EQ(s_.execute(paid({.amount = 5001}, others)), Code::kept_for_review);
  EXPECT_TRUE(s_.newest_exception().is_open());
  EXPECT_EQ(works(), 0U);
}

TEST_F(GatewayWorkTest, LatePaymentsGoBackThroughTheGateway) {
  s_.place();
  s_.pass_expiry();
  EXPECT_EQ(s_.execute(paid({}, {.late = Policy::refund})), Code::kept_for_review);
  EXPECT_EQ(s_.in_transit("alipay"), 5000);
  EXPECT_EQ(works(), 1U);
}

}  // namespace
}  // namespace recharge::testing
