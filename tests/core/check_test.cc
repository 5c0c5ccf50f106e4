#include "core/check.h"

#include <gtest/gtest.h>

namespace {

TEST(Check, PassesWhereTheConditionHolds) {
  int evaluated = 0;
  RECHARGE_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, AbortsInEveryBuildAndNamesThePlaceFromTheRepositoryRoot) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(RECHARGE_CHECK(1 + 1 == 3),
               "^tests/core/check_test\\.cc:[0-9]+: check failed: 1 \\+ 1 == 3\n");
}

TEST(CheckDeathTest, DebugCheckAbortsOnlyInDebugBuilds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  int evaluated = 0;
#if RECHARGE_DCHECKS
  EXPECT_DEATH(RECHARGE_DCHECK(++evaluated == 2), "check failed: \\+\\+evaluated == 2");
#else
  RECHARGE_DCHECK(++evaluated == 2);
#endif
  EXPECT_EQ(evaluated, 0);
}

}  // namespace
