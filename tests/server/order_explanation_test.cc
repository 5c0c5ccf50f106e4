// What an explanation says: one row for each state of an order, and for each kind of exception, open and
// resolved in each way. Steps are compared whole; so are `missing` and what the next action must name.
#include "server/order_explanation.h"

#include <gtest/gtest.h>

#include <set>

#include "server/order_history.h"
#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

using Action = ExceptionAction;
using Kind = ExceptionKind;
using Status = OrderStatus;

constexpr std::int64_t kStaleMs = kToleranceMs + 3'300'000;

// kStart is 2023-11-14T22:13:20Z; orders expire half an hour later.

const std::string kExpiryText = "2023-11-14T22:43:20.000Z";
const std::string kPlaced = "order placed for 50.00 CNY, to be paid by " + kExpiryText;
const std::string kCredited = "verified callback: 50.00 CNY credited, transaction txn_1";
const std::string kHeld = "verified callback: 50.00 CNY paid, for a supplier to recharge, transaction txn_1";
const std::string kFailed = "verified callback: the payment failed";

std::string kept(std::string_view kind, std::string_view amount = "50.00", std::string_view txn = "txn_1") {
  return "exception " + std::string(kind) + " opened: " + std::string(amount) +
         " CNY kept, not credited, transaction " + std::string(txn);
}
std::string resolved(std::string_view kind, std::string_view how) {
  return "exception " + std::string(kind) + " resolved: " + std::string(how);
}
const std::string kByHand = " (checked by hand)";

Explanation explanation_of(Scenario& s) {
  Explanation all;
  all.order_id = s.id;
  if (const auto found = s.records.orders.find(s.id); found != s.records.orders.end()) {
    all.order = found->second;
  }
  for (const auto& [key, refund] : s.records.refunds) all.refunds.push_back(refund);
  for (const auto& [key, attempt] : s.records.attempts) all.attempts.push_back(attempt);
  for (const auto& [id, exception] : s.records.exceptions) {
    if (exception.reference.view() == s.id.to_text()) all.exceptions.push_back(exception);
  }
  return all;
}

std::string json_of(const Explanation& explanation) {
  std::string text;
  JsonText json(text);
  write_explanation(json, explanation);
  return text;
}

// The value of a member of the outermost object, as it stands.
std::string member(const std::string& json, const std::string& name) {
  const auto at = json.rfind("\"" + name + "\":");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 3;
  return json.substr(from,
                     json.find_first_of(",}", json[from] == '"' ? json.find('"', from + 1) : from) - from);
}

struct Row {
  std::string name;
  std::function<void(Scenario&)> happens;
  std::vector<std::string> steps;  // "event", or "event <- expected <> came"
  std::string missing;             // empty: null
  std::string next;                // must be in the next action; empty: null
};

std::string shown(const Happening& step) {
  return step.expected.empty() ? step.event : step.event + " <- " + step.expected + " <> " + step.came;
}

std::vector<std::string> shown(const Explanation& explanation) {
  std::vector<std::string> all;
  for (const auto& step : order_history(explanation)) all.push_back(shown(step));
  return all;
}

void keep(Scenario& s, Kind kind) {
  s.place(5000, kind == Kind::gateway_mismatch ? "other" : "");
  s.pass(1000);
  if (kind == Kind::late_payment) s.close();
  if (kind == Kind::duplicate_payment) s.callback({.transaction = "first"});
  if (kind == Kind::unknown_order) s.id = s.fresh_order_id();
  if (kind == Kind::balance_limit) {
    const auto id = s.id;
    s.place(kMaxBalance.minor_units());
    s.callback({.transaction = "all", .amount = kMaxBalance.minor_units()});
    s.id = id;
  }
  s.pass(1000);
  s.callback({.amount = kind == Kind::amount_mismatch ? 4999 : 5000,
              .sent_ago_ms = kind == Kind::stale_callback ? kStaleMs : 0});
}

