#include "storage/journal_format.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "storage/segment.h"

namespace recharge {
namespace {

GroupHeader sample_header(std::uint32_t payload_bytes) {
  GroupHeader header;
  header.payload_bytes = payload_bytes;
  header.records = 1;
  for (std::size_t i = 0; i < header.folder_id.size(); ++i)
    header.folder_id[i] = static_cast<std::uint8_t>(i);
  header.segment = 2;
  header.segment_bytes = 65536;
  header.sequence = 0x0102030405060708;
  header.wall_ms = 1700000000123;
  header.previous_hash.fill(0xAB);
  return header;
}

std::vector<std::byte> sample_group(GroupHeader& header, char fill = 'r') {
  std::vector<std::byte> group(header.group_bytes(), static_cast<std::byte>(fill));
  seal_group(group, header);
  return group;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned>(b) >> 4];
    text += kDigits[static_cast<unsigned>(b) & 15];
  }
  return text;
}

// The layout of version 1, byte by byte: it can never change.
TEST(JournalFormat, HeaderBytesAreAsDocumented) {
  GroupHeader header = sample_header(300);
  const auto group = sample_group(header);
  const std::span<const std::byte> bytes = group;
  EXPECT_EQ(hex(bytes.first(112)),
            "524348474a524e4c"
            "01000000"
            "a0000000"
            "00000000"
            "2c010000"
            "01000000"
            "00000000"
            "000102030405060708090a0b0c0d0e0f"
            "0200000000000000"
            "0000010000000000"
            "0807060504030201"
            "7b68e5cf8b010000"
            "abababababababababababababababababababababababababababababababab");
  std::vector<std::byte> covered(112 + 300);
  std::memcpy(covered.data(), group.data(), 112);
  std::memcpy(covered.data() + 112, group.data() + kGroupHeaderBytes, 300);
  const auto* raw = reinterpret_cast<const unsigned char*>(covered.data());
  std::array<unsigned char, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), raw, covered.size(), nullptr, 0);
  EXPECT_EQ(std::memcmp(hash.data(), group.data() + 112, hash.size()), 0);
  EXPECT_EQ(std::memcmp(hash.data(), header.hash.data(), hash.size()), 0);
  std::array<unsigned char, 16> check{};
  crypto_generichash(check.data(), check.size(), reinterpret_cast<const unsigned char*>(group.data()), 144,
                     nullptr, 0);
  EXPECT_EQ(std::memcmp(check.data(), group.data() + 144, check.size()), 0);
  EXPECT_EQ(group.size(), 512u);
  EXPECT_TRUE(std::all_of(group.begin() + 460, group.end(), [](std::byte b) { return b == kPaddingByte; }));
}

TEST(JournalFormat, DecodesWhatItSealed) {
  GroupHeader header = sample_header(5000);
  const auto group = sample_group(header);
  GroupHeader read;
  ASSERT_EQ(decode_header(group, read), HeaderCheck::ok);
  EXPECT_EQ(read.payload_bytes, 5000u);
  EXPECT_EQ(read.segment, 2u);
  EXPECT_EQ(read.sequence, header.sequence);
  EXPECT_EQ(read.wall_ms, header.wall_ms);
  EXPECT_EQ(read.previous_hash, header.previous_hash);
  EXPECT_EQ(read.hash, header.hash);
  EXPECT_EQ(group_hash(group, read), read.hash);
  EXPECT_TRUE(padding_holds(group, read));
}

TEST(JournalFormat, EveryFlippedBitOfTheHeaderIsFound) {
  GroupHeader header = sample_header(100);
  auto group = sample_group(header);
  for (std::size_t bit = 0; bit < kGroupHeaderBytes * 8; ++bit) {
    const std::byte mask{static_cast<unsigned char>(1u << bit % 8)};
    group[bit / 8] ^= mask;
    GroupHeader read;
    const HeaderCheck check = decode_header(group, read);
    EXPECT_TRUE(check == HeaderCheck::checksum || check == HeaderCheck::not_a_header) << bit;
    group[bit / 8] ^= mask;
  }
}

TEST(JournalFormat, ANewerVersionIsToldFromDamage) {
  GroupHeader header = sample_header(100);
  auto group = sample_group(header);
  group[8] = std::byte{2};
  const auto* raw = reinterpret_cast<const unsigned char*>(group.data());
  crypto_generichash(reinterpret_cast<unsigned char*>(group.data() + 144), 16, raw, 144, nullptr, 0);
  GroupHeader read;
  EXPECT_EQ(decode_header(group, read), HeaderCheck::newer_format);
}

TEST(JournalFormat, CountsSectorsThatAreRightlyZero) {
  GroupHeader header = sample_header(4 * 512 - kGroupHeaderBytes);
  const auto group = sample_group(header, '\0');
  EXPECT_EQ(header.zero_sectors, 3u);
  EXPECT_EQ(count_zero_sectors(std::span(group).subspan(kSectorBytes)), 3u);
  GroupHeader other = sample_header(4 * 512 - kGroupHeaderBytes);
  static_cast<void>(sample_group(other, 'x'));
  EXPECT_EQ(other.zero_sectors, 0u);
}

TEST(JournalFormat, AllZeroLooksAtEveryByte) {
  std::vector<std::byte> bytes(100);
  EXPECT_TRUE(all_zero(bytes));
  EXPECT_TRUE(all_zero({}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte{1};
    EXPECT_FALSE(all_zero(bytes)) << i;
    bytes[i] = std::byte{0};
  }
}

TEST(SegmentName, ReadsBackAndRefusesOthers) {
  EXPECT_EQ(segment_name(1), "0000000000000001.journal");
  EXPECT_EQ(segment_name(1234567890123456), "1234567890123456.journal");
  EXPECT_EQ(segment_number("0000000000000042.journal"), 42u);
  for (const char* other : {"42.journal", "0000000000000042.journal.tmp", "000000000000004x.journal", "LOCK",
                            "", "0000000000000000.journal", "00000000000000042.journal"}) {
    EXPECT_EQ(segment_number(other), 0u) << other;
  }
}

}  // namespace
}  // namespace recharge
