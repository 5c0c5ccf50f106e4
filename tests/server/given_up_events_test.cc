#include "server/given_up_events.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/delivery_store.h"
#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

EventId event(std::size_t number) { return {1, static_cast<std::uint32_t>(number), 0, 0}; }

// As the endpoint does: what is given up goes into the store, and what is too old out of it, in one
// transaction.
TEST(GivenUpEvents, TheLatestOfAHostAreKeptInTheStore) {
  testing::TempFolder folder;
  const auto store = DeliveryStore::open(folder.at("deliveries"));
  ASSERT_TRUE(store.has_value());
  GivenUpEvents given_up(GivenUpEvents::kMostOfAHost);
  constexpr std::size_t kMore = 300;
  std::vector<Delivery> dead;
  std::vector<EventId> too_old;
  for (std::size_t i = 1; i <= GivenUpEvents::kMostOfAHost + kMore; ++i) {
    Delivery one;
    one.id = event(i);
    one.state = DeliveryState::dead;
    dead.push_back(one);
    if (const auto old = given_up.add(one.id)) too_old.push_back(*old);
    if (i % 100 != 0) continue;
    ASSERT_TRUE((*store)->write("notify@shop.example", dead, too_old));
    dead.clear();
    too_old.clear();
  }
  const auto kept = (*store)->read("notify@shop.example");
  ASSERT_TRUE(kept.has_value());
  ASSERT_EQ(kept->size(), GivenUpEvents::kMostOfAHost);
  EXPECT_EQ(kept->front().id, event(kMore + 1));
  EXPECT_FALSE(given_up.contains(event(kMore)));
  EXPECT_TRUE(given_up.contains(event(kMore + 1)));
}

TEST(GivenUpEvents, ResendingMakesRoom) {
  GivenUpEvents given_up(2);
  EXPECT_FALSE(given_up.add(event(3)) || given_up.add(event(5)) || given_up.add(event(5)));
  EXPECT_EQ(given_up.add(event(2)), event(2)) << "older than all that are kept";
  given_up.remove(event(3));
  EXPECT_FALSE(given_up.add(event(6)));
  EXPECT_EQ(given_up.add(event(7)), event(5));
}

TEST(GivenUpEvents, AnEndpointOfItsOwnKeepsAll) {
  GivenUpEvents given_up(GivenUpEvents::kAll);
  for (std::size_t i = 0; i <= GivenUpEvents::kMostOfAHost; ++i) ASSERT_FALSE(given_up.add(event(i)));
  EXPECT_TRUE(given_up.contains(event(0)));
}

}  // namespace
}  // namespace recharge
