#include "storage/subscriber_cursors.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "storage/journal_options.h"
#include "storage/real_file.h"
#include "storage/simulated_file.h"
#include "tests/storage/temp_folder.h"

namespace recharge {
namespace {

constexpr EventId kBegin{1, 0, 0, 0};
constexpr std::uint64_t kSegment = 100;

class SubscriberCursorsTest : public ::testing::Test {
 protected:
  SubscriberCursorsTest() { reopen(); }
  void reopen() {
    SubscriberCursors::Options options;
    options.directory = folder.at("subscribers");
    options.folder_id = {1, 2, 3};
    options.segment_bytes = kSegment;
    options.limits = {3 * kSegment, 1000};
    options.wall_ms = [this] { return now_ms; };
    options.on_lost = [this](const std::string& name, const std::string&) { lost.push_back(name); };
    cursors = std::make_unique<SubscriberCursors>(files, std::move(options));
    cursors->all_attached();
  }
  SubscriberCursor attach(const std::string& name = "hook", EventId begin = kBegin) {
    const auto found = cursors->attach(name, begin);
    EXPECT_TRUE(found.has_value()) << found.error().to_text();
    return found ? *found : SubscriberCursor{};
  }

  testing::TempFolder folder;
  RealFileSystem files;
  std::int64_t now_ms = 5000;
  std::vector<std::string> lost;
  std::unique_ptr<SubscriberCursors> cursors;
};

TEST_F(SubscriberCursorsTest, GoesOnWhereItWas) {
  EXPECT_EQ(attach(), (SubscriberCursor{kBegin, now_ms, SubscriberState::active}));
  for (std::uint16_t i = 1; i < 20; ++i) {
    const SubscriberCursor expected{{2, i, i, 1}, 5000 + i, SubscriberState::active};
    ASSERT_TRUE(cursors->advance("hook", expected.after, expected.wall_ms));
    EXPECT_EQ(cursors->get("hook"), expected);
    reopen();
    EXPECT_EQ(attach("hook", {9, 9, 9, 9}), expected);
  }
  ASSERT_TRUE(cursors->advance("hook", kBegin, 1));
  EXPECT_EQ(cursors->get("hook").after.segment, 2U) << "it never goes back";
  ASSERT_TRUE(cursors->set_state("hook", SubscriberState::paused));
  reopen();
  EXPECT_EQ(attach().state, SubscriberState::paused);
}

SubscriberCursors cursors_on(SimulatedFileSystem& disk) {
  SubscriberCursors::Options options;
  options.directory = "/data/subscribers";
  options.folder_id = {1, 2, 3};
  options.wall_ms = [] { return std::int64_t{5000}; };
  return SubscriberCursors(disk, std::move(options));
}

// What was saved is there after a power loss, with the names that lead to it, which nobody else flushes.
TEST(SubscriberCursorsOnDisk, SurviveAPowerLoss) {
  SimulatedFileSystem first;
  ASSERT_TRUE(first.make_directory("/data") && first.sync_directory("/"));
  const auto saved_on = [&](SimulatedFileSystem& disk, std::uint32_t segment) {
    auto cursors = cursors_on(disk);
    return cursors.attach("hook", kBegin) && cursors.advance("hook", {segment, 0, 0, 1}, 1);
  };
  ASSERT_TRUE(saved_on(first, 2));
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto after = first.after_power_loss(seed);
    EXPECT_EQ(cursors_on(*after).attach("hook", kBegin)->after.segment, 2U);
  }
  // The life that makes the file is cut short at each of its flushes.
  for (std::uint64_t nth = 1; nth <= 5; ++nth) {
    SimulatedFileSystem disk;
    ASSERT_TRUE(disk.make_directory("/data") && disk.sync_directory("/"));
    disk.inject({SimulatedFileSystem::Operation::sync, nth, 1, EIO, ""});
    static_cast<void>(saved_on(disk, 2));
    auto killed = disk.after_kill();
    ASSERT_TRUE(saved_on(*killed, 3));
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto after = killed->after_power_loss(seed);
      EXPECT_EQ(cursors_on(*after).attach("hook", kBegin)->after.segment, 3U) << nth;
    }
  }
}

