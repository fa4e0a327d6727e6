// SPDX-License-Identifier: BSD-2-Clause
// The speed of virtual time by nice value.
#include <gtest/gtest.h>

#include "sched/weight.h"

namespace tine::sched {
namespace {

uint32_t factor(int nice) { return kNiceFactors[static_cast<size_t>(nice - kLeastNice)]; }

TEST(Weight, VirtualTimeIsRealTimeAtNiceZero) {
  EXPECT_EQ(weighted(12345678, factor(0)), 12345678u);
}

TEST(Weight, EachStepOfNiceIsAQuarterFaster) {
  for (int nice = kLeastNice; nice < kMostNice; nice++)
    EXPECT_NEAR(static_cast<double>(factor(nice + 1)) / factor(nice), 1.25, 1e-4) << nice;
}

TEST(Weight, LongTimesDoNotOverflow) {
  const Nanoseconds year = 365ull * 24 * 3600 * kSecond;
  EXPECT_NEAR(static_cast<double>(weighted(year, factor(kMostNice))) / static_cast<double>(year), 69.4, 0.1);
  EXPECT_GT(weighted(year, kIdlePolicyFactor), weighted(year, factor(kMostNice)));
}

}  // namespace
}  // namespace tine::sched
