#include "core/money.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>

namespace recharge {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
__extension__ using Wide = __int128;

// Misuse that must not compile.
static_assert(!std::is_convertible_v<std::int64_t, Money>);
static_assert(!std::is_convertible_v<int, Money>);
static_assert(!std::is_convertible_v<double, Money>);
static_assert(!std::is_constructible_v<Money, std::int64_t>);
static_assert(!std::is_constructible_v<Money, double>);
static_assert(!std::is_convertible_v<Money, std::int64_t>);
static_assert(!std::is_convertible_v<Money, double>);
static_assert(!std::is_convertible_v<Money, bool>);
static_assert(!std::is_constructible_v<std::int64_t, Money>);
static_assert(!std::is_assignable_v<Money&, std::int64_t>);
template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept ComparableWith = requires(A a, B b) {
  a < b;
};
static_assert(!Addable<Money, Money>);
static_assert(!Addable<Money, std::int64_t>);
static_assert(!ComparableWith<Money, std::int64_t>);
static_assert(ComparableWith<Money, Money>);
static_assert(std::is_trivially_copyable_v<Money> && sizeof(Money) == 8);

struct GoodRow {
  std::string_view name;
  std::string_view text;
  std::int64_t units;
};

class ParsesMoney : public testing::TestWithParam<GoodRow> {};

TEST_P(ParsesMoney, ToMinorUnits) {
  const auto parsed = parse_money(GetParam().text);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_EQ(parsed->minor_units(), GetParam().units);
}

INSTANTIATE_TEST_SUITE_P(
    Money, ParsesMoney,
    testing::Values(GoodRow{"zero", "0", 0}, GoodRow{"zero_one_digit", "0.0", 0},
                    GoodRow{"zero_two_digits", "0.00", 0}, GoodRow{"cent", "0.01", 1},
                    GoodRow{"ten_cents", "0.1", 10}, GoodRow{"one", "1", 100}, GoodRow{"fifty", "50", 5000},
                    GoodRow{"fifty_one_digit", "50.0", 5000}, GoodRow{"fifty_two_digits", "50.00", 5000},
                    GoodRow{"no_binary_float", "1.15", 115},
                    GoodRow{"no_binary_float_large", "4503599627370496.29", 450359962737049629},
                    GoodRow{"max_balance", "9999999999999.99", kMaxBalance.minor_units()},
                    GoodRow{"largest", "92233720368547758.07", kMax}),
    [](const auto& row) { return std::string(row.param.name); });

struct BadRow {
  std::string_view name;
  std::string_view text;
  Errc error;
};

class RefusesMoney : public testing::TestWithParam<BadRow> {};

TEST_P(RefusesMoney, WithItsError) {
  const auto parsed = parse_money(GetParam().text);
  ASSERT_TRUE(parsed.has_error());
  EXPECT_EQ(parsed.error(), GetParam().error);
}

using std::string_view_literals::operator""sv;
INSTANTIATE_TEST_SUITE_P(
    Money, RefusesMoney,
    testing::Values(
        BadRow{"empty", "", Errc::invalid_text}, BadRow{"nan", "NaN", Errc::invalid_text},
        BadRow{"infinity", "Infinity", Errc::invalid_text}, BadRow{"exponent", "1e308", Errc::invalid_text},
        BadRow{"small_exponent", "1e2", Errc::invalid_text},
        BadRow{"upper_exponent", "1E2", Errc::invalid_text}, BadRow{"minus_zero", "-0", Errc::invalid_text},
        BadRow{"minus", "-1.00", Errc::invalid_text}, BadRow{"plus", "+1", Errc::invalid_text},
        BadRow{"leading_zero", "01", Errc::invalid_text}, BadRow{"double_zero", "00", Errc::invalid_text},
        BadRow{"leading_zero_fraction", "00.5", Errc::invalid_text},
        BadRow{"three_digits", "1.000", Errc::invalid_text}, BadRow{"no_whole", ".5", Errc::invalid_text},
        BadRow{"no_fraction", "5.", Errc::invalid_text}, BadRow{"point", ".", Errc::invalid_text},
        BadRow{"two_points", "1..2", Errc::invalid_text}, BadRow{"three_parts", "1.2.3", Errc::invalid_text},
        BadRow{"comma", "1,50", Errc::invalid_text}, BadRow{"thousands", "1,000.00", Errc::invalid_text},
        BadRow{"space_before", " 1", Errc::invalid_text}, BadRow{"space_after", "1 ", Errc::invalid_text},
        BadRow{"line_feed", "1\n", Errc::invalid_text}, BadRow{"nul", "1\0"sv, Errc::invalid_text},
        BadRow{"nul_fraction", "1.\0"sv, Errc::invalid_text},
        BadRow{"nul_second", "1.5\0"sv, Errc::invalid_text}, BadRow{"hex", "0x10", Errc::invalid_text},
        BadRow{"letter_fraction", "1.a", Errc::invalid_text},
        BadRow{"letter_second", "1.5a", Errc::invalid_text}, BadRow{"currency", "50 CNY", Errc::invalid_text},
        BadRow{"arabic_indic_digits", "\xd9\xa1\xd9\xa2", Errc::invalid_text},
        BadRow{"full_width_digit", "\xef\xbc\x95", Errc::invalid_text},
        BadRow{"after_last_digit", "1:", Errc::invalid_text},
        BadRow{"before_first_digit", "1/", Errc::invalid_text},
        BadRow{"past_largest", "92233720368547758.08", Errc::overflow},
        BadRow{"whole_two_to_63", "9223372036854775808", Errc::overflow},
        BadRow{"whole_two_to_64", "18446744073709551616", Errc::overflow},
        BadRow{"wraps_to_small", "18446744073709551617", Errc::overflow},
        BadRow{"wraps_with_fraction", "184467440737095516.16", Errc::overflow},
        BadRow{"thirty_digits", "123456789012345678901234567890", Errc::overflow},
        BadRow{"thirty_digits_fraction", "123456789012345678901234567890.12", Errc::overflow},
        BadRow{"thirty_digits_form_first", "123456789012345678901234567890.123", Errc::invalid_text}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Money, RefusesAThousandDigitsOfNine) {
  EXPECT_EQ(parse_money(std::string(1000, '9')).error(), Errc::overflow);
}

// The reference: built from a random value digit by digit in 128 bits, never by the code under test.
std::string reference_text(Wide value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  return digits;
}

TEST(Money, ParsesRandomDecimalsAsABigDecimalDoes) {
  std::mt19937_64 random(20261122);
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Wide whole = (Wide{random()} << 10 | (random() & 1023)) >> (random() % 74);
    const int fraction_digits = static_cast<int>(random() % 3);
    const std::int64_t fraction = static_cast<std::int64_t>(random() % (fraction_digits == 2 ? 100 : 10));
    std::string text = reference_text(whole);
    Wide units = whole * 100;
    if (fraction_digits > 0) {
      std::string tail = reference_text(fraction);
      if (fraction_digits == 2 && tail.size() == 1) tail.insert(0, "0");
      text += "." + tail;
      units += fraction_digits == 2 ? fraction : fraction * 10;
    }
    const auto parsed = parse_money(text);
    if (units > kMax) {
      ++refused;
      ASSERT_TRUE(parsed.has_error()) << text;
      ASSERT_EQ(parsed.error(), Errc::overflow) << text;
    } else {
      ASSERT_TRUE(parsed.has_value()) << text;
      ASSERT_TRUE(Wide{parsed->minor_units()} == units) << text;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 50'000);
}

bool reference_form(std::string_view text) {
  const auto point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) return false;
  if (whole.find_first_not_of("0123456789") != whole.npos) return false;
  if (point == text.npos) return true;
  const std::string_view fraction = text.substr(point + 1);
  return !fraction.empty() && fraction.size() <= 2 &&
         fraction.find_first_not_of("0123456789") == fraction.npos;
}

TEST(Money, AcceptsExactlyTheFormForRandomShortTexts) {
  constexpr std::string_view kAlphabet = "0015.9-+eE \xd9";
  std::mt19937_64 random(7);
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (std::size_t size = random() % 7; size > 0; --size) text += kAlphabet[random() % kAlphabet.size()];
    const bool good = reference_form(text);
    accepted += good ? 1 : 0;
    ASSERT_EQ(parse_money(text).has_value(), good) << text;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Money, WritesTwoFractionDigits) {
  const auto text = [](std::int64_t units) { return to_text(Money::from_minor_units(units)); };
  EXPECT_EQ(text(0), "0.00");
  EXPECT_EQ(text(1), "0.01");
  EXPECT_EQ(text(-5), "-0.05");
  EXPECT_EQ(text(10), "0.10");
  EXPECT_EQ(text(5000), "50.00");
  EXPECT_EQ(text(-12345), "-123.45");
  EXPECT_EQ(text(kMax), "92233720368547758.07");
  EXPECT_EQ(text(kMin), "-92233720368547758.08");
  EXPECT_EQ(to_text(kMaxBalance), "9999999999999.99");
}

RC_GTEST_PROP(Money, TextOfNonNegativeAmountParsesBack, ()) {
  const auto units = *rc::gen::nonNegative<std::int64_t>();
  const Money money = Money::from_minor_units(units);
  RC_ASSERT(parse_money(to_text(money)).value() == money);
}

RC_GTEST_PROP(Money, ArithmeticIsExactOrRefused, ()) {
  const auto near_edge = [] {
    const auto offset = *rc::gen::inRange<std::int64_t>(0, 1000);
    return *rc::gen::element<std::int64_t>(kMax - offset, kMin + offset, offset, -offset);
  };
  const std::int64_t a = *rc::gen::arbitrary<bool>() ? near_edge() : *rc::gen::arbitrary<std::int64_t>();
  const std::int64_t b = *rc::gen::arbitrary<bool>() ? near_edge() : *rc::gen::arbitrary<std::int64_t>();
  const auto check = [](Result<Money> got, Wide want) {
    const bool fits = want >= kMin && want <= kMax;
    RC_ASSERT(got.has_value() == fits);
    if (fits) {
      RC_ASSERT(Wide{got->minor_units()} == want);
    } else {
      RC_ASSERT(got.error() == Errc::overflow);
    }
  };
  check(add(Money::from_minor_units(a), Money::from_minor_units(b)), Wide{a} + b);
  check(subtract(Money::from_minor_units(a), Money::from_minor_units(b)), Wide{a} - b);
}

TEST(Money, KnowsItsSign) {
  EXPECT_TRUE(Money{}.is_zero());
  EXPECT_FALSE(Money{}.is_positive() || Money{}.is_negative());
  EXPECT_TRUE(Money::from_minor_units(1).is_positive());
  EXPECT_TRUE(Money::from_minor_units(-1).is_negative());
}

}  // namespace
}  // namespace recharge