void keep_and_resolve(Scenario& s, Kind kind, Action action) {
  keep(s, kind);
  s.pass(1000);
  if (kind == Kind::balance_limit && action == Action::credit) s.spend("room", 5000);
  ASSERT_EQ(s.resolve(s.newest_exception().id, action), OutcomeCode::exception_resolved);
}

const std::vector<Row>& states() {
  static const std::vector<Row> rows = {
      {"pending",
       [](Scenario& s) { s.place(); },
       {kPlaced},
       "a payment and its verified callback",
       "pay by " + kExpiryText + ": recharge pay "},
      {"paid",
       [](Scenario& s) { s.place(), s.pass(1), s.pay(); },
       {kPlaced, "payment simulated: marked paid, not credited"},
       "the gateway's verified callback",
       "have the gateway send its callback again"},
      {"paid, for a supplier",
       [](Scenario& s) { s.place(), s.pass(1), s.callback({.fulfilment = Fulfilment::http}); },
       {kPlaced, kHeld},
       "a supplier that can be asked",
       "recharge orders stuck"},
      {"recharging",
       [](Scenario& s) {
         s.place(), s.pass(1), s.callback({.fulfilment = Fulfilment::http}), s.pass(1),
             s.begin_attempt(1, "acme");
       },
       {kPlaced, kHeld, "attempt 1, request ID-1: supplier acme asked"},
       "the answer of the supplier acme, which may have done it",
       "wait: it is asked again"},
      {"failed",
       [](Scenario& s) { s.place(), s.pass(1), s.fail(); },
       {kPlaced, kFailed},
       "a payment that succeeds",
       "pay again by " + kExpiryText + ": recharge pay "},
      {"failed, simulated",
       [](Scenario& s) { s.place(), s.pass(1), s.pay(false); },
       {kPlaced, "payment failed"},
       "a payment that succeeds",
       "pay again by "},
      {"recharged", [](Scenario& s) { s.place(), s.pass(1), s.callback(); }, {kPlaced, kCredited}, "", ""},
      {"recharged, with a payment time",
       [](Scenario& s) { s.place(), s.pass(5000), s.callback({.paid_at = Time{kStart.ms + 1000}}); },
       {kPlaced, "paid, as the gateway says", kCredited},
       "",
       ""},
      {"recharged after a failure",
       [](Scenario& s) { s.place(), s.pass(1), s.fail(), s.pass(1), s.callback(); },
       {kPlaced, "payment failed", kCredited},
       "",
       ""},
      {"recharged after the closing, by policy",
       [](Scenario& s) {
         s.place(), s.pass(1), s.close(), s.pass(1), s.callback({.late = PaymentPolicy::credit});
       },
       {kPlaced, "order closed", kCredited},
       "",
       ""},
      {"recharged after expiry, paid in time",
       [](Scenario& s) { s.place(), s.pass_expiry(), s.callback({.paid_at = Time{kStart.ms + 1000}}); },
       {kPlaced, "paid, as the gateway says", "order expired without a payment", kCredited},
       "",
       ""},
      {"closed",
       [](Scenario& s) { s.place(), s.pass(1), s.close(); },
       {kPlaced, "order closed"},
       "",
       "place a new order"},
      {"closed after a failure",
       [](Scenario& s) { s.place(), s.pass(1), s.fail(), s.pass(1), s.close(); },
       {kPlaced, kFailed, "order closed"},
       "",
       "place a new order"},
      {"expired",
       [](Scenario& s) { s.place(), s.pass_expiry(), s.expire(); },
       {kPlaced, "order expired without a payment"},
       "",
       "it is credited if it was paid in time"},
      {"partially_refunded",
       [](Scenario& s) { s.place(), s.pass(1), s.callback(), s.pass(1), s.refund("r1", 2000); },
       {kPlaced, kCredited, "refund r1 of 20.00 CNY requested, taken from the balance",
        "refund r1 of 20.00 CNY settled"},
       "",
       ""},
      {"refunded",
       [](Scenario& s) { s.place(), s.pass(1), s.callback(), s.pass(1), s.refund("r1"); },
       {kPlaced, kCredited, "refund r1 of 50.00 CNY requested, taken from the balance",
        "refund r1 of 50.00 CNY settled"},
       "",
       ""},
      {"refund pending",
       [](Scenario& s) { s.place(), s.pass(1), s.callback(), s.pass(1), s.refund("r1", 2000, false); },
       {kPlaced, kCredited, "refund r1 of 20.00 CNY requested, taken from the balance"},
       "the gateway's answer to the refund r1",
       "ask the gateway about the refund"},
      {"refund failed",
       [](Scenario& s) {
         s.place(), s.pass(1), s.callback(), s.pass(1), s.refund("r1", 2000, false), s.pass(1);
         s.settle("r1", false);
       },
       {kPlaced, kCredited, "refund r1 of 20.00 CNY requested, taken from the balance",
        "refund r1 of 20.00 CNY failed, back on the balance"},
       "",
       ""},
  };
  return rows;
}

