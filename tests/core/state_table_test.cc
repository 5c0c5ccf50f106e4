// The state table of orders, one named row for each cell: what an event does to an order in a state.
// Every state is reached by commands.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/transition.h"
#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

// How an order of 50.00 comes into each state.
void reach(Scenario& s, OrderStatus status) {
  s.place();
  switch (status) {
    case OrderStatus::pending:
      break;
    case OrderStatus::paid:
      s.pay();
      break;
    case OrderStatus::failed:
      s.fail();
      break;
    case OrderStatus::recharged:
      s.callback();
      break;
    case OrderStatus::refunded:
      s.callback();
      s.refund("r_1");
      break;
    case OrderStatus::partially_refunded:
      s.callback();
      s.refund("r_1", 2000);
      break;
    case OrderStatus::recharging:
      s.callback({.fulfilment = Fulfilment::http});
      s.begin_attempt(1, "acme");
      break;
    case OrderStatus::closed:
      s.close();
      break;
    case OrderStatus::expired:
      s.pass_expiry();
      s.expire();
      break;
  }
  ASSERT_EQ(s.status(), status);
}

using Event = OutcomeCode (*)(Scenario&);
template <PaymentPolicy policy>
OutcomeCode overdue_success(Scenario& s) {
  s.pass_expiry();
  return s.callback({.late = policy});
}

Event event_named(std::string_view name) {
  static const std::map<std::string_view, Event> events = {
      {"pay_approved", [](Scenario& s) { return s.pay(true, "sim_2"); }},
      {"pay_declined", [](Scenario& s) { return s.pay(false, "sim_2"); }},
      {"success", [](Scenario& s) { return s.callback(); }},
      {"success_other_transaction", [](Scenario& s) { return s.callback({.transaction = "txn_2"}); }},
      {"overdue_success_review", &overdue_success<PaymentPolicy::review>},
      {"overdue_success_credit", &overdue_success<PaymentPolicy::credit>},
      {"overdue_success_refund", &overdue_success<PaymentPolicy::refund>},
      {"overdue_success_paid_on_time",
       [](Scenario& s) {
         s.pass_expiry();
         return s.callback({.paid_at = s.order(s.id).expires_at});
       }},
      {"overdue_success_paid_late",
       [](Scenario& s) {
         s.pass_expiry();
         return s.callback({.paid_at = s.now});
       }},
      {"fail", [](Scenario& s) { return s.fail(); }},
      {"close", [](Scenario& s) { return s.close(); }},
      {"refund_full", [](Scenario& s) { return s.refund("r_9"); }},
      {"refund_partial", [](Scenario& s) { return s.refund("r_9", 1000); }},
      {"refund_again",
       [](Scenario& s) {
         s.refund("r_9", 1000);
         return s.refund("r_9", 1000);
       }},
      {"refund_exceeding", [](Scenario& s) { return s.refund("r_9", 5001); }},
      {"refund_over_balance",
       [](Scenario& s) {
         if (s.units() > 0) s.spend("d_1", s.units() - 500);
         return s.refund("r_9", 1000);
       }},
      {"expiry_due",
       [](Scenario& s) {
         s.pass_expiry();
         return s.expire();
       }},
      {"expiry_early",
       [](Scenario& s) {
         if (s.status() != OrderStatus::expired) s.now = s.order(s.id).expires_at;
         return s.expire();
       }},
  };
  return events.at(name);
}

// A failed order is bound to no gateway yet: a payment declined for it binds it, which is a fact.
struct Row {
  OrderStatus state;
  std::string_view event;
  OutcomeCode code;
  OrderStatus after;
  std::string_view facts;
  std::int64_t balance;
  std::int64_t suspense = 0;
};

using enum OrderStatus;
using Code = OutcomeCode;
constexpr std::string_view kRefund = "transfer refund changed transfer refund changed";
constexpr std::string_view kKept = "transfer opened changed";
constexpr std::string_view kExpiredKept = "changed transfer opened changed";
constexpr std::string_view kReturned = "transfer opened changed transfer transfer resolved";
constexpr std::string_view kExpiredReturned = "changed transfer opened changed transfer transfer resolved";
constexpr std::string_view kCredit = "transfer changed";
constexpr std::string_view kExpiredCredit = "changed transfer changed";

