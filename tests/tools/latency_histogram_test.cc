#include "tools/latency_histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace recharge {
namespace {

TEST(LatencyHistogram, IsEmptyAtFirst) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile_ns(50), 0U);
  EXPECT_EQ(histogram.max_ns(), 0U);
  EXPECT_EQ(histogram.mean_ns(), 0U);
}

TEST(LatencyHistogram, ShowsSmallValuesExactly) {
  LatencyHistogram histogram;
  for (std::uint64_t value = 1; value <= 50; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile_ns(50), 25U);
  EXPECT_EQ(histogram.percentile_ns(98), 49U);
  EXPECT_EQ(histogram.percentile_ns(100), 50U);
  EXPECT_EQ(histogram.percentile_ns(0.001), 1U);
}

TEST(LatencyHistogram, NeverShowsMoreThanTheMaximum) {
  LatencyHistogram histogram;
  histogram.record(1'000'001);
  EXPECT_EQ(histogram.percentile_ns(50), 1'000'001U);
}

TEST(LatencyHistogram, TakesTheLargestValue) {
  LatencyHistogram histogram;
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(histogram.percentile_ns(99), ~std::uint64_t{0});
}

TEST(LatencyHistogram, KeepsBucketsInOrderWithoutGaps) {
  std::uint64_t next = 0;
  for (std::size_t bucket = 0; bucket + 1 < LatencyHistogram::kBuckets; ++bucket) {
    ASSERT_EQ(LatencyHistogram::bucket_of(next), bucket) << next;
    ASSERT_EQ(LatencyHistogram::bucket_of(LatencyHistogram::highest_in(bucket)), bucket);
    next = LatencyHistogram::highest_in(bucket) + 1;
  }
}

TEST(LatencyHistogram, MergesAsIfRecordedInOne) {
  LatencyHistogram all, first, second;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::uint64_t value = i * i + 17;
    all.record(value);
    (i % 3 == 0 ? first : second).record(value);
  }
  first.merge(second);
  EXPECT_EQ(first.count(), all.count());
  EXPECT_EQ(first.max_ns(), all.max_ns());
  EXPECT_EQ(first.mean_ns(), all.mean_ns());
  for (const double percent : {1.0, 50.0, 90.0, 99.0, 99.9}) {
    EXPECT_EQ(first.percentile_ns(percent), all.percentile_ns(percent));
  }
}

RC_GTEST_PROP(LatencyHistogram, IsAtMostOneSixtyFourthTooHigh, ()) {
  auto values = *rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 10'000'000'000)));
  const int percent = *rc::gen::inRange(1, 101);
  LatencyHistogram histogram;
  for (const std::uint64_t value : values) histogram.record(value);
  std::sort(values.begin(), values.end());
  const auto rank = (values.size() * static_cast<std::size_t>(percent) + 99) / 100;
  const std::uint64_t exact = values[rank - 1];
  const std::uint64_t shown = histogram.percentile_ns(percent);
  RC_ASSERT(shown >= exact);
  RC_ASSERT(shown - exact <= exact / 64);
}

}  // namespace
}  // namespace recharge
