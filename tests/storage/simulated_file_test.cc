#include "storage/simulated_file.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "storage/storage_error.h"

namespace recharge {
namespace {

using Operation = SimulatedFileSystem::Operation;

std::vector<std::byte> filled(std::size_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

constexpr int kSeeds = 200;

class SimulatedFileTest : public ::testing::Test {
 protected:
  SimulatedFileTest() {
    file_ = std::move(*disk_.create("/f"));
    EXPECT_TRUE(file_->write_at(0, filled(1024, 1)).has_value());
    EXPECT_TRUE(file_->sync().has_value());
    EXPECT_TRUE(disk_.sync_directory("/").has_value());
  }
  SimulatedFileSystem disk_;
  std::unique_ptr<File> file_;
};

TEST_F(SimulatedFileTest, WhatIsFlushedSurvives) {
  for (int seed = 0; seed < kSeeds; ++seed)
    EXPECT_EQ(disk_.after_power_loss(seed)->content("/f"), filled(1024, 1));
}

TEST_F(SimulatedFileTest, AnySectorOfTheUnflushedMayBeLost) {
  ASSERT_TRUE(file_->write_at(0, filled(1024, 2)).has_value());
  ASSERT_TRUE(file_->write_at(0, filled(1024, 3)).has_value());
  std::set<std::pair<int, int>> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto content = disk_.after_power_loss(seed)->content("/f");
    ASSERT_EQ(content.size(), 1024u);
    for (std::size_t i = 1; i < 512; ++i) ASSERT_EQ(content[i], content[0]) << "a sector is whole";
    seen.emplace(static_cast<int>(content[0]), static_cast<int>(content[512]));
  }
  EXPECT_EQ(seen.size(), 9u) << "old, first and second content of both sectors";
  EXPECT_EQ(disk_.after_kill()->content("/f"), filled(1024, 3)) << "a killed process loses nothing";
}

TEST_F(SimulatedFileTest, NamesAreCertainAfterTheDirectoryWasFlushed) {
  auto other = disk_.create("/g.tmp");
  ASSERT_TRUE((*other)->write_at(0, filled(512, 7)).has_value());
  ASSERT_TRUE((*other)->sync().has_value());
  ASSERT_TRUE(disk_.rename("/g.tmp", "/g").has_value());
  int lost = 0;
  for (int seed = 0; seed < kSeeds; ++seed) lost += disk_.after_power_loss(seed)->content("/g").empty();
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, kSeeds);
  ASSERT_TRUE(disk_.sync_directory("/").has_value());
  for (int seed = 0; seed < kSeeds; ++seed)
    EXPECT_EQ(disk_.after_power_loss(seed)->content("/g"), filled(512, 7));
}

TEST_F(SimulatedFileTest, AFailedFlushIsNotRepairedByTheNext) {
  disk_.inject({Operation::sync, 1, 1, EIO, "/f"});
  ASSERT_TRUE(file_->write_at(0, filled(512, 9)).has_value());
  EXPECT_EQ(file_->sync().error().value(), EIO);
  EXPECT_TRUE(file_->sync().has_value());
  EXPECT_EQ(disk_.content("/f")[0], std::byte{9}) << "still readable";
  for (int seed = 0; seed < kSeeds; ++seed)
    EXPECT_EQ(disk_.after_power_loss(seed)->content("/f"), filled(1024, 1));
  ASSERT_TRUE(file_->write_at(0, filled(512, 9)).has_value());
  ASSERT_TRUE(file_->sync().has_value());
  EXPECT_EQ(disk_.after_power_loss(1)->content("/f")[0], std::byte{9}) << "written again";
}

TEST_F(SimulatedFileTest, FailsTheChosenWriteAndRunsFull) {
  disk_.inject({Operation::write, 2, 1, EIO, ""});
  EXPECT_TRUE(file_->write_at(0, filled(512, 2)).has_value());
  EXPECT_EQ(file_->write_at(0, filled(512, 2)).error().value(), EIO);
  EXPECT_TRUE(file_->write_at(0, filled(512, 2)).has_value());
  disk_.set_capacity(2048);
  EXPECT_TRUE(file_->write_at(1024, filled(1024, 2)).has_value());
  EXPECT_TRUE(is_disk_full(file_->write_at(2048, filled(1, 2)).error()));
  EXPECT_TRUE(file_->write_at(0, filled(2048, 3)).has_value()) << "what is there can be overwritten";
}

TEST_F(SimulatedFileTest, LocksExclude) {
  auto lock = disk_.lock("/LOCK");
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(disk_.lock("/LOCK").error(), Errc::in_use);
  lock->reset();
  EXPECT_TRUE(disk_.lock("/LOCK").has_value());
}

}  // namespace
}  // namespace recharge
