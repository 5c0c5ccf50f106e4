#include "storage/delivery_store.h"

#include <gtest/gtest.h>

#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

Delivery delivery(std::uint16_t number) {
  Delivery made;
  made.id = {1, 2, number, 1};
  made.key = "order";
  made.type = "order.placed";
  made.body = std::string(number * 10U, 'x');
  made.attempts = number;
  made.first_ms = 5;
  made.next_ms = 1'700'000'000'000;
  made.last_status = 503;
  made.last_error = "answered 503";
  return made;
}

TEST(DeliveryStore, KeepsWhatWaitsByEndpointAndOverRestarts) {
  testing::TempFolder folder;
  {
    auto store = DeliveryStore::open(folder.at("deliveries"));
    ASSERT_TRUE(store.has_value()) << store.error().to_text();
    EXPECT_TRUE((*store)->read("shop")->empty());
    ASSERT_TRUE((*store)->write("shop", {delivery(3), delivery(1), delivery(2)}, {}));
    ASSERT_TRUE((*store)->write("shop2", {delivery(9)}, {delivery(1).id}));
  }
  auto store = DeliveryStore::open(folder.at("deliveries"));
  ASSERT_TRUE(store.has_value());
  auto found = (*store)->read("shop");
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->size(), 3U) << "another endpoint's is not this one's";
  for (std::uint16_t i = 1; i <= 3; ++i) {
    const Delivery& one = (*found)[i - 1U];
    const Delivery expected = delivery(i);
    EXPECT_EQ(one.id, expected.id);
    EXPECT_EQ(one.body, expected.body);
    EXPECT_EQ(one.key, expected.key);
    EXPECT_EQ(one.attempts, i);
    EXPECT_EQ(one.next_ms, expected.next_ms);
    EXPECT_EQ(one.last_status, 503U);
    EXPECT_EQ(one.last_error, expected.last_error);
  }
  auto dead = delivery(2);
  dead.state = DeliveryState::dead;
  ASSERT_TRUE((*store)->write("shop", {dead}, {delivery(1).id, delivery(7).id}));
  found = (*store)->read("shop");
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].state, DeliveryState::dead);
  auto own = delivery(2);  // of an order with its own address
  own.url = "https://shop.example/told";
  ASSERT_TRUE((*store)->write("shop2", {own}, {delivery(9).id}));
  found = (*store)->read("shop2");
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().url, own.url);
  EXPECT_EQ(found->front().body, own.body);
  auto huge = delivery(4);
  huge.body.assign(1 << 20, 'x');
  EXPECT_FALSE((*store)->write("shop", {delivery(5), huge}, {}));
  EXPECT_EQ((*store)->read("shop")->size(), 2U) << "all or nothing";
}

TEST(DeliveryStore, KnowsWhoseAddressWantsNoMore) {
  testing::TempFolder folder;
  {
    auto store = DeliveryStore::open(folder.at("deliveries"));
    ASSERT_TRUE(store.has_value()) << store.error().to_text();
    ASSERT_TRUE((*store)->write("notify@a", {delivery(1)}, {}));
    ASSERT_TRUE((*store)->switch_off("notify@a", {"order-1", "order-2", "order-3"}));
    ASSERT_TRUE((*store)->switch_on("notify@a", "order-2"));
    ASSERT_TRUE((*store)->switch_on("notify@a", "never off")) << "no error";
  }
  auto store = DeliveryStore::open(folder.at("deliveries"));
  ASSERT_TRUE(store.has_value());
  EXPECT_TRUE(*(*store)->is_off("notify@a", "order-1"));
  EXPECT_FALSE(*(*store)->is_off("notify@a", "order-2"));
  EXPECT_TRUE(*(*store)->is_off("notify@a", "order-3"));
  EXPECT_FALSE(*(*store)->is_off("notify@a", "order"));
  EXPECT_FALSE(*(*store)->is_off("notify@a:1", "order-1")) << "another endpoint's";
  EXPECT_EQ((*store)->read("notify@a")->size(), 1U) << "they are no deliveries";
}

}  // namespace
}  // namespace recharge