// The steps up to the keeping of the payment, with what was expected and what came.
std::vector<std::string> steps_of(Kind kind) {
  const std::string arrived = "2023-11-14T22:13:22.000Z";
  switch (kind) {
    case Kind::late_payment:
      return {kPlaced, "order closed",
              kept("late_payment") +
                  " <- a callback before the order was closed at 2023-11-14T22:13:21.000Z <> " +
                  "one that arrived at " + arrived + ", without a payment time"};
    case Kind::duplicate_payment:
      return {kPlaced, "verified callback: 50.00 CNY credited, transaction first",
              kept("duplicate_payment") + " <- one payment, transaction first <> another, transaction txn_1"};
    case Kind::amount_mismatch:
      return {kPlaced, kept("amount_mismatch", "49.99") + " <- 50.00 CNY <> 49.99 CNY"};
    case Kind::gateway_mismatch:
      return {kPlaced,
              kept("gateway_mismatch") + " <- a callback of the gateway other <> one of the gateway native"};
    case Kind::unknown_order:
      return {kept("unknown_order") + " <- the id of an order <> ID, which no order has"};
    case Kind::stale_callback:
      return {kPlaced, kept("stale_callback") +
                           " <- a callback signed within callback.tolerance_s of its arrival at " + arrived +
                           " <> one signed at 2023-11-14T21:13:22.000Z, 3600 s before it arrived"};
    case Kind::balance_limit:
      return {kPlaced, kept("balance_limit") +
                           " <- a balance of at most 9999999999999.99 CNY after the credit <> " +
                           "50.00 CNY, which would exceed it"};
  }
  return {};
}

void replace_id(std::vector<std::string>& steps, const OrderId& id) {
  for (auto& step : steps) {
    if (const auto at = step.find(" ID"); at != std::string::npos) step.replace(at + 1, 2, id.to_text());
  }
}

class OrderStates : public ::testing::TestWithParam<Row> {};

