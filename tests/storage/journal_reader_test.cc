#include "storage/journal_reader.h"

#include <sodium.h>

#include <random>

#include "tests/storage/journal_fixture.h"

namespace recharge {
namespace {

// A journal of two segments and a prepared third: groups of one to many sectors, an end mark between.
class JournalReaderTest : public ::testing::Test {
 protected:
  JournalReaderTest() : disk_(empty_disk()), options_(small_journal()) {
    auto journal = open_journal(*disk_, options_);
    std::uint64_t number = 1;
    for (int group = 0; group < 25; ++group) {
      const std::uint64_t count = 1 + static_cast<std::uint64_t>(group * 7 % 5);
      write_group(*journal, number, count, group % 3 == 0 ? 2900 : 90);
      for (std::uint64_t i = 0; i < count; ++i)
        records_.push_back(record_text(number + i, group % 3 == 0 ? 2900 : 90));
      number += count;
    }
    EXPECT_TRUE(journal->step().has_value());
    end_ = journal->durable_position();
    whole_ = read_back(*disk_, options_);
    EXPECT_EQ(end_.segment, 2u);
    EXPECT_EQ(whole_.records, records_);
  }

  std::string path(std::uint64_t number) const { return segment_path(kJournalDirectory, number); }
  void put(std::uint64_t segment, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    disk_->overwrite(path(segment), offset, bytes);
  }
  std::vector<std::byte> get(std::uint64_t segment, std::uint64_t offset, std::size_t bytes) const {
    const auto content = disk_->content(path(segment));
    return {content.begin() + static_cast<std::ptrdiff_t>(offset),
            content.begin() + static_cast<std::ptrdiff_t>(offset + bytes)};
  }
  // Where the last group begins.
  JournalPosition last_begin() const { return whole_.begins[whole_.begins.size() - 2]; }
  void expect_damage(const ReadBack& read, const std::string& context) {
    ASSERT_TRUE(read.error.has_value()) << context;
    EXPECT_TRUE(read.error->is(Errc::damaged)) << context << read.error->to_text();
    EXPECT_TRUE(read.error->file.starts_with(kJournalDirectory + "/")) << context << read.error->to_text();
  }

