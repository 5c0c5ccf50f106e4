#include "core/journal_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/codec.h"
#include "tests/core/golden_records.h"
#include "tests/core/random_record.h"

namespace recharge::testing {
namespace {

bool same(const JournalRecord& a, const JournalRecord& b) {
  return a.circumstances.now == b.circumstances.now && a.circumstances.shard == b.circumstances.shard &&
         testing::same(a.command, b.command) && testing::same(a.facts, b.facts);
}
std::string shown(const JournalRecord& record) {
  std::string all = testing::shown(record.command);
  for (const auto& fact : record.facts) all += "\n  " + testing::shown(fact);
  return all;
}
Bytes encoded(const JournalRecord& record) {
  return testing::encoded(record.command, record.facts, record.circumstances);
}

// The round trip of records of one kind of command, at random.
class EveryCommand : public ::testing::TestWithParam<std::size_t> {};

TEST_P(EveryCommand, ComesBackWithItsFacts) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto made = RandomRecord(seed).make(GetParam());
    const auto bytes = encoded(made.record);
    JournalRecord decoded;
    ASSERT_TRUE(decode_record(bytes, decoded)) << "seed " << seed << ' ' << shown(made.record);
    ASSERT_TRUE(same(decoded, made.record)) << "seed " << seed << '\n'
                                            << shown(made.record) << '\n'
                                            << shown(decoded);
    ASSERT_EQ(encoded(decoded), bytes) << "seed " << seed;
  }
}

TEST_P(EveryCommand, IsDamagedWhereverItIsCut) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto bytes = encoded(RandomRecord(seed).make(GetParam()).record);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      JournalRecord decoded;
      const auto result = decode_record(cut, decoded);
      ASSERT_FALSE(result) << "seed " << seed << ", " << size << " of " << bytes.size() << " bytes";
      ASSERT_EQ(result.error(), Errc::damaged);
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    JournalRecord decoded;
    ASSERT_EQ(decode_record(longer, decoded).error(), Errc::damaged) << "seed " << seed;
  }
}

TEST_P(EveryCommand, IsRefusedByTooLittleRoom) {
  const auto made = RandomRecord(1).make(GetParam());
  const auto size = encoded(made.record).size();
  for (std::size_t room_size = 0; room_size < size; ++room_size) {
    Bytes room(room_size);
    const auto written =
        encode_record(made.record.command, made.record.facts, made.record.circumstances, room);
    ASSERT_FALSE(written) << room_size;
    ASSERT_EQ(written.error(), Errc::full);
  }
}

TEST_P(EveryCommand, FitsTheBoundEvenAtItsLongest) {
  const auto made = RandomRecord(1, RandomRecord::Size::longest).make(GetParam());
  ASSERT_EQ(made.record.facts.size(), kMaxFacts);
  EXPECT_LE(encoded(made.record).size(), max_record_bytes(made.record.command));
}

TEST_P(EveryCommand, SurvivesFlippedBits) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 3000; ++i) {
    auto bytes = encoded(RandomRecord(static_cast<std::uint64_t>(i % 20)).make(GetParam()).record);
    for (auto flips = random() % 4 + 1; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
    }
    JournalRecord decoded;
    if (decode_record(bytes, decoded)) {
      // Other values then, but whole ones: they are written and read as such.
      JournalRecord again;
      const auto rewritten = encoded(decoded);
      ASSERT_TRUE(decode_record(rewritten, again)) << i;
    }
  }
}

std::string command_name(const ::testing::TestParamInfo<std::size_t>& index) {
  constexpr std::array<const char*, kChangeCommands> names = {
      "PlaceOrder",       "SimulatePayment", "ReportPayment",         "CloseOrder",       "ExpireOrder",
      "RequestRefund",    "SettleRefund",    "SpendBalance",          "ResolveException", "StartPayment",
      "NotePaymentStart", "EndPayment",      "SettleExceptionRefund", "BeginAttempt",     "NoteAttempt",
      "EndAttempt",       "FailRecharge"};
  return names[index.param];
}
INSTANTIATE_TEST_SUITE_P(, EveryCommand, ::testing::Range(std::size_t{0}, kChangeCommands), command_name);

TEST(JournalRecordFormat, NamesItsVersionFirst) {
  const RechargeAttempt attempt{GoldenRecords().attempt()};
  auto bytes = encoded(JournalRecord{{}, FailRecharge{attempt.order_id}, {AttemptRecorded{attempt}}});
  EXPECT_EQ(bytes[0], std::byte{kSupplierRecordVersion});
  JournalRecord decoded;
  for (unsigned version = 0; version < 256; ++version) {
    bytes[0] = static_cast<std::byte>(version);
    const auto result = decode_record(bytes, decoded);
    if (version == kSupplierRecordVersion) {
      EXPECT_TRUE(result);
    } else if (version >= kFirstRecordVersion && version <= kRecordVersion) {
      EXPECT_TRUE(result || result.error() == Errc::damaged) << version;  // read, as what it is not
    } else {
      EXPECT_EQ(result.error(), version > kRecordVersion ? Errc::newer_format : Errc::damaged) << version;
    }
  }
}