TEST_P(OrderStates, AreExplained) {
  Scenario s;
  GetParam().happens(s);
  const auto explanation = explanation_of(s);
  auto steps = GetParam().steps;
  replace_id(steps, s.id);
  EXPECT_EQ(shown(explanation), steps);
  const auto json = json_of(explanation);
  EXPECT_EQ(member(json, "missing"), GetParam().missing.empty() ? "null" : '"' + GetParam().missing + '"');
  if (GetParam().next.empty()) {
    EXPECT_EQ(member(json, "next_action"), "null");
  } else {
    EXPECT_NE(json.find(GetParam().next, json.find("\"next_action\"")), std::string::npos) << json;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, OrderStates, ::testing::ValuesIn(states()), [](const auto& row) {
  std::string name = row.param.name;
  std::erase_if(name, [](char c) { return c == ','; });
  for (auto& c : name) c = c == ' ' ? '_' : c;
  return name;
});

TEST(OrderStates, EachHasARow) {
  std::set<Status> seen;
  for (const auto& row : states()) {
    Scenario s;
    row.happens(s);
    seen.insert(s.status());
  }
  EXPECT_EQ(seen.size(), kOrderStatuses);
}

class Exceptions : public ::testing::TestWithParam<Kind> {};

TEST_P(Exceptions, OpenOnesSayWhatWasExpectedAndNameTheCommand) {
  Scenario s;
  keep(s, GetParam());
  const auto explanation = explanation_of(s);
  auto steps = steps_of(GetParam());
  replace_id(steps, s.id);
  EXPECT_EQ(shown(explanation), steps);
  const auto json = json_of(explanation);
  const std::string kind(to_text(GetParam()));
  EXPECT_EQ(member(json, "missing"), "\"a decision on the payment kept as " + kind + '"');
  const auto id = s.newest_exception().id.to_text();
  const std::string actions = GetParam() == Kind::unknown_order ? "refund|dismiss" : "credit|refund|dismiss";
  EXPECT_NE(json.find("recharge exceptions resolve " + id + " --action " + actions +
                      ", or POST /api/exceptions/" + id + "/resolve"),
            std::string::npos)
      << json;
  const auto digest = digest_hex(s.newest_exception().evidence);
  EXPECT_NE(json.find(R"("key_id":"key-1","scheme":"fields","digest":")" + digest + '"'), std::string::npos);
  EXPECT_NE(json.find(R"("exception_id":")" + id + '"'), std::string::npos);
  EXPECT_EQ(json.find(R"("status":null)") != std::string::npos, GetParam() == Kind::unknown_order);
}

TEST_P(Exceptions, ResolvedOnesSayHow) {
  const std::string kind(to_text(GetParam()));
  const std::vector<std::pair<Action, std::string>> ways = {
      {Action::credit, "credited to the account's balance"},
      {Action::refund, "sent back to the payer"},
      {Action::dismiss, "dismissed, nobody was credited"}};
  for (const auto& [action, words] : ways) {
    if (GetParam() == Kind::unknown_order && action == Action::credit) continue;  // there is no account
    SCOPED_TRACE(words);
    Scenario s;
    keep_and_resolve(s, GetParam(), action);
    auto steps = steps_of(GetParam());
    replace_id(steps, s.id);
    steps.push_back(resolved(kind, words + kByHand));
    const auto explanation = explanation_of(s);
    EXPECT_EQ(shown(explanation), steps);
    const auto json = json_of(explanation);
    EXPECT_EQ(json.find("recharge exceptions resolve"), std::string::npos) << json;
    const bool settled = GetParam() == Kind::unknown_order || GetParam() == Kind::duplicate_payment ||
                         action == Action::credit;
    EXPECT_EQ(member(json, "missing") == "null", settled || GetParam() == Kind::late_payment) << json;
    if (action == Action::credit && awaits_payment(explanation.order->status)) {
      EXPECT_NE(json.find("the payment was credited by decision"), std::string::npos) << json;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Exceptions,
                         ::testing::Values(Kind::late_payment, Kind::duplicate_payment, Kind::amount_mismatch,
                                           Kind::gateway_mismatch, Kind::unknown_order, Kind::stale_callback,
                                           Kind::balance_limit),
                         [](const auto& row) { return std::string(to_text(row.param)); });

TEST(Exceptions, ASupersededOneIsFollowedByThePayment) {
  for (const Kind kind : {Kind::stale_callback, Kind::amount_mismatch}) {
    Scenario s;
    keep(s, kind);
    s.pass(1000);
    EXPECT_EQ(s.callback(), OutcomeCode::recharge_succeeded);
    auto steps = steps_of(kind);
    steps.push_back(resolved(to_text(kind), "superseded, the payment came again and is told below"));
    steps.push_back(kCredited);
    EXPECT_EQ(shown(explanation_of(s)), steps);
    EXPECT_EQ(member(json_of(explanation_of(s)), "next_action"), "null");
  }
}

TEST(Exceptions, ALateOneOfAnExpiredOrderNamesTheTimes) {
  Scenario s;
  s.place();
  s.pass_expiry();
  s.pass(60'000);
  s.callback({.paid_at = s.now});
  EXPECT_EQ(shown(explanation_of(s)).back(),
            kept("late_payment") + " <- a payment by " + kExpiryText +
                ", when the order expired <> one that " +
                "arrived at 2023-11-14T22:44:20.001Z, paid at 2023-11-14T22:44:20.001Z as the gateway says");
}

TEST(Exceptions, SeveralOpenOnesAreCounted) {
  Scenario s;
  keep(s, Kind::duplicate_payment);
  s.callback({.transaction = "third"});
  s.callback({.transaction = "fourth"});
  EXPECT_NE(json_of(explanation_of(s)).find("; 2 more: recharge exceptions list"), std::string::npos);
}

TEST(Evidence, IsThatOfTheCallbackThatDecided) {
  Scenario s;
  s.place();
  s.pass(1);
  auto report = s.report({.evidence = "the body"});
  report.scheme = SignatureScheme::both;
  s.execute(report);
  const auto explanation = explanation_of(s);
  const auto steps = order_history(explanation);
  const auto& evidence = steps.back().evidence;
  EXPECT_EQ(evidence.gateway, "native");
  EXPECT_EQ(evidence.key_id, "key-1");
  EXPECT_EQ(evidence.scheme, "both");
  EXPECT_EQ(*evidence.digest, digest_of("the body"));
  EXPECT_EQ(steps.front().evidence.digest, nullptr);
}

TEST(StartedPayments, AreToldWithTheTimeOfTheNextQuestion) {
  Scenario s;
  s.place();
  Explanation explanation = explanation_of(s);
  const Time placed = explanation.order->created_at();
  GatewayWork work;
  work.key = GatewayWorkKey::of_payment(s.id, PayMethod::qr);
  ASSERT_TRUE(work.gateway.assign("alipay"));
  work.started_at = Time{placed.ms + 1000};
  explanation.payments.push_back(work);
  EXPECT_EQ(shown(explanation).back(), "payment started at alipay, by a code to scan");
  const auto next = [&](std::int64_t age_ms, bool called) {
    std::string text;
    JsonText json(text);
    write_explanation(json, explanation,
                      {Time{work.started_at.ms + age_ms}, [called](const GatewayName&) { return called; }});
    return member(text, "next_action");
  };
  for (const auto& [age_ms, asked_ms] : {std::pair{0, 5'000},
                                         {5'000, 15'000},
                                         {61'000, 300'000},
                                         {300'000, 600'000},
                                         {1'790'000, 1'800'000}}) {
    const Time asked{std::min(work.started_at.ms + asked_ms, explanation.order->expires_at.ms + 1000)};
    EXPECT_NE(next(age_ms, true).find("the next time by " + to_rfc3339(asked)), std::string::npos) << age_ms;
  }
  EXPECT_NE(next(0, false).find("give the keys of alipay"), std::string::npos);
}

// Broken on purpose: an explanation that leaves out what was kept does not pass the table.
TEST(Exceptions, OneLeftOutIsNoticed) {
  for (std::size_t kind = 0; kind < kExceptionKinds; ++kind) {
    Scenario s;
    keep(s, static_cast<Kind>(kind));
    auto explanation = explanation_of(s);
    explanation.exceptions.clear();
    auto steps = steps_of(static_cast<Kind>(kind));
    replace_id(steps, s.id);
    EXPECT_NE(shown(explanation), steps);
  }
}

}  // namespace
}  // namespace recharge::testing