const Row kRows[] = {
    {pending, "pay_approved", Code::payment_simulated, paid, "changed", 0},
    {pending, "pay_declined", Code::payment_declined, failed, "changed", 0},
    {pending, "success", Code::recharge_succeeded, recharged, kCredit, 5000},
    {pending, "success_other_transaction", Code::recharge_succeeded, recharged, kCredit, 5000},
    {pending, "overdue_success_review", Code::kept_for_review, expired, kExpiredKept, 0, 5000},
    {pending, "overdue_success_credit", Code::recharge_succeeded, recharged, kExpiredCredit, 5000},
    {pending, "overdue_success_refund", Code::kept_for_review, expired, kExpiredReturned, 0},
    {pending, "overdue_success_paid_on_time", Code::recharge_succeeded, recharged, kExpiredCredit, 5000},
    {pending, "overdue_success_paid_late", Code::kept_for_review, expired, kExpiredKept, 0, 5000},
    {pending, "fail", Code::payment_failure_recorded, failed, "changed", 0},
    {pending, "close", Code::order_closed, closed, "changed", 0},
    {pending, "refund_full", Code::invalid_state, pending, "", 0},
    {pending, "refund_partial", Code::invalid_state, pending, "", 0},
    {pending, "refund_again", Code::invalid_state, pending, "", 0},
    {pending, "refund_exceeding", Code::invalid_state, pending, "", 0},
    {pending, "refund_over_balance", Code::invalid_state, pending, "", 0},
    {pending, "expiry_due", Code::order_expired, expired, "changed", 0},
    {pending, "expiry_early", Code::nothing_to_do, pending, "", 0},
    {failed, "pay_approved", Code::payment_simulated, paid, "changed", 0},
    {failed, "pay_declined", Code::payment_declined, failed, "changed", 0},
    {failed, "success", Code::recharge_succeeded, recharged, kCredit, 5000},
    {failed, "success_other_transaction", Code::recharge_succeeded, recharged, kCredit, 5000},
    {failed, "overdue_success_review", Code::kept_for_review, expired, kExpiredKept, 0, 5000},
    {failed, "overdue_success_credit", Code::recharge_succeeded, recharged, kExpiredCredit, 5000},
    {failed, "overdue_success_refund", Code::kept_for_review, expired, kExpiredReturned, 0},
    {failed, "overdue_success_paid_on_time", Code::recharge_succeeded, recharged, kExpiredCredit, 5000},
    {failed, "overdue_success_paid_late", Code::kept_for_review, expired, kExpiredKept, 0, 5000},
    {failed, "fail", Code::already_processed, failed, "", 0},
    {failed, "close", Code::order_closed, closed, "changed", 0},
    {failed, "refund_full", Code::invalid_state, failed, "", 0},
    {failed, "refund_partial", Code::invalid_state, failed, "", 0},
    {failed, "refund_again", Code::invalid_state, failed, "", 0},
    {failed, "refund_exceeding", Code::invalid_state, failed, "", 0},
    {failed, "refund_over_balance", Code::invalid_state, failed, "", 0},
    {failed, "expiry_due", Code::order_expired, expired, "changed", 0},
    {failed, "expiry_early", Code::nothing_to_do, failed, "", 0},
    {paid, "pay_approved", Code::payment_simulated, paid, "", 0},
    {paid, "pay_declined", Code::payment_simulated, paid, "", 0},
    {paid, "success", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "success_other_transaction", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "overdue_success_review", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "overdue_success_credit", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "overdue_success_refund", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "overdue_success_paid_on_time", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "overdue_success_paid_late", Code::recharge_succeeded, recharged, kCredit, 5000},
    {paid, "fail", Code::already_processed, paid, "", 0},
    {paid, "close", Code::invalid_state, paid, "", 0},
    {paid, "refund_full", Code::invalid_state, paid, "", 0},
    {paid, "refund_partial", Code::invalid_state, paid, "", 0},
    {paid, "refund_again", Code::invalid_state, paid, "", 0},
    {paid, "refund_exceeding", Code::invalid_state, paid, "", 0},
    {paid, "refund_over_balance", Code::invalid_state, paid, "", 0},
    {paid, "expiry_due", Code::nothing_to_do, paid, "", 0},
    {paid, "expiry_early", Code::nothing_to_do, paid, "", 0},
    {recharged, "pay_approved", Code::payment_simulated, recharged, "", 5000},
    {recharged, "pay_declined", Code::payment_simulated, recharged, "", 5000},
    {recharged, "success", Code::already_processed, recharged, "", 5000},
    {recharged, "success_other_transaction", Code::kept_for_review, recharged, kKept, 5000, 5000},
    {recharged, "overdue_success_review", Code::already_processed, recharged, "", 5000},
    {recharged, "overdue_success_credit", Code::already_processed, recharged, "", 5000},
    {recharged, "overdue_success_refund", Code::already_processed, recharged, "", 5000},
    {recharged, "overdue_success_paid_on_time", Code::already_processed, recharged, "", 5000},
    {recharged, "overdue_success_paid_late", Code::already_processed, recharged, "", 5000},
    {recharged, "fail", Code::already_processed, recharged, "", 5000},
    {recharged, "close", Code::invalid_state, recharged, "", 5000},
    {recharged, "refund_full", Code::refund_settled, refunded, kRefund, 0},
    {recharged, "refund_partial", Code::refund_settled, partially_refunded, kRefund, 4000},
    {recharged, "refund_again", Code::refund_requested, partially_refunded, "", 4000},
    {recharged, "refund_exceeding", Code::refund_exceeds_payment, recharged, "", 5000},
    {recharged, "refund_over_balance", Code::insufficient_balance, recharged, "", 500},
    {recharged, "expiry_due", Code::nothing_to_do, recharged, "", 5000},
    {recharged, "expiry_early", Code::nothing_to_do, recharged, "", 5000},
    {refunded, "pay_approved", Code::payment_simulated, refunded, "", 0},
    {refunded, "pay_declined", Code::payment_simulated, refunded, "", 0},
    {refunded, "success", Code::already_processed, refunded, "", 0},
    {refunded, "success_other_transaction", Code::kept_for_review, refunded, kKept, 0, 5000},
    {refunded, "overdue_success_review", Code::already_processed, refunded, "", 0},
    {refunded, "overdue_success_credit", Code::already_processed, refunded, "", 0},
    {refunded, "overdue_success_refund", Code::already_processed, refunded, "", 0},
    {refunded, "overdue_success_paid_on_time", Code::already_processed, refunded, "", 0},
    {refunded, "overdue_success_paid_late", Code::already_processed, refunded, "", 0},
    {refunded, "fail", Code::already_processed, refunded, "", 0},
    {refunded, "close", Code::invalid_state, refunded, "", 0},
    {refunded, "refund_full", Code::refund_exceeds_payment, refunded, "", 0},
    {refunded, "refund_partial", Code::refund_exceeds_payment, refunded, "", 0},
    {refunded, "refund_again", Code::refund_exceeds_payment, refunded, "", 0},
    {refunded, "refund_exceeding", Code::refund_exceeds_payment, refunded, "", 0},
    {refunded, "refund_over_balance", Code::refund_exceeds_payment, refunded, "", 0},
    {refunded, "expiry_due", Code::nothing_to_do, refunded, "", 0},
    {refunded, "expiry_early", Code::nothing_to_do, refunded, "", 0},
    {partially_refunded, "pay_approved", Code::payment_simulated, partially_refunded, "", 3000},
    {partially_refunded, "pay_declined", Code::payment_simulated, partially_refunded, "", 3000},
    {partially_refunded, "success", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "success_other_transaction", Code::kept_for_review, partially_refunded, kKept, 3000,
     5000},
    {partially_refunded, "overdue_success_review", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "overdue_success_credit", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "overdue_success_refund", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "overdue_success_paid_on_time", Code::already_processed, partially_refunded, "",
     3000},
    {partially_refunded, "overdue_success_paid_late", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "fail", Code::already_processed, partially_refunded, "", 3000},
    {partially_refunded, "close", Code::invalid_state, partially_refunded, "", 3000},
    {partially_refunded, "refund_full", Code::refund_settled, refunded, kRefund, 0},
    {partially_refunded, "refund_partial", Code::refund_settled, partially_refunded, kRefund, 2000},
    {partially_refunded, "refund_again", Code::refund_requested, partially_refunded, "", 2000},
    {partially_refunded, "refund_exceeding", Code::refund_exceeds_payment, partially_refunded, "", 3000},
    {partially_refunded, "refund_over_balance", Code::insufficient_balance, partially_refunded, "", 500},
    {partially_refunded, "expiry_due", Code::nothing_to_do, partially_refunded, "", 3000},
    {partially_refunded, "expiry_early", Code::nothing_to_do, partially_refunded, "", 3000},
    {closed, "pay_approved", Code::invalid_state, closed, "", 0},
    {closed, "pay_declined", Code::invalid_state, closed, "", 0},
    {closed, "success", Code::kept_for_review, closed, kKept, 0, 5000},
    {closed, "success_other_transaction", Code::kept_for_review, closed, kKept, 0, 5000},
    {closed, "overdue_success_review", Code::kept_for_review, closed, kKept, 0, 5000},
    {closed, "overdue_success_credit", Code::recharge_succeeded, recharged, kCredit, 5000},
    {closed, "overdue_success_refund", Code::kept_for_review, closed, kReturned, 0},
    {closed, "overdue_success_paid_on_time", Code::kept_for_review, closed, kKept, 0, 5000},
    {closed, "overdue_success_paid_late", Code::kept_for_review, closed, kKept, 0, 5000},
    {closed, "fail", Code::already_processed, closed, "", 0},
    {closed, "close", Code::order_closed, closed, "", 0},
    {closed, "refund_full", Code::invalid_state, closed, "", 0},
    {closed, "refund_partial", Code::invalid_state, closed, "", 0},
    {closed, "refund_again", Code::invalid_state, closed, "", 0},
    {closed, "refund_exceeding", Code::invalid_state, closed, "", 0},
    {closed, "refund_over_balance", Code::invalid_state, closed, "", 0},
    {closed, "expiry_due", Code::nothing_to_do, closed, "", 0},
    {closed, "expiry_early", Code::nothing_to_do, closed, "", 0},
    {expired, "pay_approved", Code::invalid_state, expired, "", 0},
    {expired, "pay_declined", Code::invalid_state, expired, "", 0},
    {expired, "success", Code::kept_for_review, expired, kKept, 0, 5000},
    {expired, "success_other_transaction", Code::kept_for_review, expired, kKept, 0, 5000},
    {expired, "overdue_success_review", Code::kept_for_review, expired, kKept, 0, 5000},
    {expired, "overdue_success_credit", Code::recharge_succeeded, recharged, kCredit, 5000},
    {expired, "overdue_success_refund", Code::kept_for_review, expired, kReturned, 0},
    {expired, "overdue_success_paid_on_time", Code::recharge_succeeded, recharged, kCredit, 5000},
    {expired, "overdue_success_paid_late", Code::kept_for_review, expired, kKept, 0, 5000},
    {expired, "fail", Code::already_processed, expired, "", 0},
    {expired, "close", Code::invalid_state, expired, "", 0},
    {expired, "refund_full", Code::invalid_state, expired, "", 0},
    {expired, "refund_partial", Code::invalid_state, expired, "", 0},
    {expired, "refund_again", Code::invalid_state, expired, "", 0},
    {expired, "refund_exceeding", Code::invalid_state, expired, "", 0},
    {expired, "refund_over_balance", Code::invalid_state, expired, "", 0},
    {expired, "expiry_due", Code::nothing_to_do, expired, "", 0},
    {expired, "expiry_early", Code::nothing_to_do, expired, "", 0},
    {recharging, "pay_approved", Code::payment_simulated, recharging, "", 0},
    {recharging, "pay_declined", Code::payment_simulated, recharging, "", 0},
    {recharging, "success", Code::already_processed, recharging, "", 0},
    {recharging, "success_other_transaction", Code::kept_for_review, recharging, kKept, 0, 5000},
    {recharging, "overdue_success_review", Code::already_processed, recharging, "", 0},
    {recharging, "overdue_success_credit", Code::already_processed, recharging, "", 0},
    {recharging, "overdue_success_refund", Code::already_processed, recharging, "", 0},
    {recharging, "overdue_success_paid_on_time", Code::already_processed, recharging, "", 0},
    {recharging, "overdue_success_paid_late", Code::already_processed, recharging, "", 0},
    {recharging, "fail", Code::already_processed, recharging, "", 0},
    {recharging, "close", Code::invalid_state, recharging, "", 0},
    {recharging, "refund_full", Code::invalid_state, recharging, "", 0},
    {recharging, "refund_partial", Code::invalid_state, recharging, "", 0},
    {recharging, "refund_again", Code::invalid_state, recharging, "", 0},
    {recharging, "refund_exceeding", Code::invalid_state, recharging, "", 0},
    {recharging, "refund_over_balance", Code::invalid_state, recharging, "", 0},
    {recharging, "expiry_due", Code::nothing_to_do, recharging, "", 0},
    {recharging, "expiry_early", Code::nothing_to_do, recharging, "", 0},
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << to_text(row.state) << ' ' << row.event;
}

