#include "server/send_batch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

namespace recharge {
namespace {

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0); }
  ~Pair() {
    for (const int end : ends) ::close(end);
  }
  std::string received() const {
    std::string bytes(1 << 16, '\0');
    const ssize_t count = ::recv(ends[1], bytes.data(), bytes.size(), 0);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
  }
  std::array<int, 2> ends{};
};

class Sending : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!batch.is_open()) GTEST_SKIP() << "the system does not offer io_uring";
  }
  SendBatch batch;
};

TEST_F(Sending, EachConnectionGetsItsOwnBytes) {
  std::vector<Pair> pairs(SendBatch::kMaxSends);
  std::vector<std::ptrdiff_t> results(pairs.size(), 0);
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < pairs.size(); ++i)
      texts.push_back("reply " + std::to_string(round * 1000 + int(i)));
    for (std::size_t i = 0; i < pairs.size(); ++i) batch.add(pairs[i].ends[0], texts[i], results[i]);
    batch.submit();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      EXPECT_EQ(results[i], static_cast<std::ptrdiff_t>(texts[i].size()));
      EXPECT_EQ(pairs[i].received(), texts[i]);
    }
  }
}

TEST_F(Sending, NothingIsSentBeforeItIsSubmitted) {
  const Pair pair;
  std::ptrdiff_t result = 0;
  batch.add(pair.ends[0], "early", result);
  EXPECT_EQ(result, SendBatch::kUnsent);
  EXPECT_EQ(pair.received(), "");
  batch.submit();
  EXPECT_EQ(pair.received(), "early");
  batch.submit();
  EXPECT_EQ(pair.received(), "");
}

// Neither waited for, nor sent later, nor in the way of others.
TEST_F(Sending, AFullAClosedAndABadOneHaveTheirOwnResults) {
  const Pair full;
  const std::string large(1 << 20, 'x');
  while (::send(full.ends[0], large.data(), large.size(), 0) > 0) {
  }
  ::fcntl(full.ends[0], F_SETFL, 0);  // it would wait
  Pair closed;
  ::close(closed.ends[1]);
  closed.ends[1] = ::dup(closed.ends[0]);
  const Pair good;
  std::array<std::ptrdiff_t, 4> results{};
  batch.add(full.ends[0], "late", results[0]);
  batch.add(closed.ends[0], "lost", results[1]);
  batch.add(-1, "nowhere", results[2]);
  batch.add(good.ends[0], "good", results[3]);
  batch.submit();
  EXPECT_EQ(results, (std::array<std::ptrdiff_t, 4>{-EAGAIN, -EPIPE, -EBADF, 4}));
  EXPECT_EQ(good.received(), "good");
  std::string all;
  for (std::string some = full.received(); !some.empty(); some = full.received()) all += some;
  EXPECT_EQ(all.find("late"), std::string::npos);
}

TEST_F(Sending, WhatFitsIsCounted) {
  const Pair pair;
  const std::string large(8 << 20, 'x');
  std::ptrdiff_t result = 0;
  batch.add(pair.ends[0], large, result);
  batch.submit();
  EXPECT_GT(result, 0);
  EXPECT_LT(result, static_cast<std::ptrdiff_t>(large.size()));
  std::size_t received = 0;
  for (std::string some = pair.received(); !some.empty(); some = pair.received()) received += some.size();
  EXPECT_EQ(static_cast<std::ptrdiff_t>(received), result);
}

// Where there is no io_uring, nothing is taken: the caller sends.
TEST(SendBatch, WithoutARingNothingIsTried) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  SendBatch batch;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_FALSE(batch.is_open());
  const Pair pair;
  std::ptrdiff_t result = 0;
  batch.add(pair.ends[0], "text", result);
  batch.submit();
  EXPECT_EQ(result, SendBatch::kUnsent);
  EXPECT_EQ(pair.received(), "");
}

}  // namespace
}  // namespace recharge