// Killed between the write of a slot and its flush: the next life reads it, and retention drops segments by
// it.
TEST(SubscriberCursorsOnDisk, WhatWasReadSurvivesAPowerLoss) {
  SimulatedFileSystem disk;
  ASSERT_TRUE(disk.make_directory("/data") && disk.sync_directory("/"));
  auto cursors = cursors_on(disk);
  ASSERT_TRUE(cursors.attach("hook", kBegin) && cursors.advance("hook", {2, 0, 0, 1}, 1));
  disk.inject({SimulatedFileSystem::Operation::sync, 1, 1, EIO, ""});
  ASSERT_FALSE(cursors.advance("hook", {3, 0, 0, 1}, 1));
  auto killed = disk.after_kill();
  ASSERT_EQ(cursors_on(*killed).attach("hook", kBegin)->after.segment, 3U);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto after = killed->after_power_loss(seed);
    EXPECT_EQ(cursors_on(*after).attach("hook", kBegin)->after.segment, 3U)
        << "the segment before may be gone";
  }
}

// The slot that was being written is torn: the one before counts.
TEST_F(SubscriberCursorsTest, SurvivesATornWrite) {
  attach();
  ASSERT_TRUE(cursors->advance("hook", {2, 0, 0, 1}, 1));
  ASSERT_TRUE(cursors->advance("hook", {3, 0, 0, 1}, 2));
  const auto path = folder.at("subscribers/hook.cursor");
  auto file = files.open(path, FileSystem::Access::read_write);
  const std::byte torn[64] = {};
  std::size_t left = 0;
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    ASSERT_TRUE((*file)->write_at(slot * kSectorBytes + 100, torn));
    reopen();
    const auto found = cursors->attach("hook", kBegin);
    if (slot == 0) {
      ASSERT_TRUE(found.has_value());
      left = found->after.segment;
      EXPECT_TRUE(left == 2 || left == 3) << left;
    } else {
      ASSERT_FALSE(found.has_value()) << "both are torn: it is damage, and not a new cursor";
      EXPECT_TRUE(found.error().is(Errc::damaged));
    }
  }
}

TEST_F(SubscriberCursorsTest, OfAnotherFolderIsDamage) {
  attach();
  SubscriberCursors::Options options;
  options.directory = folder.at("subscribers");
  options.wall_ms = [] { return std::int64_t{0}; };
  SubscriberCursors others(files, std::move(options));
  const auto found = others.attach("hook", kBegin);
  ASSERT_FALSE(found.has_value());
  EXPECT_TRUE(found.error().is(Errc::damaged));
}

TEST_F(SubscriberCursorsTest, RetentionWaitsForThemUpToALimit) {
  EXPECT_EQ(cursors->first_needed(9), 9U) << "there is nobody";
  attach("near", {8, 0, 0, 0});
  attach("far", {6, 0, 0, 0});
  EXPECT_EQ(cursors->first_needed(9), 6U);
  EXPECT_EQ(cursors->first_needed(6), 6U);
  EXPECT_EQ(cursors->first_needed(5), 5U);
  EXPECT_TRUE(lost.empty());
  EXPECT_EQ(cursors->first_needed(10), 8U) << "four segments for the far one alone: too many";
  EXPECT_EQ(lost, std::vector<std::string>{"far"});
  EXPECT_EQ(cursors->get("far").state, SubscriberState::lost);
  ASSERT_TRUE(cursors->advance("far", {7, 0, 0, 1}, 1));
  EXPECT_EQ(cursors->get("far").after.segment, 6U) << "what is lost does not go on by itself";
  now_ms += 1001;
  EXPECT_EQ(cursors->first_needed(10), 10U) << "too old";
  EXPECT_EQ(lost.size(), 2U);
  reopen();
  EXPECT_EQ(attach("far").state, SubscriberState::lost) << "also after a restart";
  ASSERT_TRUE(cursors->restart("far", {10, 0, 0, 0}, now_ms));
  EXPECT_EQ(cursors->get("far").state, SubscriberState::active);
  EXPECT_EQ(cursors->first_needed(11), 10U);
}

TEST_F(SubscriberCursorsTest, WhoIsOffHoldsNothing) {
  attach("gone", {6, 0, 0, 0});
  ASSERT_TRUE(cursors->set_state("gone", SubscriberState::off));
  EXPECT_EQ(cursors->first_needed(9), 9U);
  ASSERT_TRUE(cursors->set_state("gone", SubscriberState::paused));
  EXPECT_EQ(cursors->first_needed(9), 6U);
}

}  // namespace
}  // namespace recharge
