// Recharges by suppliers: the state table, one named row for each cell of what an event does to an order in
// each step of the saga; and random histories of it, of which every record can be replayed from anywhere.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "core/transition.h"
#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Code = OutcomeCode;
using enum OrderStatus;

// The steps of the saga, each reached by commands.
enum class At {
  held,       // paid, nobody asked yet
  begun,      // a supplier is asked
  noted,      // and did not answer
  refused,    // it did nothing
  done,       // it recharged
  returning,  // nobody could: the refund is under way at a gateway that is called for it
  stranded,   // and was refused there
  returned,   // the payer has the money
};
constexpr std::array kSteps = {At::held, At::begun,     At::noted,    At::refused,
                               At::done, At::returning, At::stranded, At::returned};
constexpr std::array<std::string_view, 8> kStepNames = {"held", "begun",     "noted",    "refused",
                                                        "done", "returning", "stranded", "returned"};
std::string_view to_text(At at) { return kStepNames[static_cast<std::size_t>(at)]; }

constexpr std::string_view kRefundId = "recharge-failed";

Code pay_for(Scenario& s) {
  auto report = s.report({.gateway = "alipay", .fulfilment = Fulfilment::http});
  report.scheme = SignatureScheme::alipay;
  return s.execute(report);
}

void reach(Scenario& s, At at) {
  s.place();
  ASSERT_EQ(pay_for(s), Code::payment_held);
  if (at == At::held) return;
  ASSERT_EQ(s.begin_attempt(1, "acme"), Code::attempt_begun);
  if (at == At::begun) return;
  ASSERT_EQ(s.note_attempt(1), Code::attempt_noted);
  if (at == At::noted) return;
  ASSERT_EQ(s.end_attempt(1, at == At::done ? AttemptState::succeeded : AttemptState::failed),
            at == At::done ? Code::recharge_succeeded : Code::attempt_ended);
  if (at == At::refused || at == At::done) return;
  ASSERT_EQ(s.fail_recharge(), Code::recharge_failed);
  if (at == At::returning) return;
  ASSERT_EQ(s.settle(kRefundId, at == At::returned), Code::refund_settled);
}

using Event = Code (*)(Scenario&);
Event event_named(std::string_view name) {
  static const std::map<std::string_view, Event> events = {
      {"payment_again", [](Scenario& s) { return pay_for(s); }},
      {"begin_first", [](Scenario& s) { return s.begin_attempt(1, "acme"); }},
      {"begin_second", [](Scenario& s) { return s.begin_attempt(2, "other"); }},
      {"begin_third", [](Scenario& s) { return s.begin_attempt(3, "other"); }},
      {"note", [](Scenario& s) { return s.note_attempt(1); }},
      {"note_unknown", [](Scenario& s) { return s.note_attempt(9); }},
      {"succeed", [](Scenario& s) { return s.end_attempt(1, AttemptState::succeeded); }},
      {"succeed_unknown", [](Scenario& s) { return s.end_attempt(9, AttemptState::succeeded); }},
      {"fail", [](Scenario& s) { return s.end_attempt(1, AttemptState::failed); }},
      {"reject", [](Scenario& s) { return s.end_attempt(1, AttemptState::rejected); }},
      {"not_sent", [](Scenario& s) { return s.end_attempt(1, AttemptState::not_sent); }},
      {"give_up", [](Scenario& s) { return s.fail_recharge(); }},
      {"refund", [](Scenario& s) { return s.refund("r-9"); }},
      {"refund_partial", [](Scenario& s) { return s.refund("r-9", 1000); }},
      {"refund_succeeds", [](Scenario& s) { return s.settle(kRefundId, true); }},
      {"refund_refused", [](Scenario& s) { return s.settle(kRefundId, false); }},
  };
  return events.at(name);
}

struct Row {
  At at;
  std::string_view event;
  Code code;
  OrderStatus after;
  std::string_view facts;
  std::int64_t held;        // in the fulfilment account
  std::int64_t supplied;    // by acme
  std::int64_t in_transit;  // to the payer
  std::int64_t clearing;
};

