// The address of an order: one fact with its placing, read back from the record alone, nothing where there is
// none.
#include "core/notify_url.h"

#include <gtest/gtest.h>

#include "core/event.h"
#include "tests/core/scenario.h"

namespace recharge::testing {
namespace {

constexpr std::string_view kUrl = "https://shop.example/told?order=77";

PlaceOrder with_url(Scenario& s, std::string_view url) {
  auto command = s.place_command();
  command.notify_url = url;
  return command;
}

TEST(NotifyUrl, IsKeptWithThePlacingInOneRecord) {
  Scenario s;
  const auto command = with_url(s, kUrl);
  EXPECT_EQ(s.execute(command), OutcomeCode::order_placed);
  EXPECT_EQ(kinds_of(s.facts), "placed notify");
  ASSERT_EQ(s.records.notify_urls.size(), 1U);
  EXPECT_EQ(s.records.notify_urls.at(s.id).url.view(), kUrl);
  EXPECT_EQ(s.journal.back()[0], std::byte{kRecordVersion});
  // Nothing that follows speaks of it: those records are what they were before.
  s.callback();
  EXPECT_EQ(s.journal.back()[0], std::byte{kWalletRecordVersion});
  EXPECT_EQ(s.records.notify_urls.at(s.id).url.view(), kUrl);
}

TEST(NotifyUrl, OfTheFullLengthIsKeptWhole) {
  Scenario s;
  const std::string longest = "https://shop.example/" + std::string(NotifyUrl::kCapacity - 21, 'x');
  ASSERT_EQ(longest.size(), 512U);
  EXPECT_EQ(s.execute(with_url(s, longest)), OutcomeCode::order_placed);
  EXPECT_EQ(s.records.notify_urls.at(s.id).url.view(), longest);
}

TEST(NotifyUrl, AnOrderWithoutOneIsWrittenAsBefore) {
  Scenario s;
  s.place();
  EXPECT_EQ(kinds_of(s.facts), "placed");
  EXPECT_EQ(s.journal.back()[0], std::byte{kWalletRecordVersion});
  EXPECT_TRUE(s.records.notify_urls.empty());
}

TEST(NotifyUrl, OfARepeatedRequestIsTheFirstOnes) {
  Scenario s;
  auto command = with_url(s, kUrl);
  command.idempotency_key = IdempotencyKey::make("a", "", "key");
  command.request_body = digest_of("body");
  command.idempotency_retention_ms = 1000;
  EXPECT_EQ(s.execute(command), OutcomeCode::order_placed);
  const OrderId first = command.order_id;
  command.order_id = s.fresh_order_id();
  command.notify_url = "https://other.example/";
  EXPECT_EQ(s.execute(command), OutcomeCode::order_replayed);
  EXPECT_TRUE(s.facts.empty());
  ASSERT_EQ(s.records.notify_urls.size(), 1U);
  EXPECT_EQ(s.records.notify_urls.at(first).url.view(), kUrl);
}

TEST(NotifyUrl, StandsInTheEventOfThePlacingAlone) {
  Scenario s;
  s.execute(with_url(s, kUrl));
  s.callback();
  unsigned events = 0;
  for (const Bytes& bytes : s.journal) {
    JournalRecord record;
    ASSERT_TRUE(decode_record(bytes, record));
    Events made;
    events_of(record, {1, 1, 0, 0}, made);
    for (const Event& event : made) {
      ++events;
      EXPECT_EQ(order_of(event), s.id);
      const auto* address = std::get_if<NotifyAddress>(&event.detail);
      ASSERT_EQ(address != nullptr, event.type == EventType::order_placed);
      if (address != nullptr) {
        EXPECT_EQ(address->order_id, s.id);
        EXPECT_EQ(address->url.view(), kUrl);
      }
    }
  }
  EXPECT_EQ(events, 2U);
}

// A broken build that loses the fact.
TEST(NotifyUrl, ThatIsNotAppliedIsSeen) {
  Scenario s;
  s.apply_fact = [](const Fact& fact, RecordSink& sink) {
    if (!std::holds_alternative<NotifyAddressKept>(fact)) apply(fact, sink);
  };
  s.execute(with_url(s, kUrl));
  EXPECT_TRUE(s.records.notify_urls.empty());
}

}  // namespace
}  // namespace recharge::testing
