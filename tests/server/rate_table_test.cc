// Allowances: exact over threads, bounded in memory, right when time goes round.
#include "server/rate_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "server/limiter.h"

namespace recharge {
namespace {

constexpr std::uint64_t kStart = 123 * kTicksPerSecond;

Rate per_second(std::uint64_t count, std::uint64_t burst) {
  const std::uint64_t interval = kTicksPerSecond / count;
  return {interval, interval * burst};
}

TEST(RateTable, IsATokenBucket) {
  RateTable table(1000);
  const Rate rate = per_second(10, 5);
  for (std::uint64_t left = 5; left-- > 0;) {
    const auto verdict = table.take(77, rate, kStart);
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.remaining, left);
  }
  const auto refused = table.take(77, rate, kStart);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.wait_ticks, kTicksPerSecond / 10);
  EXPECT_FALSE(table.take(77, rate, kStart + kTicksPerSecond / 10 - 1).allowed);
  EXPECT_TRUE(table.take(77, rate, kStart + kTicksPerSecond / 10).allowed);
  EXPECT_FALSE(table.take(77, rate, kStart + kTicksPerSecond / 10).allowed)
      << "refusals cost nothing, and give nothing";
  EXPECT_TRUE(table.take(78, rate, kStart).allowed) << "another key has its own";
}

TEST(RateTable, AFullBucketHoldsNoMoreThanItsBurst) {
  RateTable table(1000);
  const Rate rate = per_second(10, 5);
  EXPECT_TRUE(table.take(77, rate, kStart).allowed);
  const std::uint64_t later = kStart + 100 * kTicksPerSecond;
  int allowed = 0;
  for (int i = 0; i < 20; ++i) allowed += table.take(77, rate, later).allowed ? 1 : 0;
  EXPECT_EQ(allowed, 5);
}

// The time of a place goes round every 20 days: what stands there from before must neither help nor hurt.
TEST(RateTable, ForgetsWhatIsARoundOld) {
  const Rate rate = per_second(1, 3);
  const std::uint64_t round = std::uint64_t{1} << 44;
  for (const std::uint64_t gap :
       {round / 2, round - kTicksPerSecond, round, round + kTicksPerSecond, 3 * round}) {
    RateTable table(1000);
    while (table.take(5, rate, kStart).allowed) {
    }
    EXPECT_TRUE(table.take(5, rate, kStart + gap + 4 * kTicksPerSecond).allowed) << gap;
  }
}

TEST(RateTable, EachOfManyKeysHasItsOwnAllowance) {
  constexpr std::uint64_t kKeys = 1'000'000;
  RateTable table(2 * kKeys);
  EXPECT_LE(table.bytes(), std::size_t{32} << 20);
  const Rate rate = per_second(1, 2);
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> keys(kKeys);
  for (auto& key : keys) key = random();
  std::uint64_t allowed = 0;
  for (int round = 0; round < 4; ++round) {
    for (const std::uint64_t key : keys) allowed += table.take(key, rate, kStart).allowed ? 1 : 0;
  }
  const double error = static_cast<double>(allowed) / (2.0 * kKeys) - 1;
  EXPECT_LT(std::abs(error), 0.01) << allowed;
  std::printf("a million keys: %llu allowed of 2000000, %zu MiB\n", static_cast<unsigned long long>(allowed),
              table.bytes() >> 20);
}

// More keys than places: memory stays, and who is limited stays limited while it goes on asking.
TEST(RateTable, AFloodOfKeysTakesNoMemoryAndFreesNobody) {
  RateTable table(1024);
  const std::size_t bytes = table.bytes();
  const Rate rate = per_second(1, 5);
  std::mt19937_64 random(7);
  int allowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    allowed += table.take(42, rate, kStart).allowed ? 1 : 0;
    table.take(random(), rate, kStart);
  }
  EXPECT_EQ(table.bytes(), bytes);
  EXPECT_EQ(allowed, 5);
}

