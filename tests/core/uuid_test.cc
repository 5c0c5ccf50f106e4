#include "core/uuid.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <type_traits>

namespace recharge {
namespace {

static_assert(!std::is_convertible_v<OrderId, ExceptionId>);
static_assert(!std::is_constructible_v<OrderId, ExceptionId>);
static_assert(!std::is_convertible_v<UuidBytes, OrderId>);
static_assert(!std::is_convertible_v<OrderId, UuidBytes>);
static_assert(!std::is_convertible_v<std::string, OrderId>);
template <class A, class B>
concept ComparableWith = requires(A a, B b) {
  a == b;
};
static_assert(ComparableWith<OrderId, OrderId>);
static_assert(!ComparableWith<OrderId, ExceptionId>);
static_assert(sizeof(OrderId) == 16 && std::is_trivially_copyable_v<OrderId>);

constexpr std::array<std::uint8_t, 10> kOnes = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
constexpr std::string_view kText = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab";

TEST(Uuid, LaysTimeVersionVariantAndShardOut) {
  EXPECT_EQ(uuid_text(make_uuid_v7(Time{0x0190a1b2c3d4}, 0x2a, {})), "0190a1b2-c3d4-7000-8000-00000000002a");
  EXPECT_EQ(uuid_text(make_uuid_v7(Time{0x0190a1b2c3d4}, 0, kOnes)), "0190a1b2-c3d4-7fff-bfff-ffffffffff00");
  EXPECT_EQ(uuid_text(make_uuid_v7(Time{0xffffffffffff}, 63, {})), "ffffffff-ffff-7000-8000-00000000003f");
}

TEST(Uuid, Uses66BitsOfEntropy) {
  int used = 0;
  const UuidBytes base = make_uuid_v7(Time{1}, 7, {});
  for (std::size_t bit = 0; bit < 80; ++bit) {
    std::array<std::uint8_t, 10> random{};
    random[bit / 8] = static_cast<std::uint8_t>(1 << bit % 8);
    used += make_uuid_v7(Time{1}, 7, random) != base ? 1 : 0;
  }
  EXPECT_EQ(used, 66);
}

TEST(Uuid, ParsesBothForms) {
  const auto dashed = OrderId::parse(kText);
  const auto plain = OrderId::parse("0190a1b2c3d47e5f8a6b0123456789ab");
  ASSERT_TRUE(dashed.has_value() && plain.has_value());
  EXPECT_EQ(*dashed, *plain);
  EXPECT_EQ(dashed->to_text(), kText);
  EXPECT_EQ(dashed->to_hex(), "0190a1b2c3d47e5f8a6b0123456789ab");
  EXPECT_EQ(dashed->shard(), 0xab);
  EXPECT_EQ(dashed->time(), Time{0x0190a1b2c3d4});
  EXPECT_FALSE(dashed->is_nil());
  EXPECT_TRUE(OrderId{}.is_nil());
}

TEST(Uuid, RefusesEveryOtherCharacterAtEveryPlace) {
  for (const std::string& good : {std::string(kText), std::string("0190a1b2c3d47e5f8a6b0123456789ab")}) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string text = good;
        text[at] = static_cast<char>(c);
        const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        bool want = good[at] == '-' ? c == '-' : digit;
        const std::size_t version_at = good.size() == 36 ? 14 : 12;
        const std::size_t variant_at = good.size() == 36 ? 19 : 16;
        if (at == version_at) want = c == '7';
        if (at == variant_at) want = c == '8' || c == '9' || c == 'a' || c == 'b';
        ASSERT_EQ(parse_uuid_v7(text).has_value(), want) << at << ' ' << c;
      }
    }
  }
}

struct BadRow {
  std::string_view name;
  std::string_view text;
};

class RefusesUuid : public testing::TestWithParam<BadRow> {};

TEST_P(RefusesUuid, AsInvalidText) {
  const auto parsed = parse_uuid_v7(GetParam().text);
  ASSERT_TRUE(parsed.has_error());
  EXPECT_EQ(parsed.error(), Errc::invalid_text);
}

INSTANTIATE_TEST_SUITE_P(Uuid, RefusesUuid,
                         testing::Values(BadRow{"empty", ""},
                                         BadRow{"upper_case", "0190A1B2-C3D4-7E5F-8A6B-0123456789AB"},
                                         BadRow{"version_4", "0190a1b2-c3d4-4e5f-8a6b-0123456789ab"},
                                         BadRow{"microsoft_variant", "0190a1b2-c3d4-7e5f-ca6b-0123456789ab"},
                                         BadRow{"nil", "00000000-0000-0000-0000-000000000000"},
                                         BadRow{"braces", "{0190a1b2-c3d4-7e5f-8a6b-0123456789ab}"},
                                         BadRow{"urn", "urn:uuid:0190a1b2-c3d4-7e5f-8a6b-0123456789ab"},
                                         BadRow{"short", "0190a1b2-c3d4-7e5f-8a6b-0123456789a"},
                                         BadRow{"long", "0190a1b2-c3d4-7e5f-8a6b-0123456789abc"},
                                         BadRow{"moved_dash", "0190a1b2c-3d4-7e5f-8a6b-0123456789ab"},
                                         BadRow{"36_hex", "0190a1b2c3d47e5f8a6b0123456789ab0000"},
                                         BadRow{"32_with_dashes", "0190a1b2-c3d4-7e5f-8a6b-01234567"}),
                         [](const auto& row) { return std::string(row.param.name); });

RC_GTEST_PROP(Uuid, KeepsTimeAndShardAndParsesBack, ()) {
  const Time time{*rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 48)};
  const auto shard = *rc::gen::arbitrary<std::uint8_t>();
  const auto random = *rc::gen::arbitrary<std::array<std::uint8_t, 10>>();
  const OrderId id = OrderId::make(time, shard, random);
  RC_ASSERT(id.time() == time);
  RC_ASSERT(id.shard() == shard);
  RC_ASSERT(OrderId::parse(id.to_text()).value() == id);
  RC_ASSERT(OrderId::parse(id.to_hex()).value() == id);
}

RC_GTEST_PROP(Uuid, SortsByTime, ()) {
  const auto early = *rc::gen::inRange<std::int64_t>(0, (std::int64_t{1} << 48) - 1);
  const auto late = *rc::gen::inRange<std::int64_t>(early + 1, std::int64_t{1} << 48);
  RC_ASSERT(OrderId::make(Time{early}, 255, kOnes) < OrderId::make(Time{late}, 0, {}));
}

}  // namespace
}  // namespace recharge
