#include "server/trace_parent.h"

#include <gtest/gtest.h>

namespace recharge {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kGood = "00-" + kTrace + "-00f067aa0ba902b7-01";

TEST(TraceParent, IsTakenOver) {
  EXPECT_EQ(TraceParent::parse(kGood).trace_id(), kTrace);
  EXPECT_EQ(TraceParent::parse("cc" + kGood.substr(2) + "-more").trace_id(), kTrace);  // of a later version
}

TEST(TraceParent, IsLeftOutWhereItIsNone) {
  const std::string bad[] = {"",
                             "x",
                             kGood.substr(1),
                             kGood + "-",
                             kGood + "0",
                             "ff" + kGood.substr(2),
                             "00-" + std::string(32, '0') + kGood.substr(35),
                             kGood.substr(0, 36) + std::string(16, '0') + "-01",
                             "00-4BF92F3577B34DA6A3CE929D0E0E4736" + kGood.substr(35),
                             "00_" + kGood.substr(3),
                             kGood.substr(0, 53) + "0g",
                             std::string("00-") + std::string(32, '\n') + kGood.substr(35)};
  for (const std::string& header : bad) {
    EXPECT_TRUE(TraceParent::parse(header).empty()) << header;
    EXPECT_EQ(TraceParent::parse(header).trace_id(), "");
  }
}

TEST(TraceParent, IsHandedOnWithAParentOfOurOwn) {
  RandomSource random(1);
  const TraceParent trace = TraceParent::parse(kGood);
  const std::string first = trace.child(random);
  const std::string second = trace.child(random);
  EXPECT_EQ(TraceParent::parse(first).trace_id(), kTrace);
  EXPECT_TRUE(first.ends_with("-01"));
  EXPECT_NE(first, second);
  EXPECT_NE(first, kGood);
  EXPECT_EQ(TraceParent().child(random), "");
}

}  // namespace
}  // namespace recharge
