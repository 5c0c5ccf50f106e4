#include "storage/data_folder.h"

#include <gtest/gtest.h>

#include "storage/real_file.h"
#include "storage/segment.h"
#include "storage/simulated_file.h"

namespace recharge {
namespace {

const Currency kYuan = currency_from_code("CNY").value();

void fixed_random(std::span<std::uint8_t> bytes) {
  std::uint8_t next = 0xA0;
  for (auto& byte : bytes) byte = next++;
}

StorageResult<DataFolder> open_folder(FileSystem& files) {
  return DataFolder::open(files, "/data", kYuan, fixed_random);
}

void rewrite(SimulatedFileSystem& disk, const std::string& path, const std::string& text) {
  if (disk.exists(path).value()) {
    ASSERT_TRUE(disk.remove(path).has_value());
  }
  auto file = disk.create(path);
  ASSERT_TRUE((*file)->write_at(0, std::as_bytes(std::span(text))).has_value());
}

TEST(DataFolder, IsMadeOnceAndFoundAgain) {
  SimulatedFileSystem disk;
  FolderFormat made;
  {
    auto folder = open_folder(disk);
    ASSERT_TRUE(folder.has_value()) << folder.error().to_text();
    EXPECT_TRUE(folder->first_start());
    EXPECT_FALSE(disk.exists("/data/FORMAT").value()) << "the last step has not been taken";
    ASSERT_TRUE(folder->complete_first_start().has_value());
    EXPECT_FALSE(folder->first_start());
    made = folder->format();
  }
  auto again = DataFolder::open(disk, "/data", currency_from_code("EUR").value(),
                                [](std::span<std::uint8_t>) { FAIL(); });
  ASSERT_TRUE(again.has_value()) << again.error().to_text();
  EXPECT_FALSE(again->first_start());
  EXPECT_EQ(again->format(), made);
  EXPECT_EQ(again->format().currency, kYuan) << "fixed when the folder was made";
}

TEST(DataFolder, ASecondProcessIsRefused) {
  SimulatedFileSystem disk;
  auto folder = open_folder(disk);
  ASSERT_TRUE(folder.has_value());
  auto second = open_folder(disk);
  ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().is(Errc::in_use));
  EXPECT_EQ(second.error().file, "/data/LOCK");
}

TEST(DataFolder, AnInterruptedFirstStartBeginsAnew) {
  for (int seed = 0; seed < 300; ++seed) {
    SimulatedFileSystem disk;
    auto folder = open_folder(disk);
    ASSERT_TRUE(folder.has_value());
    ASSERT_TRUE(make_segment(disk, "/data/journal", 1, 64 * 1024).has_value());
    if (seed % 2 == 0) disk.inject({SimulatedFileSystem::Operation::sync, 2, 1, 5, ""});
    static_cast<void>(folder->complete_first_start());
    auto image = disk.after_power_loss(static_cast<std::uint64_t>(seed));
    auto restarted = open_folder(*image);
    ASSERT_TRUE(restarted.has_value()) << seed << " " << restarted.error().to_text();
    if (seed % 2 != 0) {
      ASSERT_FALSE(restarted->first_start()) << "completed: certain";
    }
    if (restarted->first_start()) {
      ASSERT_TRUE(restarted->complete_first_start().has_value());
    }
    EXPECT_EQ(restarted->format(), folder->format());
  }
}

TEST(DataFolder, AJournalWithoutFormatIsDamage) {
  SimulatedFileSystem disk;
  ASSERT_TRUE(open_folder(disk).has_value());
  ASSERT_TRUE(make_segment(disk, "/data/journal", 1, 64 * 1024).has_value());
  EXPECT_TRUE(open_folder(disk).has_value()) << "an unused segment is no journal";
  disk.overwrite("/data/journal/0000000000000001.journal", 4000, std::vector<std::byte>(1, std::byte{1}));
  auto folder = open_folder(disk);
  ASSERT_FALSE(folder.has_value());
  EXPECT_TRUE(folder.error().is(Errc::damaged));
  EXPECT_EQ(folder.error().file, "/data/journal/0000000000000001.journal");
  EXPECT_EQ(folder.error().offset, 4000u);
}

TEST(DataFolder, TheFormatFileReadsAsDocumented) {
  FolderFormat format;
  fixed_random(format.folder_id);
  fixed_random(format.hash_key);
  format.currency = kYuan;
  const std::string text = format_text(format);
  EXPECT_TRUE(
      text.starts_with("recharge data folder\nformat 1\nfolder a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\nshards 64\n"
                       "hash_key a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\ncurrency CNY\nchecksum "))
      << text;
  EXPECT_EQ(parse_format(text, "F").value(), format);
}

TEST(DataFolder, EveryChangedByteOfTheFormatFileIsFound) {
  FolderFormat format;
  format.currency = kYuan;
  const std::string text = format_text(format);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(parse_format(changed, "F").has_value()) << i;
    EXPECT_FALSE(parse_format(text.substr(0, i), "F").has_value()) << i;
  }
  EXPECT_FALSE(parse_format(text + "\n", "F").has_value());
}

TEST(DataFolder, ANewerFormatIsToldFromDamage) {
  SimulatedFileSystem disk;
  {
    auto folder = open_folder(disk);
    ASSERT_TRUE(folder->complete_first_start().has_value());
  }
  // A newer program's file: other lines, the checksum (by b2sum -l 256) as always last.
  const std::string body = "recharge data folder\nformat 2\nsomething else\nchecksum ";
  const std::string newer = body + "a562376f260a82d475436fe9ea911fc348dd7cff2a325a57e47cf2b8ba402fc3\n";
  rewrite(disk, "/data/FORMAT", newer);
  EXPECT_TRUE(open_folder(disk).error().is(Errc::newer_format));
  rewrite(disk, "/data/FORMAT", body + std::string(64, '0') + "\n");
  EXPECT_TRUE(open_folder(disk).error().is(Errc::damaged));
  EXPECT_EQ(open_folder(disk).error().file, "/data/FORMAT");
}

}  // namespace
}  // namespace recharge