// What earlier builds can read is written as they read it; and what they cannot is told as newer, not as
// damage.
TEST(JournalRecordFormat, OnlyWhatCameLaterIsOfALaterVersion) {
  for (const auto& [name, record] : GoldenRecords().all()) {
    const bool by_supplier = name.find("attempt") != name.npos || name.find("recharge") != name.npos ||
                             name.find("held") != name.npos;
    const bool told = name.find("notify") != name.npos;
    const auto version = told ? kRecordVersion : by_supplier ? kSupplierRecordVersion : kWalletRecordVersion;
    EXPECT_EQ(encoded(record)[0], std::byte{version}) << name;
    for (const auto other : {kWalletRecordVersion, kSupplierRecordVersion, kRecordVersion}) {
      auto bytes = encoded(record);
      bytes[0] = std::byte{other};
      JournalRecord decoded;
      EXPECT_EQ(decode_record(bytes, decoded).has_value(), other == version) << name << " as " << +other;
    }
  }
}

// Found in neither form: an address without text, and one beyond its bound.
TEST(JournalRecordFormat, AnAddressHasABound) {
  for (const std::size_t size : {std::size_t{1}, NotifyUrl::kCapacity, NotifyUrl::kCapacity + 1}) {
    const std::string url(size, 'u');
    PlaceOrder command;
    command.notify_url = url;
    Bytes room(10'000);
    const auto written = encode_record(command, {}, {}, room);
    EXPECT_EQ(written.has_value(), size <= NotifyUrl::kCapacity) << size;
    if (!written) continue;
    JournalRecord decoded;
    EXPECT_TRUE(decode_record(std::span(room).first(*written), decoded)) << size;
  }
  Bytes room(10'000);
  EXPECT_FALSE(encode_record(PlaceOrder(), {NotifyAddressKept()}, {}, room));
}

TEST(JournalRecordFormat, HasNoRoomForReads) {
  Bytes room(100'000);
  for (const Command& read : {Command(ReadOrder{}), Command(ReadBalance{}), Command(ListExceptions{})}) {
    EXPECT_FALSE(encode_record(read, {}, {}, room));
  }
  auto bytes = encoded(RandomRecord(1).make(0).record);
  JournalRecord decoded;
  for (unsigned kind = kChangeCommands; kind < 256; ++kind) {
    bytes[1] = static_cast<std::byte>(kind);
    EXPECT_EQ(decode_record(bytes, decoded).error(), Errc::damaged) << kind;
  }
}

TEST(JournalRecordFormat, ReusedRecordKeepsNothingOfTheLast) {
  JournalRecord decoded;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const auto made = RandomRecord(seed).make(seed % kChangeCommands);
    const auto bytes = encoded(made.record);
    ASSERT_TRUE(decode_record(bytes, decoded));
    ASSERT_TRUE(same(decoded, made.record)) << "seed " << seed;
  }
}

TEST(Codec, VarintsRoundTripAndRefuseOverflow) {
  std::array<std::byte, 16> room;
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bits, (std::uint64_t{1} << bits) - 1, ~std::uint64_t{0} >> bits}) {
      ByteWriter writer(room);
      writer.varint(value);
      ByteReader reader{std::span(room).first(writer.size())};
      EXPECT_EQ(reader.varint(), value);
      EXPECT_TRUE(reader.at_end());
    }
  }
  std::array<std::byte, 11> endless;
  endless.fill(std::byte{0xff});
  ByteReader reader(endless);
  reader.varint();
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, SignedNumbersRoundTrip) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t value :
       {kMin, kMin + 1, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, kMax}) {
    std::array<std::byte, 16> room;
    ByteWriter writer(room);
    field(writer, value);
    ByteReader reader{std::span(room).first(writer.size())};
    std::int64_t read = 7;
    field(reader, read);
    EXPECT_EQ(read, value);
    EXPECT_TRUE(reader.at_end());
  }
}

std::string golden_path(const JournalRecord& record, std::string_view name);
std::string golden_path(std::string_view name, unsigned version = kWalletRecordVersion) {
  return std::string(RECHARGE_SOURCE_DIR) + "/tests/core/golden/record_v" + std::to_string(version) + "_" +
         std::string(name) + ".hex";
}

std::string golden_path(const JournalRecord& record, std::string_view name) {
  return golden_path(name, record_version(record.command, record.facts));
}

