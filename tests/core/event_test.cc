#include "core/event.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/core/random_history.h"
#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

constexpr EventId kPlace{3, 17, 2, 0};

Events events_in(const Bytes& bytes) {
  JournalRecord record;
  EXPECT_TRUE(decode_record(bytes, record));
  Events events;
  events_of(record, kPlace, events);
  return events;
}

std::string names(const RuleDriver& driver) {
  std::string all;
  for (const Bytes& record : driver.journal) {
    for (const Event& event : events_in(record)) {
      if (!all.empty()) all += ' ';
      all += to_text(event.type);
    }
  }
  return all;
}

// What an event shows of an order: all but evidence, the predecessor, and what it ended in.
Order shown_part(Order order) {
  order.evidence = {};
  order.evidence_key = {};
  order.evidence_at = {};
  order.evidence_scheme = {};
  order.previous = {};
  order.ended_as = {};
  return order;
}

struct Case {
  const char* name;
  const char* expected;
  void (*act)(Scenario&);
};

const Case kCases[] = {
    {"Placed", "order.placed", [](Scenario& s) { s.place(); }},
    {"PaidAndRecharged", "order.placed order.paid order.recharged",
     [](Scenario& s) {
       s.place();
       s.pay();
       s.callback();
     }},
    {"RepeatsMakeNone", "order.placed order.recharged",
     [](Scenario& s) {
       s.place();
       s.callback();
       s.callback();
     }},
    {"Failed", "order.placed order.failed",
     [](Scenario& s) {
       s.place();
       s.fail();
     }},
    {"Closed", "order.placed order.closed",
     [](Scenario& s) {
       s.place();
       s.close();
     }},
    {"Expired", "order.placed order.expired",
     [](Scenario& s) {
       s.place();
       s.now.ms += kExpireAfterMs + 1;
       s.expire();
     }},
    {"ExpiredByAPaymentThatIsKept", "order.placed order.expired exception.opened",
     [](Scenario& s) {
       s.place();
       s.now.ms += kExpireAfterMs + 1;
       s.callback();
     }},
    {"AnotherAmountThenTheRightOne", "order.placed exception.opened exception.resolved order.recharged",
     [](Scenario& s) {
       s.place();
       s.callback({.amount = 4999});
       s.callback();
     }},
    {"RechargedByASupplier", "order.placed order.paid order.recharging order.recharged",
     [](Scenario& s) {
       s.place();
       s.callback({.fulfilment = Fulfilment::http});
       s.begin_attempt(1, "acme");
       s.note_attempt(1);
       s.end_attempt(1, AttemptState::succeeded);
       s.end_attempt(1, AttemptState::succeeded);
     }},
    {"AskedOfWorkersAgainWhereNoneAnswers",
     "order.placed order.paid recharge.requested order.recharging recharge.requested order.recharged",
     [](Scenario& s) {
       s.place();
       s.callback({.fulfilment = Fulfilment::amqp});
       s.begin_attempt(1, "amqp");
       s.note_attempt(1);
       s.end_attempt(1, AttemptState::succeeded);
     }},
    {"NotRechargedByAnySupplier",
     "order.placed order.paid order.recharging order.recharge_failed refund.requested refund.succeeded",
     [](Scenario& s) {
       s.place();
       s.callback({.fulfilment = Fulfilment::http});
       s.begin_attempt(1, "acme");
       s.end_attempt(1, AttemptState::failed);
       s.begin_attempt(2, "other");
       s.end_attempt(2, AttemptState::rejected);
       s.fail_recharge();
     }},
    {"UnknownOrder", "exception.opened", [](Scenario& s) {
       s.id = s.fresh_order_id();
       s.callback();
     }}};

class EventTypes : public ::testing::TestWithParam<Case> {};
TEST_P(EventTypes, AreToldInOrder) {
  Scenario scenario;
  GetParam().act(scenario);
  EXPECT_EQ(names(scenario), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(, EventTypes, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(EventsOf, ARefundAndADebitCarryWhatWasRecorded) {
  Scenario scenario;
  scenario.place();
  scenario.callback();
  RequestRefund refund{scenario.id, text<RefundId>("r1"), cents(1000)};
  ASSERT_EQ(scenario.execute(refund), OutcomeCode::refund_settled);
  auto events = events_in(scenario.journal.back());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].type, EventType::refund_requested);
  EXPECT_EQ(std::get<Refund>(events[0].detail).status, RefundStatus::pending);
  EXPECT_EQ(events[0].order->refunded, cents(0));
  EXPECT_EQ(events[1].type, EventType::refund_succeeded);
  EXPECT_EQ(std::get<Refund>(events[1].detail).status, RefundStatus::succeeded);
  EXPECT_EQ(events[1].order->refunded, cents(1000));
  EXPECT_EQ(events[1].order->status, OrderStatus::partially_refunded);
  SpendBalance spend;
  spend.account = text<Account>(kUser);
  spend.debit_id = text<DebitId>("d1");
  spend.amount = cents(500);
  spend.currency = kCny;
  spend.shard = kShard;
  ASSERT_EQ(scenario.execute(spend), OutcomeCode::balance_spent);
  events = events_in(scenario.journal.back());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].type, EventType::account_debited);
  EXPECT_EQ(events[0].account.view(), kUser);
  EXPECT_FALSE(events[0].order);
  EXPECT_EQ(std::get<Transfer>(events[0].detail).balance_after(), cents(3500));
}

