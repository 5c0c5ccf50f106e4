#include "core/time.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <type_traits>

namespace recharge {
namespace {

static_assert(!std::is_convertible_v<std::int64_t, Time>);
static_assert(!std::is_convertible_v<Time, std::int64_t>);
static_assert(!std::is_convertible_v<Time, bool>);
static_assert(!std::is_assignable_v<Time&, std::int64_t>);

constexpr std::int64_t kLastMs = 253'402'300'799'999;

struct GoodRow {
  std::string_view name;
  std::string_view text;
  std::int64_t ms;
};

class ParsesTime : public testing::TestWithParam<GoodRow> {};

TEST_P(ParsesTime, ToMilliseconds) {
  const auto parsed = parse_rfc3339(GetParam().text);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(parsed->ms, GetParam().ms);
}

// The expected numbers come from date(1).
INSTANTIATE_TEST_SUITE_P(
    Time, ParsesTime,
    testing::Values(GoodRow{"epoch", "1970-01-01T00:00:00Z", 0},
                    GoodRow{"vector", "2023-11-14T22:13:20Z", 1'700'000'000'000},
                    GoodRow{"lower_case", "2023-11-14t22:13:20z", 1'700'000'000'000},
                    GoodRow{"east", "2023-11-15T06:13:20+08:00", 1'700'000'000'000},
                    GoodRow{"west", "2023-11-14T16:43:20-05:30", 1'700'000'000'000},
                    GoodRow{"zero_offset", "2023-11-14T22:13:20+00:00", 1'700'000'000'000},
                    GoodRow{"unknown_offset", "2023-11-14T22:13:20-00:00", 1'700'000'000'000},
                    GoodRow{"one_digit", "2023-11-14T22:13:20.5Z", 1'700'000'000'500},
                    GoodRow{"two_digits", "2023-11-14T22:13:20.05Z", 1'700'000'000'050},
                    GoodRow{"three_digits", "2023-11-14T22:13:20.123Z", 1'700'000'000'123},
                    GoodRow{"cut_not_rounded", "2023-11-14T22:13:20.1239999999999999999Z", 1'700'000'000'123},
                    GoodRow{"fraction_and_offset", "2023-11-15T06:13:20.250+08:00", 1'700'000'000'250},
                    GoodRow{"leap_day", "2024-02-29T12:00:00Z", 1'709'208'000'000},
                    GoodRow{"century_leap_day", "2000-02-29T00:00:00Z", 951'782'400'000},
                    GoodRow{"before_epoch_locally", "1970-01-01T00:30:00-01:00", 5'400'000},
                    GoodRow{"last", "9999-12-31T23:59:59.999Z", kLastMs}),
    [](const auto& row) { return std::string(row.param.name); });

struct BadRow {
  std::string_view name;
  std::string_view text;
  Errc error;
};

class RefusesTime : public testing::TestWithParam<BadRow> {};

TEST_P(RefusesTime, WithItsError) {
  const auto parsed = parse_rfc3339(GetParam().text);
  ASSERT_TRUE(parsed.has_error());
  EXPECT_EQ(parsed.error(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Time, RefusesTime,
    testing::Values(BadRow{"empty", "", Errc::invalid_text},
                    BadRow{"date_only", "2023-11-14", Errc::invalid_text},
                    BadRow{"no_zone", "2023-11-14T22:13:20", Errc::invalid_text},
                    BadRow{"space", "2023-11-14 22:13:20Z", Errc::invalid_text},
                    BadRow{"no_seconds", "2023-11-14T22:13Z", Errc::invalid_text},
                    BadRow{"empty_fraction", "2023-11-14T22:13:20.Z", Errc::invalid_text},
                    BadRow{"comma", "2023-11-14T22:13:20,5Z", Errc::invalid_text},
                    BadRow{"trailing", "2023-11-14T22:13:20Z ", Errc::invalid_text},
                    BadRow{"leading", " 2023-11-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"short_year", "223-11-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"long_year", "12023-11-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"one_digit_month", "2023-1-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"signed_month", "2023-+1-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"basic_form", "20231114T221320Z", Errc::invalid_text},
                    BadRow{"offset_without_colon", "2023-11-14T22:13:20+0800", Errc::invalid_text},
                    BadRow{"offset_hours_only", "2023-11-14T22:13:20+08", Errc::invalid_text},
                    BadRow{"offset_and_z", "2023-11-14T22:13:20+08:00Z", Errc::invalid_text},
                    BadRow{"unicode_digit", "202\xd9\xa3-11-14T22:13:20Z", Errc::invalid_text},
                    BadRow{"month_zero", "2023-00-14T22:13:20Z", Errc::out_of_range},
                    BadRow{"month_13", "2023-13-14T22:13:20Z", Errc::out_of_range},
                    BadRow{"day_zero", "2023-11-00T22:13:20Z", Errc::out_of_range},
                    BadRow{"day_31_of_30", "2023-11-31T22:13:20Z", Errc::out_of_range},
                    BadRow{"no_leap_year", "2023-02-29T22:13:20Z", Errc::out_of_range},
                    BadRow{"no_century_leap_year", "2100-02-29T22:13:20Z", Errc::out_of_range},
                    BadRow{"hour_24", "2023-11-14T24:00:00Z", Errc::out_of_range},
                    BadRow{"minute_60", "2023-11-14T22:60:20Z", Errc::out_of_range},
                    BadRow{"leap_second", "2016-12-31T23:59:60Z", Errc::out_of_range},
                    BadRow{"offset_24", "2023-11-14T22:13:20+24:00", Errc::out_of_range},
                    BadRow{"offset_minute_60", "2023-11-14T22:13:20+08:60", Errc::out_of_range},
                    BadRow{"year_1969", "1969-12-31T23:59:59Z", Errc::out_of_range},
                    BadRow{"year_zero", "0000-01-01T00:00:00Z", Errc::out_of_range},
                    BadRow{"before_epoch_by_offset", "1970-01-01T00:30:00+01:00", Errc::out_of_range},
                    BadRow{"after_9999_by_offset", "9999-12-31T23:30:00-01:00", Errc::out_of_range}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Time, RefusesEveryTruncation) {
  const std::string text = "2023-11-14T22:13:20.123+08:00";
  ASSERT_TRUE(parse_rfc3339(text).has_value());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_rfc3339(text.substr(0, size)).has_value()) << size;
  }
}

TEST(Time, WritesMilliseconds) {
  EXPECT_EQ(to_rfc3339(Time{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(Time{1'700'000'000'007}), "2023-11-14T22:13:20.007Z");
  EXPECT_EQ(to_rfc3339(from_unix_seconds(1'709'208'000)), "2024-02-29T12:00:00.000Z");
  EXPECT_EQ(to_rfc3339(Time{kLastMs}), "9999-12-31T23:59:59.999Z");
}

// The C library's calendar is the independent reference.
RC_GTEST_PROP(Time, TextAgreesWithTheCLibraryAndParsesBack, ()) {
  const auto ms = *rc::gen::inRange<std::int64_t>(0, kLastMs + 1);
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  RC_ASSERT(gmtime_r(&seconds, &parts) != nullptr);
  char text[32];
  RC_ASSERT(std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 19U);
  const std::string fraction = std::to_string(1000 + ms % 1000).substr(1);
  const std::string want = std::string(text) + "." + fraction + "Z";
  RC_ASSERT(to_rfc3339(Time{ms}) == want);
  RC_ASSERT(parse_rfc3339(want).value() == Time{ms});
}

TEST(Time, ZeroIsNotReached) {
  EXPECT_FALSE(Time{}.reached());
  EXPECT_TRUE(Time{1}.reached());
}

}  // namespace
}  // namespace recharge