// As a record of version 1 has it: no more of an order and an exception than what changed.
JournalRecord narrowed(JournalRecord record) {
  for (auto& fact : record.facts) {
    if (auto* changed = std::get_if<OrderChanged>(&fact)) {
      OrderChanged kept = *changed;
      kept.whole = false;
      kept.account = {};
      kept.amount = {};
      kept.expires_at = {};
      kept.subject = {};
      kept.currency = {};
      if ((kept.fields & kGatewayField) == 0) kept.gateway = {};
      *changed = kept;
    } else if (auto* resolved = std::get_if<ExceptionResolved>(&fact)) {
      const PaymentException whole = resolved->exception;
      resolved->exception = {};
      resolved->exception.id = whole.id;
      resolved->exception.kind = whole.kind;
      resolved->exception.action = whole.action;
      resolved->exception.resolved_at = whole.resolved_at;
      resolved->exception.note = whole.note;
    }
  }
  return record;
}
std::string hex_of(const Bytes& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    hex += digits[std::to_integer<unsigned>(bytes[i]) >> 4];
    hex += digits[std::to_integer<unsigned>(bytes[i]) & 15];
    if (i % 32 == 31 || i + 1 == bytes.size()) hex += '\n';
  }
  return hex;
}
Bytes bytes_of(std::string_view hex) {
  Bytes bytes;
  std::string pair;
  for (const char c : hex) {
    if (c == '\n') continue;
    pair += c;
    if (pair.size() < 2) continue;
    bytes.push_back(static_cast<std::byte>(std::stoul(pair, nullptr, 16)));
    pair.clear();
  }
  return bytes;
}

TEST(GoldenRecords, AreWrittenAndReadAsEver) {
  const bool write = std::getenv("RECHARGE_WRITE_GOLDEN") != nullptr;
  std::set<std::size_t> commands, facts;
  for (const auto& [name, record] : GoldenRecords().all()) {
    commands.insert(record.command.index());
    for (const auto& fact : record.facts) facts.insert(fact.index());
    const auto hex = hex_of(encoded(record));
    if (write) std::ofstream(golden_path(record, name)) << hex;
    std::stringstream stored;
    stored << std::ifstream(golden_path(record, name)).rdbuf();
    EXPECT_EQ(hex, stored.str()) << name;
    const Bytes bytes = bytes_of(stored.str());
    JournalRecord decoded;
    ASSERT_TRUE(decode_record(bytes, decoded)) << name;
    EXPECT_TRUE(same(decoded, record)) << name << '\n' << shown(record) << '\n' << shown(decoded);
  }
  EXPECT_EQ(commands.size(), kChangeCommands);
  EXPECT_EQ(facts.size(), std::variant_size_v<Fact>);
  EXPECT_FALSE(write) << "the golden files were written anew";
}

TEST(GoldenRecords, OfVersion1AreReadAndComparedAsEver) {
  unsigned files = 0;
  for (const auto& [name, record] : GoldenRecords().all()) {
    std::ifstream file(golden_path(name, 1));
    if (!file) continue;  // came with version 2
    ++files;
    std::stringstream stored;
    stored << file.rdbuf();
    const Bytes bytes = bytes_of(stored.str());
    JournalRecord decoded;
    ASSERT_TRUE(decode_record(bytes, decoded)) << name;
    EXPECT_TRUE(same(decoded, narrowed(record))) << name << '\n'
                                                 << shown(narrowed(record)) << '\n'
                                                 << shown(decoded);
    Bytes room(max_record_bytes(record.command));
    const auto size = encode_record(record.command, record.facts, record.circumstances, room, 1);
    ASSERT_TRUE(size) << name;
    room.resize(*size);
    EXPECT_EQ(room, bytes) << name;
  }
  EXPECT_EQ(files, 11U);
}

// Found by fuzzing: it was read as an order without a key, and its digest was lost.
TEST(GoldenRecords, AKeyOfZerosIsDamage) {
  std::stringstream stored;
  stored << std::ifstream(golden_path("place_order_keyed")).rdbuf();
  const Bytes good = bytes_of(stored.str());
  const Bytes key = bytes_of("0102030405060708090a0b0c0d0e0f10");
  std::size_t found = 0;
  for (auto at = good.begin(); (at = std::search(at, good.end(), key.begin(), key.end())) != good.end();
       ++at, ++found) {
    Bytes bytes = good;
    std::fill_n(bytes.begin() + (at - good.begin()), key.size(), std::byte{0});
    JournalRecord record;
    EXPECT_FALSE(decode_record(bytes, record)) << "at " << at - good.begin();
  }
  EXPECT_EQ(found, 2U) << "the command's and the fact's";
}

}  // namespace
}  // namespace recharge::testing