// The last event of an order in a record shows it as the record leaves it, whatever came before: from the
// record's bytes alone.
TEST(EventsOf, ShowOrdersAsTheyWereAtThatMoment) {
  std::set<EventType> seen;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    RuleDriver driver;
    RandomHistory history(seed, driver);
    for (int i = 0; i < 80; ++i) {
      driver.execute(history.next());
      std::map<OrderId, Order> last;
      EventId before = kPlace;
      for (const Event& event : events_in(driver.journal.back())) {
        ASSERT_GT(event.id, before);
        before = event.id;
        seen.insert(event.type);
        EXPECT_EQ(event.time.ms, driver.now.ms);
        if (event.order) last[event.order->id] = *event.order;
        if (const auto* kept = std::get_if<PaymentException>(&event.detail); kept && !kept->is_open()) {
          const auto& now = driver.records.exceptions.at(kept->id);
          EXPECT_EQ(kept->amount, now.amount);
          EXPECT_EQ(kept->action, now.action);
        }
      }
      for (const auto& [id, order] : last) {
        ASSERT_TRUE(testing::same(shown_part(order), shown_part(driver.order(id))))
            << "seed " << seed << '\n'
            << shown(order) << '\n'
            << shown(shown_part(driver.order(id)));
      }
    }
    EXPECT_TRUE(driver.broken.empty()) << driver.broken.front();
  }
  for (std::size_t i = 0; i < kEventTypes; ++i) {
    const auto type = static_cast<EventType>(i);
    const bool supplier = type == EventType::order_recharging || type == EventType::order_recharge_failed ||
                          type == EventType::recharge_requested;
    EXPECT_EQ(seen.contains(type), !supplier) << to_text(type);
  }
}

// A change of version 1 does not say what it left as it was: better no event than half an order.
TEST(EventsOf, RecordsOfVersion1TellOnlyWhatTheyHaveWhole) {
  Scenario scenario;
  scenario.place();
  scenario.callback();
  for (const auto& [bytes, expected] :
       {std::pair(scenario.journal[0], std::size_t{1}), std::pair(scenario.journal[1], std::size_t{0})}) {
    JournalRecord record;
    ASSERT_TRUE(decode_record(bytes, record));
    Bytes room(max_record_bytes(record.command));
    const auto size = encode_record(record.command, record.facts, record.circumstances, room, 1);
    ASSERT_TRUE(size);
    room.resize(*size);
    EXPECT_EQ(events_in(room).size(), expected);
  }
}

TEST(EventId, RoundTripsAndKeepsItsOrderAsText) {
  const EventId ids[] = {{1, 0, 0, 1}, {1, 0, 0, 2}, {1, 0, 1, 1},
                         {1, 2, 0, 1}, {2, 0, 0, 1}, {~0U, ~0U, 65535, 255}};
  for (std::size_t i = 0; i < std::size(ids); ++i) {
    const auto text = ids[i].to_text();
    EXPECT_EQ(text.size(), 26U);
    const auto parsed = EventId::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, ids[i]);
    if (i == 0) continue;
    EXPECT_LT(ids[i - 1].to_text(), text);
  }
  for (const char* bad :
       {"", "evt_", "evt_000000010000000000000", "evt_00000001000000000000000", "evt_0000000000000000000001",
        "evt_0000000100000000000g01", "EVT_0000000100000000000001", "evt_000000010000000A000001",
        "evt_ 000000100000000000001"}) {
    EXPECT_FALSE(EventId::parse(bad)) << bad;
  }
}

TEST(EventType, NamesAreReadBack) {
  for (std::size_t i = 0; i < kEventTypes; ++i) {
    const auto type = static_cast<EventType>(i);
    ASSERT_TRUE(parse_event_type(to_text(type)));
    EXPECT_EQ(*parse_event_type(to_text(type)), type);
  }
  EXPECT_FALSE(parse_event_type("order.Placed"));
}

}  // namespace
}  // namespace recharge::testing
