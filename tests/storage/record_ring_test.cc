#include "storage/record_ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>

namespace recharge {
namespace {

bool put(RecordRing& ring, const std::string& text) {
  auto room = ring.reserve(text.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), text.data(), text.size());
  ring.commit(text.size());
  return true;
}

std::string take(RecordRing& ring) {
  const auto record = ring.front();
  std::string text(reinterpret_cast<const char*>(record.data()), record.size());
  if (!record.empty()) ring.pop();
  return text;
}

TEST(RecordRing, ShowsRecordsOnlyAfterPublish) {
  RecordRing ring(256);
  ASSERT_TRUE(put(ring, "one"));
  EXPECT_TRUE(ring.front().empty());
  EXPECT_TRUE(ring.publish());
  EXPECT_FALSE(ring.publish());
  EXPECT_EQ(take(ring), "one");
  EXPECT_TRUE(ring.front().empty());
}

TEST(RecordRing, NumbersRecordsFromOne) {
  RecordRing ring(256);
  ASSERT_FALSE(ring.reserve(5).empty());
  EXPECT_EQ(ring.commit(3), 1u);
  ASSERT_FALSE(ring.reserve(5).empty());
  EXPECT_EQ(ring.commit(5), 2u);
  EXPECT_EQ(ring.pushed(), 2u);
}

TEST(RecordRing, AnAbandonedReservationLeavesNothing) {
  RecordRing ring(256);
  ASSERT_FALSE(ring.reserve(100).empty());
  ASSERT_TRUE(put(ring, "kept"));
  ring.publish();
  EXPECT_EQ(take(ring), "kept");
  EXPECT_TRUE(ring.front().empty());
}

TEST(RecordRing, RefusesWhatDoesNotFitAndTakesItAfterRelease) {
  RecordRing ring(256);
  int accepted = 0;
  while (put(ring, std::string(28, 'x'))) ++accepted;
  EXPECT_EQ(accepted, 8);
  ring.publish();
  EXPECT_EQ(take(ring).size(), 28u);
  EXPECT_FALSE(put(ring, std::string(28, 'y'))) << "popped, but its room was not given back yet";
  ring.release();
  EXPECT_TRUE(put(ring, std::string(28, 'y')));
}

TEST(RecordRing, TheLargestRecordFitsWhereverTheRingStands) {
  RecordRing ring(256);
  EXPECT_TRUE(ring.reserve(ring.largest_record() + 1).empty());
  for (std::size_t advance = 1; advance <= 64; ++advance) {
    ASSERT_TRUE(put(ring, std::string(advance, 'a')));
    ring.publish();
    ASSERT_EQ(take(ring).size(), advance);
    ring.release();
    ASSERT_TRUE(put(ring, std::string(ring.largest_record(), 'b'))) << advance;
    ring.publish();
    ASSERT_EQ(take(ring), std::string(ring.largest_record(), 'b'));
    ring.release();
  }
}

TEST(RecordRing, KeepsOrderAndBytesAgainstAModel) {
  std::mt19937_64 random(20240501);
  RecordRing ring(1024);
  std::deque<std::string> model;
  for (int i = 0; i < 200000; ++i) {
    if (random() % 2 == 0) {
      const std::string text(1 + random() % 200, static_cast<char>('a' + random() % 26));
      if (put(ring, text)) model.push_back(text);
      ring.publish();
    } else if (const std::string text = take(ring); !text.empty()) {
      ASSERT_EQ(text, model.front());
      model.pop_front();
      if (random() % 3 == 0) ring.release();
    } else {
      ASSERT_TRUE(model.empty());
      ring.release();
    }
  }
}

TEST(RecordRing, CarriesRecordsBetweenThreads) {
  RecordRing ring(4096);
  constexpr std::uint64_t kRecords = 200000;
  std::thread producer([&] {
    std::mt19937_64 random(7);
    for (std::uint64_t number = 1; number <= kRecords; ++number) {
      const std::size_t bytes = sizeof number + random() % 100;
      std::span<std::byte> room;
      while ((room = ring.reserve(bytes)).empty()) {
        ring.publish();
        std::this_thread::yield();
      }
      std::memset(room.data(), static_cast<int>(number & 0x7F), room.size());
      std::memcpy(room.data(), &number, sizeof number);
      ASSERT_EQ(ring.commit(bytes), number);
      if (number % 16 == 0) ring.publish();
    }
    ring.publish();
  });
  for (std::uint64_t expected = 1; expected <= kRecords;) {
    const auto record = ring.front();
    if (record.empty()) {
      ring.release();
      std::this_thread::yield();
      continue;
    }
    std::uint64_t number = 0;
    std::memcpy(&number, record.data(), sizeof number);
    ASSERT_EQ(number, expected);
    for (const std::byte b : record.subspan(sizeof number))
      ASSERT_EQ(b, static_cast<std::byte>(number & 0x7F));
    ring.pop();
    if (++expected % 8 == 0) ring.release();
  }
  producer.join();
  ring.release();
  EXPECT_EQ(ring.used_bytes(), 0u);
}

}  // namespace
}  // namespace recharge