class StateTable : public ::testing::TestWithParam<Row> {};

TEST_P(StateTable, Cell) {
  const Row& row = GetParam();
  Scenario s;
  ASSERT_NO_FATAL_FAILURE(reach(s, row.state));
  EXPECT_EQ(event_named(row.event)(s), row.code);
  EXPECT_EQ(s.status(), row.after);
  EXPECT_EQ(s.kinds(), row.facts);
  EXPECT_EQ(s.units(), row.balance);
  EXPECT_EQ(s.suspense(), row.suspense);
}

std::string name_of(const ::testing::TestParamInfo<Row>& row) {
  return std::string(to_text(row.param.state)) + "_" + std::string(row.param.event);
}
INSTANTIATE_TEST_SUITE_P(, StateTable, ::testing::ValuesIn(kRows), name_of);

// The table is complete: 18 events in 9 states, each once. What suppliers do: recharge_table_test.cc.
TEST(StateTableRows, CoverEveryCellOnce) {
  std::set<std::pair<OrderStatus, std::string_view>> cells;
  std::set<std::string_view> events;
  for (const auto& row : kRows) {
    EXPECT_TRUE(cells.emplace(row.state, row.event).second) << to_text(row.state) << ' ' << row.event;
    events.insert(row.event);
  }
  EXPECT_EQ(cells.size(), events.size() * kOrderStatuses);
  EXPECT_EQ(events.size(), 18u);
}

}  // namespace
}  // namespace recharge::testing