  std::unique_ptr<SimulatedFileSystem> disk_;
  JournalOptions options_;
  std::vector<std::string> records_;
  JournalPosition end_;
  ReadBack whole_;
};

TEST_F(JournalReaderTest, ReadsFromEveryPosition) {
  EXPECT_EQ(whole_.begins.back(), end_);
  EXPECT_FALSE(whole_.tail.torn);
  EXPECT_EQ(whole_.tail.end, end_);
  std::size_t skipped = 0;
  for (const JournalPosition& begin : whole_.begins) {
    const ReadBack part = read_back(*disk_, options_, begin);
    ASSERT_FALSE(part.error.has_value()) << part.error->to_text();
    EXPECT_EQ(part.tail.end, end_);
    EXPECT_LE(part.records.size(), records_.size());
    EXPECT_TRUE(std::equal(part.records.rbegin(), part.records.rend(), records_.rbegin()));
    EXPECT_EQ(part.tail.last_offset, last_begin().offset) << "known also when nothing is left to read";
    skipped += part.records.size() < records_.size() ? 1 : 0;
  }
  EXPECT_EQ(skipped, whole_.begins.size() - 1);
}

TEST_F(JournalReaderTest, ReadsOneGroupAgain) {
  auto reader = JournalReader::open(*disk_, options_);
  std::vector<RecordPosition> positions;
  for (auto group = reader->next(); *group != nullptr; group = reader->next()) {
    for (std::size_t i = 0; i < (*group)->records.size(); ++i)
      positions.push_back((*group)->record_position(i));
  }
  ASSERT_EQ(positions.size(), records_.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    std::vector<std::byte> buffer;
    auto group = read_group(*disk_, options_, positions[i].segment, positions[i].offset, buffer);
    ASSERT_TRUE(group.has_value()) << group.error().to_text();
    EXPECT_EQ(group->sequence, positions[i].sequence);
    EXPECT_EQ(text_of_record(group->records.at(positions[i].index)), records_[i]);
  }
  std::vector<std::byte> buffer;
  EXPECT_TRUE(read_group(*disk_, options_, 1, 100, buffer).error().is(Errc::damaged));
  EXPECT_TRUE(read_group(*disk_, options_, end_.segment, end_.offset, buffer).error().is(Errc::damaged));
}

TEST_F(JournalReaderTest, EveryTruncationOfAUsedSegmentIsDamage) {
  for (std::uint64_t segment = 1; segment <= 2; ++segment) {
    for (std::uint64_t bytes = 0; bytes < options_.segment_bytes; bytes += 256) {
      auto copy = disk_->after_kill();
      copy->truncate(path(segment), bytes);
      expect_damage(read_back(*copy, options_),
                    std::to_string(segment) + " to " + std::to_string(bytes) + ": ");
    }
  }
}

// As a crash leaves it: everything from some sector on was never written.
TEST_F(JournalReaderTest, EveryZeroedEndOfTheLastGroupIsATornTail) {
  for (std::uint64_t offset = last_begin().offset; offset < end_.offset; offset += kSectorBytes) {
    auto copy = disk_->after_kill();
    copy->overwrite(path(2), offset, std::vector<std::byte>(end_.offset - offset));
    const ReadBack read = read_back(*copy, options_);
    ASSERT_FALSE(read.error.has_value()) << read.error->to_text();
    EXPECT_EQ(read.tail.torn, offset != last_begin().offset);
    EXPECT_EQ(read.tail.end, last_begin());
  }
}

TEST_F(JournalReaderTest, EveryZeroedSectorIsATornTailOnlyInTheLastGroup) {
  for (std::uint64_t segment = 1; segment <= 2; ++segment) {
    for (std::uint64_t offset = 0; offset < options_.segment_bytes; offset += kSectorBytes) {
      if (all_zero(get(segment, offset, kSectorBytes))) continue;
      auto copy = disk_->after_kill();
      copy->overwrite(path(segment), offset, std::vector<std::byte>(kSectorBytes));
      const ReadBack read = read_back(*copy, options_);
      const std::string context = std::to_string(segment) + ":" + std::to_string(offset) + " ";
      if (segment == 2 && offset >= last_begin().offset) {
        ASSERT_FALSE(read.error.has_value()) << context << read.error->to_text();
        EXPECT_EQ(read.tail.end, last_begin()) << context;
      } else {
        expect_damage(read, context);
      }
    }
  }
}

TEST_F(JournalReaderTest, EveryFlippedBitIsDamage) {
  std::mt19937_64 random(11);
  for (std::uint64_t segment = 1; segment <= 3; ++segment) {
    for (std::uint64_t offset = 0; offset < options_.segment_bytes; offset += kSectorBytes) {
      for (int try_in_sector = 0; try_in_sector < 2; ++try_in_sector) {
        const std::uint64_t at = offset + random() % kSectorBytes;
        const auto mask = static_cast<std::byte>(1u << random() % 8);
        const std::byte old = get(segment, at, 1)[0];
        // In the room of the largest possible unfinished group, any bytes are a torn tail.
        const bool unfinished =
            segment == 2 && at >= end_.offset + kSectorBytes && at < end_.offset + options_.max_group_bytes;
        put(segment, at, {old ^ mask});
        const ReadBack read = read_back(*disk_, options_);
        const std::string context = std::to_string(segment) + ":" + std::to_string(at) + " ";
        if (unfinished) {
          EXPECT_FALSE(read.error.has_value()) << context << (read.error ? read.error->to_text() : "");
          EXPECT_TRUE(read.tail.torn) << context;
        } else {
          expect_damage(read, context);
        }
        put(segment, at, {old});
      }
    }
  }
  EXPECT_FALSE(read_back(*disk_, options_).error.has_value());
}

TEST_F(JournalReaderTest, DamageNamesFileAndOffset) {
  const JournalPosition second = whole_.begins[1];
  put(1, second.offset + 200, {std::byte{0}});
  const ReadBack read = read_back(*disk_, options_);
  ASSERT_TRUE(read.error.has_value());
  EXPECT_EQ(read.error->file, path(1));
  EXPECT_EQ(read.error->offset, second.offset);
  EXPECT_NE(read.error->to_text().find("0000000000000001.journal: offset " + std::to_string(second.offset)),
            std::string::npos)
      << read.error->to_text();
}

TEST_F(JournalReaderTest, AMissingSegmentIsDamage) {
  for (std::uint64_t segment : {1, 2}) {
    auto copy = disk_->after_kill();
    ASSERT_TRUE(copy->remove(path(segment)).has_value());
    if (segment == 2) {
      // Also when nothing lies behind the gap: the end mark says that there was a next segment.
      auto without_third = copy->after_kill();
      ASSERT_TRUE(without_third->remove(path(3)).has_value());
      expect_damage(read_back(*without_third, options_), "last ");
      expect_damage(read_back(*copy, options_), "gap ");
    }
    expect_damage(read_back(*copy, options_, whole_.begins[1]), "position ");
  }
}

TEST_F(JournalReaderTest, TheOldestSegmentsMayBeDropped) {
  ASSERT_TRUE(remove_segment(*disk_, kJournalDirectory, 1).has_value());
  const ReadBack read = read_back(*disk_, options_);
  ASSERT_FALSE(read.error.has_value()) << read.error->to_text();
  EXPECT_EQ(read.tail.end, end_);
  EXPECT_GT(read.records.size(), 0u);
  EXPECT_FALSE(read_back(*disk_, options_, end_).error.has_value());
}

TEST_F(JournalReaderTest, APositionThatTheJournalDoesNotReachIsDamage) {
  // The last group is gone without a trace, and the books stand behind it.
  put(2, last_begin().offset, std::vector<std::byte>(end_.offset - last_begin().offset));
  EXPECT_FALSE(read_back(*disk_, options_).error.has_value()) << "of itself the shorter journal is whole";
  EXPECT_FALSE(read_back(*disk_, options_, last_begin()).error.has_value());
  expect_damage(read_back(*disk_, options_, end_), "behind ");
}

TEST_F(JournalReaderTest, APositionThatDoesNotFitIsDamage) {
  const JournalPosition good = whole_.begins[3];
  JournalPosition bad = good;
  bad.sequence += 1;
  expect_damage(read_back(*disk_, options_, bad), "sequence ");
  bad = good;
  bad.previous_hash[5] ^= 1;
  expect_damage(read_back(*disk_, options_, bad), "hash ");
  bad = good;
  bad.offset += kSectorBytes;
  expect_damage(read_back(*disk_, options_, bad), "offset ");
  bad = good;
  bad.segment = 9;
  expect_damage(read_back(*disk_, options_, bad), "segment ");
  bad = JournalPosition{2, 0, 99, good.previous_hash};
  expect_damage(read_back(*disk_, options_, bad), "beginning ");
}

TEST_F(JournalReaderTest, AnotherFoldersJournalIsDamage) {
  JournalOptions other = options_;
  other.folder_id[0] ^= 1;
  expect_damage(read_back(*disk_, other), "folder ");
}

TEST_F(JournalReaderTest, ANewerFormatIsToldFromDamage) {
  auto group = get(1, 0, kSectorBytes);
  group[8] = std::byte{2};
  crypto_generichash(reinterpret_cast<unsigned char*>(group.data() + 144), 16,
                     reinterpret_cast<const unsigned char*>(group.data()), 144, nullptr, 0);
  put(1, 0, group);
  const ReadBack read = read_back(*disk_, options_);
  ASSERT_TRUE(read.error.has_value());
  EXPECT_TRUE(read.error->is(Errc::newer_format)) << read.error->to_text();
}

TEST(JournalReader, AnEmptyFolderIsAnEmptyJournal) {
  auto disk = empty_disk();
  const ReadBack read = read_back(*disk, small_journal());
  ASSERT_FALSE(read.error.has_value());
  EXPECT_EQ(read.tail.end, JournalPosition{});
  EXPECT_TRUE(read.records.empty());
}

// A record of zeros makes sectors that look as if they were never written.
TEST(JournalReader, ARecordOfZerosIsNoTornTail) {
  auto disk = empty_disk();
  const JournalOptions options = small_journal();
  auto journal = open_journal(*disk, options);
  const std::string zeros(3000, '\0');
  ASSERT_TRUE(push(*journal, 0, zeros));
  journal->publish(0);
  ASSERT_TRUE(journal->step().has_value());
  ASSERT_EQ(read_back(*disk, options).records, std::vector<std::string>{zeros});
  disk->overwrite(segment_path(kJournalDirectory, 1), 1000, std::vector<std::byte>(1, std::byte{1}));
  const ReadBack read = read_back(*disk, options);
  ASSERT_TRUE(read.error.has_value()) << "a flipped bit in the last group was taken for a torn tail";
  EXPECT_TRUE(read.error->is(Errc::damaged));
}

}  // namespace
}  // namespace recharge