constexpr std::string_view kBegins = "attempt work changed";
constexpr std::string_view kBeginsAgain = "attempt work";
constexpr std::string_view kRecharges = "attempt transfer changed work";
constexpr std::string_view kGivesUp = "work changed transfer refund changed work";
constexpr std::string_view kReserves = "transfer refund changed work";
constexpr std::string_view kSettles = "transfer refund changed work work";
constexpr std::string_view kReleases = "transfer refund changed work";

const Row kRows[] = {
    {At::held, "payment_again", Code::already_processed, paid, "", 5000, 0, 0, -5000},
    {At::held, "begin_first", Code::attempt_begun, recharging, kBegins, 5000, 0, 0, -5000},
    {At::held, "begin_second", Code::invalid_state, paid, "", 5000, 0, 0, -5000},
    {At::held, "begin_third", Code::invalid_state, paid, "", 5000, 0, 0, -5000},
    {At::held, "note", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "note_unknown", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "succeed", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "succeed_unknown", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "fail", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "reject", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "not_sent", Code::attempt_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "give_up", Code::recharge_failed, paid, kGivesUp, 0, 0, 5000, -5000},
    {At::held, "refund", Code::invalid_state, paid, "", 5000, 0, 0, -5000},
    {At::held, "refund_partial", Code::invalid_state, paid, "", 5000, 0, 0, -5000},
    {At::held, "refund_succeeds", Code::refund_not_found, paid, "", 5000, 0, 0, -5000},
    {At::held, "refund_refused", Code::refund_not_found, paid, "", 5000, 0, 0, -5000},
    {At::begun, "payment_again", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "begin_first", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "begin_second", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "begin_third", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "note", Code::attempt_noted, recharging, "attempt", 5000, 0, 0, -5000},
    {At::begun, "note_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "succeed", Code::recharge_succeeded, recharged, kRecharges, 0, 5000, 0, -5000},
    {At::begun, "succeed_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "fail", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::begun, "reject", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::begun, "not_sent", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::begun, "give_up", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "refund", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "refund_partial", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "refund_succeeds", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::begun, "refund_refused", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "payment_again", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "begin_first", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "begin_second", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "begin_third", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "note", Code::attempt_noted, recharging, "attempt", 5000, 0, 0, -5000},
    {At::noted, "note_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "succeed", Code::recharge_succeeded, recharged, kRecharges, 0, 5000, 0, -5000},
    {At::noted, "succeed_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "fail", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::noted, "reject", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::noted, "not_sent", Code::attempt_ended, recharging, "attempt", 5000, 0, 0, -5000},
    {At::noted, "give_up", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "refund", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "refund_partial", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "refund_succeeds", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::noted, "refund_refused", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "payment_again", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "begin_first", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "begin_second", Code::attempt_begun, recharging, kBeginsAgain, 5000, 0, 0, -5000},
    {At::refused, "begin_third", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "note", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "note_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "succeed", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "succeed_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "fail", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "reject", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "not_sent", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "give_up", Code::recharge_failed, recharging, kGivesUp, 0, 0, 5000, -5000},
    {At::refused, "refund", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "refund_partial", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "refund_succeeds", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::refused, "refund_refused", Code::refund_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::done, "payment_again", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "begin_first", Code::invalid_state, recharged, "", 0, 5000, 0, -5000},
    {At::done, "begin_second", Code::invalid_state, recharged, "", 0, 5000, 0, -5000},
    {At::done, "begin_third", Code::invalid_state, recharged, "", 0, 5000, 0, -5000},
    {At::done, "note", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "note_unknown", Code::attempt_not_found, recharged, "", 0, 5000, 0, -5000},
    {At::done, "succeed", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "succeed_unknown", Code::attempt_not_found, recharged, "", 0, 5000, 0, -5000},
    {At::done, "fail", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "reject", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "not_sent", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "give_up", Code::already_processed, recharged, "", 0, 5000, 0, -5000},
    {At::done, "refund", Code::invalid_state, recharged, "", 0, 5000, 0, -5000},
    {At::done, "refund_partial", Code::invalid_state, recharged, "", 0, 5000, 0, -5000},
    {At::done, "refund_succeeds", Code::refund_not_found, recharged, "", 0, 5000, 0, -5000},
    {At::done, "refund_refused", Code::refund_not_found, recharged, "", 0, 5000, 0, -5000},
    {At::returning, "payment_again", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "begin_first", Code::invalid_state, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "begin_second", Code::invalid_state, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "begin_third", Code::invalid_state, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "note", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "note_unknown", Code::attempt_not_found, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "succeed", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "succeed_unknown", Code::attempt_not_found, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "fail", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "reject", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "not_sent", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "give_up", Code::already_processed, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "refund", Code::refund_exceeds_payment, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "refund_partial", Code::refund_exceeds_payment, recharging, "", 0, 0, 5000, -5000},
    {At::returning, "refund_succeeds", Code::refund_settled, refunded, kSettles, 0, 0, 0, 0},
    {At::returning, "refund_refused", Code::refund_settled, recharging, kReleases, 5000, 0, 0, -5000},
    {At::stranded, "payment_again", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "begin_first", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "begin_second", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "begin_third", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "note", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "note_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "succeed", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "succeed_unknown", Code::attempt_not_found, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "fail", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "reject", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "not_sent", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "give_up", Code::already_processed, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "refund", Code::refund_requested, recharging, kReserves, 0, 0, 5000, -5000},
    {At::stranded, "refund_partial", Code::invalid_state, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "refund_succeeds", Code::refund_settled, recharging, "", 5000, 0, 0, -5000},
    {At::stranded, "refund_refused", Code::refund_settled, recharging, "", 5000, 0, 0, -5000},
    {At::returned, "payment_again", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "begin_first", Code::invalid_state, refunded, "", 0, 0, 0, 0},
    {At::returned, "begin_second", Code::invalid_state, refunded, "", 0, 0, 0, 0},
    {At::returned, "begin_third", Code::invalid_state, refunded, "", 0, 0, 0, 0},
    {At::returned, "note", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "note_unknown", Code::attempt_not_found, refunded, "", 0, 0, 0, 0},
    {At::returned, "succeed", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "succeed_unknown", Code::attempt_not_found, refunded, "", 0, 0, 0, 0},
    {At::returned, "fail", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "reject", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "not_sent", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "give_up", Code::already_processed, refunded, "", 0, 0, 0, 0},
    {At::returned, "refund", Code::invalid_state, refunded, "", 0, 0, 0, 0},
    {At::returned, "refund_partial", Code::invalid_state, refunded, "", 0, 0, 0, 0},
    {At::returned, "refund_succeeds", Code::refund_settled, refunded, "", 0, 0, 0, 0},
    {At::returned, "refund_refused", Code::refund_settled, refunded, "", 0, 0, 0, 0},
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << to_text(row.at) << ' ' << row.event;
}

class RechargeTable : public ::testing::TestWithParam<Row> {};

TEST_P(RechargeTable, Cell) {
  const Row& row = GetParam();
  Scenario s;
  ASSERT_NO_FATAL_FAILURE(reach(s, row.at));
  EXPECT_EQ(event_named(row.event)(s), row.code);
  EXPECT_EQ(s.status(), row.after);
  EXPECT_EQ(s.kinds(), row.facts);
  EXPECT_EQ(s.house(LedgerAccountKind::fulfilment, "alipay"), cents(row.held));
  EXPECT_EQ(s.house(LedgerAccountKind::supplied, "acme"), cents(row.supplied));
  EXPECT_EQ(s.in_transit("alipay"), row.in_transit);
  EXPECT_EQ(s.clearing("alipay"), row.clearing);
  EXPECT_EQ(s.units(), 0) << "the wallet has nothing to do with it";
}

INSTANTIATE_TEST_SUITE_P(, RechargeTable, ::testing::ValuesIn(kRows), [](const auto& row) {
  return std::string(to_text(row.param.at)) + "_" + std::string(row.param.event);
});

TEST(RechargeTableRows, CoverEveryCellOnce) {
  std::set<std::pair<At, std::string_view>> cells;
  std::set<std::string_view> events;
  for (const auto& row : kRows) {
    EXPECT_TRUE(cells.emplace(row.at, row.event).second) << row;
    events.insert(row.event);
  }
  EXPECT_EQ(cells.size(), events.size() * kSteps.size());
  EXPECT_EQ(events.size(), 16u);
}

// What the first payment does to an order that a supplier is to recharge, in each state that takes one.
TEST(HeldPayment, TakesThePlaceOfTheCredit) {
  for (const auto reach_it : std::initializer_list<void (*)(Scenario&)>{
           [](Scenario&) {}, [](Scenario& s) { s.pay(); }, [](Scenario& s) { s.fail(); }}) {
    Scenario s;
    s.place();
    reach_it(s);
    EXPECT_EQ(s.callback({.fulfilment = Fulfilment::amqp}), Code::payment_held);
    EXPECT_EQ(s.status(), paid);
    EXPECT_EQ(s.order(s.id).fulfilment, Fulfilment::amqp);
    EXPECT_TRUE(s.order(s.id).is_held());
    EXPECT_EQ(s.callback({.fulfilment = Fulfilment::wallet}), Code::already_processed)
        << "another setting now changes nothing of what is on its way";
    EXPECT_EQ(s.close(), Code::invalid_state);
    EXPECT_EQ(s.fail(), Code::already_processed);
    s.pass_expiry();
    EXPECT_EQ(s.expire(), Code::nothing_to_do);
  }
}

TEST(HeldPayment, IsOneThatCameLateWhereThePolicySaysSo) {
  Scenario s;
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.callback({.late = PaymentPolicy::credit, .fulfilment = Fulfilment::http}), Code::payment_held);
  s.place();
  s.pass_expiry();
  EXPECT_EQ(s.callback({.fulfilment = Fulfilment::http}), Code::kept_for_review);
  EXPECT_EQ(s.status(), expired);
}

TEST(HeldPayment, OfASenderWithoutCallsIsReturnedAtOnce) {
  Scenario s;
  s.place();
  s.callback({.fulfilment = Fulfilment::http});
  EXPECT_EQ(s.fail_recharge(), Code::refund_settled);
  EXPECT_EQ(s.status(), refunded);
  EXPECT_EQ(s.clearing(), 0);
  EXPECT_TRUE(s.records.gateway_works.empty());
}

TEST(RequestIds, AreTheSameOnEachRepeatAndReadBack) {
  Scenario s;
  s.place();
  const auto id = request_id_of(s.id, 17);
  EXPECT_EQ(id.view(), s.id.to_text() + "-17");
  EXPECT_EQ(request_id_of(s.id, 17), id);
  const auto name = parse_request_id(id.view());
  ASSERT_TRUE(name);
  EXPECT_EQ(name->order_id, s.id);
  EXPECT_EQ(name->number, 17);
  const std::string order = s.id.to_text();
  for (const std::string& bad : {order, order + "-", order + "-0", order + "-01", order + "-65536",
                                 order + "-1x", order + "_1", "x" + order.substr(1) + "-1"}) {
    EXPECT_FALSE(parse_request_id(bad)) << bad;
  }
}

// Any commands in any order: the invariants of the ledger hold after each (the driver looks), and the facts
// can be applied again from anywhere.
class RandomSaga {
 public:
  RandomSaga(std::uint64_t seed, RuleDriver& driver) : random_(seed), driver_(driver) {}

  Command next() {
    if (orders_.empty() || (orders_.size() < 4 && below(6) == 0)) return place();
    driver_.now.ms += static_cast<std::int64_t>(below(2000));
    const OrderId order = orders_[below(orders_.size())];
    const auto number = static_cast<std::uint16_t>(1 + below(4));
    const auto state = static_cast<AttemptState>(1 + below(4));
    switch (below(10)) {
      case 0:
      case 1:
        return report(order);
      case 2:
      case 3:
        return BeginAttempt{order, number, text<SupplierName>(below(2) == 0 ? "acme" : "other")};
      case 4:
        return NoteAttempt{order, number, text<AttemptReason>("no answer")};
      case 5:
      case 6:
        return EndAttempt{order, number, state, text<TransactionId>("ref"), {}};
      case 7:
        return FailRecharge{order};
      case 8:
        return RequestRefund{order, text<RefundId>("r-" + std::to_string(below(2))), {}, below(2) == 0};
      default:
        return SettleRefund{order, text<RefundId>(below(2) == 0 ? std::string(kRefundId) : "r-0"),
                            below(2) == 0};
    }
  }
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

 private:
  Command place() {
    PlaceOrder command;
    command.order_id = driver_.fresh_order_id();
    command.account = text<Account>(kUser);
    command.amount = cents(5000);
    command.currency = kCny;
    command.expire_after_ms = kExpireAfterMs;
    orders_.push_back(command.order_id);
    return command;
  }
  ReportPayment report(const OrderId& order) {
    ReportPayment command;
    command.order_id = order;
    command.reference = text<OrderReference>(order.to_text());
    command.gateway = text<GatewayName>(kNativeGateway);
    command.scheme = below(2) == 0 ? SignatureScheme::alipay : SignatureScheme::fields;
    command.transaction_id = text<TransactionId>(below(5) == 0 ? "txn_2" : "txn_1");
    command.amount = cents(5000);
    command.fulfilment = static_cast<Fulfilment>(below(3));
    command.policies.duplicate = PaymentPolicy::refund;
    command.exception_id = driver_.fresh_exception_id();
    command.currency = kCny;
    command.key_id = text<KeyId>("key-1");
    return command;
  }

  std::mt19937_64 random_;
  RuleDriver& driver_;
  std::vector<OrderId> orders_;
};

MapRecords replayed_from(MapRecords records, const std::vector<Bytes>& journal, std::size_t from) {
  for (std::size_t i = from; i < journal.size(); ++i) {
    JournalRecord record;
    EXPECT_TRUE(decode_record(journal[i], record));
    for (const auto& fact : record.facts) recharge::apply(fact, records);
  }
  return records;
}

bool is_same(const MapRecords& a, const MapRecords& b) { return same(a, b); }

TEST(RandomSagas, KeepTheBooksAndReplayFromEveryEarlierPosition) {
  std::set<OutcomeCode> codes;
  std::set<std::pair<Fulfilment, OrderStatus>> ends;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    RuleDriver driver;
    driver.keep_snapshots = true;
    RandomSaga saga(seed, driver);
    for (int i = 0; i < 80; ++i) {
      codes.insert(driver.execute(saga.next()));
      ASSERT_TRUE(driver.broken.empty()) << driver.broken.front() << ", seed " << seed << ", command " << i;
    }
    const MapRecords& last = driver.records;
    for (std::size_t from = 0; from <= driver.journal.size(); from += 7) {
      ASSERT_TRUE(is_same(replayed_from(last, driver.journal, from), last)) << "seed " << seed;
      if (from == driver.journal.size()) continue;
      const auto later = from + saga.below(driver.journal.size() - from);
      ASSERT_TRUE(is_same(replayed_from(driver.snapshots[later], driver.journal, from), last))
          << "seed " << seed << " from " << from << " over " << later;
    }
    for (const auto& [id, order] : driver.records.orders) ends.emplace(order.fulfilment, order.status);
  }
  for (const auto code : {Code::payment_held, Code::attempt_begun, Code::attempt_noted, Code::attempt_ended,
                          Code::recharge_succeeded, Code::recharge_failed, Code::refund_settled,
                          Code::attempt_not_found, Code::invalid_state, Code::already_processed}) {
    EXPECT_TRUE(codes.contains(code)) << static_cast<int>(code);
  }
  for (const auto status : {paid, recharging, recharged, refunded})
    EXPECT_TRUE(ends.contains({Fulfilment::http, status})) << recharge::to_text(status);
}

// Broken builds that the invariants must catch.
TEST(BrokenSaga, ThatForgetsAnAttemptOrItsWorkIsCaught) {
  for (const std::size_t lost : {Fact(GatewayWorkChanged()).index(), Fact(AttemptRecorded()).index()}) {
    bool caught = false;
    for (std::uint64_t seed = 1; seed <= 20 && !caught; ++seed) {
      RuleDriver driver;
      driver.apply_fact = [lost](const Fact& fact, RecordSink& sink) {
        if (fact.index() != lost) recharge::apply(fact, sink);
      };
      RandomSaga saga(seed, driver);
      for (int i = 0; i < 80 && !caught; ++i) {
        driver.execute(saga.next());
        caught = !driver.broken.empty();
      }
    }
    EXPECT_TRUE(caught) << "fact " << lost;
  }
}

}  // namespace
}  // namespace recharge::testing