TEST(RateTable, IsExactOverThreads) {
  RateTable table(1 << 16);
  constexpr int kThreads = 4;
  constexpr std::uint64_t kRate = 20'000, kBurst = 2'000, kSeconds = 5;
  const Rate rate = per_second(kRate, kBurst);
  std::atomic<std::uint64_t> allowed{0}, asked{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::uint64_t own = 0, count = 0;
      for (std::uint64_t now = kStart; now < kStart + kSeconds * kTicksPerSecond;
           now += 100 + static_cast<std::uint64_t>(i), ++count) {
        own += table.take(9, rate, now).allowed ? 1 : 0;
        if (count % 64 == 0) table.take(count * 0x9e3779b97f4a7c15, rate, now);
        if (count % 512 == 0) std::this_thread::yield();
      }
      allowed += own;
      asked += count;
    });
  }
  for (auto& thread : threads) thread.join();
  const double wanted = static_cast<double>(kBurst + kRate * kSeconds);
  EXPECT_GT(asked, 4 * allowed);
  EXPECT_NEAR(static_cast<double>(allowed) / wanted, 1, 0.01);
  std::printf("%d threads: %llu of %.0f allowed\n", kThreads, static_cast<unsigned long long>(allowed),
              wanted);
}

TEST(Limiter, EveryRateIsWithinOnePercent) {
  for (std::int64_t per_minute :
       {1LL, 7LL, 59LL, 60LL, 1'000LL, 123'457LL, 1'999'999LL, 4'100'000LL, 6'000'000LL}) {
    RateLimitSettings settings;
    settings.enabled = true;
    settings.burst_s = per_minute < 100'000 ? 10 : 1;  // a bucket of one loses what nobody asks for in time
    settings.address.fill(per_minute);
    Limiter limiter;
    limiter.take_over(std::make_shared<Allowances>(1000), settings);
    Reply reply;
    const NetAddress client = *parse_net_address("192.0.2.1");
    const std::uint64_t minutes = per_minute < 1000 ? 100 : 1;
    const std::uint64_t step_us = per_minute < 100'000 ? 997 : 3;
    std::uint64_t allowed = 0;
    for (std::uint64_t now_us = 1; now_us < minutes * 60'000'000; now_us += step_us) {
      reply.clear();
      allowed += limiter.admit_address(LimitClass::read, client, now_us, reply) ? 1 : 0;
      if (per_minute >= 100'000 && now_us > 2'000'000) break;
      if (per_minute < 1000) now_us += 40'000;
    }
    const double seconds = per_minute >= 100'000 ? 2 : static_cast<double>(minutes) * 60;
    const double burst = std::max(1.0, static_cast<double>(per_minute * settings.burst_s / 60));
    const double wanted = static_cast<double>(per_minute) / 60 * seconds + burst;
    EXPECT_NEAR(static_cast<double>(allowed), wanted, std::max(2.0, wanted * 0.01)) << per_minute;
  }
}

TEST(Limiter, SaysWhatIsAllowedAndWhen) {
  RateLimitSettings settings;
  settings.enabled = true;
  settings.address[static_cast<std::size_t>(LimitClass::write)] = 60;
  settings.burst_s = 5;
  Limiter limiter;
  limiter.take_over(std::make_shared<Allowances>(1000), settings);
  const NetAddress client = *parse_net_address("2001:db8:1:2::1");
  Reply reply;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limiter.admit_address(LimitClass::write, client, 1, reply));
  EXPECT_FALSE(
      limiter.admit_address(LimitClass::write, *parse_net_address("2001:db8:1:2:ffff::9"), 1, reply));
  EXPECT_EQ(reply.status, 429U);
  EXPECT_EQ(reply.retry_after_s, 1U);
  EXPECT_EQ(reply.headers,
            "RateLimit-Policy: \"address-write\";q=5;w=5\r\nRateLimit: \"address-write\";r=0;t=1\r\n");
  reply.clear();
  EXPECT_TRUE(limiter.admit_address(LimitClass::write, *parse_net_address("2001:db8:1:3::1"), 1, reply));
  EXPECT_TRUE(limiter.admit_address(LimitClass::callback, client, 1, reply)) << "a class of its own";
  EXPECT_TRUE(limiter.admit_address(LimitClass::none, client, 1, reply));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.admit_account(LimitClass::write, "a", 1, reply));
  settings.enabled = false;
  limiter.take_over(std::make_shared<Allowances>(1000), settings);
  EXPECT_TRUE(limiter.admit_address(LimitClass::write, client, 1, reply));
}

}  // namespace
}  // namespace recharge
