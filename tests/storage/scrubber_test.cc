// The pass over a folder in use finds what is damaged, names it, and is silent about what is whole.
#include "storage/scrubber.h"

#include <random>

#include "tests/storage/store_fixture.h"
#include "tests/storage/test_seed.h"

namespace recharge {
namespace {

class ScrubberTest : public testing::StoreTest {
 protected:
  bool scrub(std::size_t rows_at_once = 7) {
    found.clear();
    ScrubberOptions options;
    options.bytes_per_second = std::uint64_t{1} << 40;
    options.rows_at_once = rows_at_once;
    options.on_damage = [this](const StorageError& error) { found.push_back(error); };
    options.wall_ms = [] { return std::int64_t{1234}; };
    Scrubber scrubber(files, *store, options);
    const bool clean = scrubber.run_once();
    EXPECT_EQ(scrubber.damage(), found.size());
    EXPECT_EQ(clean, found.empty());
    EXPECT_EQ(scrubber.last_success_ms(), clean ? 1234 : 0);
    bytes = scrubber.bytes();
    return clean;
  }
  void fill() {
    open();
    any(200);
    checkpoint();
    any(50);
  }
  std::vector<StorageError> found;
  std::uint64_t bytes = 0;
};

TEST_F(ScrubberTest, AWholeFolderIsCleanWhileItIsUsed) {
  fill();
  for (unsigned round = 0; round < 10; ++round) {
    any(60);
    if (round % 3 == 0) checkpoint();
    EXPECT_TRUE(scrub(round % 2 == 0 ? 7 : 100'000)) << found.front().to_text();
    EXPECT_GE(bytes, store->journal().durable_position().offset);
  }
}

TEST_F(ScrubberTest, AFlippedBitOfTheOlderJournalIsNamed) {
  fill();
  const std::string segment = store->journal_directory() + "/0000000000000001.journal";
  const auto end = store->journal().durable_position().offset;
  std::mt19937_64 random(testing::test_seed());
  for (unsigned i = 0; i < 60; ++i) {
    const auto at = random() % end;
    testing::flip_bit(segment, at, i % 8);
    EXPECT_FALSE(scrub()) << at;
    EXPECT_EQ(found.front().file, segment);
    EXPECT_LE(found.front().offset, at);
    EXPECT_GT(found.front().offset + kMaxGroupBytes, at);
    testing::flip_bit(segment, at, i % 8);
  }
  EXPECT_TRUE(scrub());
}

// In a row: the page is named with the row. In bytes that mean nothing: silence, and the rows are whole.
TEST_F(ScrubberTest, AFlippedBitOfTheBooksIsNamedOrMeansNothing) {
  fill();
  const std::string file = store->books_file();
  const auto size = std::filesystem::file_size(file);
  std::mt19937_64 random(testing::test_seed());
  unsigned named = 0;
  for (unsigned i = 0; i < 300; ++i) {
    const auto at = 8192 + random() % (size - 8192);
    testing::flip_bit(file, at, i % 8);
    if (!scrub(100'000)) {
      ++named;
      EXPECT_EQ(found.front().file, file);
      EXPECT_LT(found.front().offset, size);
    }
    testing::flip_bit(file, at, i % 8);
  }
  std::printf("%u of 300 flipped bits were in rows and pages in use\n", named);
  EXPECT_GT(named, 30u);
  EXPECT_TRUE(scrub());
}

TEST_F(ScrubberTest, ItKeepsToItsRateAndStopsAtOnce) {
  fill();
  ScrubberOptions options;
  options.bytes_per_second = 1000;
  options.first_ms = 0;
  unsigned heads = 0;
  options.on_head = [&](const JournalPosition& head) {
    EXPECT_EQ(head, store->journal().durable_position());
    ++heads;
  };
  Scrubber scrubber(files, *store, options);
  scrubber.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const auto begun = std::chrono::steady_clock::now();
  scrubber.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(500));
  EXPECT_EQ(heads, 1u);
  EXPECT_LT(scrubber.bytes(), store->journal().durable_position().offset);
  EXPECT_EQ(scrubber.last_success_ms(), 0) << "the pass did not end";
}

}  // namespace
}  // namespace recharge
