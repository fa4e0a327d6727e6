// SPDX-License-Identifier: BSD-2-Clause
// What KVM writes about time, also when it is nonsense.
#include <gtest/gtest.h>

#include "machine/x86_64/pvclock.h"

namespace tine::machine {
namespace {

// As Linux computes them (kvm_get_time_scale): the multiplier has its highest bit set.
constexpr PvclockTime at_rate(uint32_t multiplier, int8_t shift) {
  return {.version = 2, .reserved = 0, .tsc_then = 0, .nanoseconds_then = 0, .multiplier = multiplier, .shift = shift,
          .flags = 0, .reserved2 = {}};
}
constexpr PvclockTime kTwoGigahertz = at_rate(0x8000'0000, 0), kHalfGigahertz = at_rate(0x8000'0000, 2),
                      kFourGigahertz = at_rate(0x8000'0000, -1);

TEST(Pvclock, RateFollowsFromMultiplierAndShift) {
  EXPECT_EQ(pvclock_frequency(kTwoGigahertz), 2'000'000'000u);
  EXPECT_EQ(pvclock_frequency(kHalfGigahertz), 500'000'000u);
  EXPECT_EQ(pvclock_frequency(kFourGigahertz), 4'000'000'000u);
  EXPECT_NEAR(static_cast<double>(pvclock_frequency(at_rate(3'512'889'000, -1))), 2.4452e9, 1e5);
}

TEST(Pvclock, RateThatNoProcessorHasIsNone) {
  EXPECT_EQ(pvclock_frequency(at_rate(0, 0)), 0u);
  EXPECT_EQ(pvclock_frequency(at_rate(1, 0)), 0u);
  EXPECT_EQ(pvclock_frequency(at_rate(1, -31)), 0u);
  EXPECT_EQ(pvclock_frequency(at_rate(0xffff'ffff, 31)), 0u);
  EXPECT_EQ(pvclock_frequency(at_rate(0x8000'0000, 32)), 0u);
  EXPECT_EQ(pvclock_frequency(at_rate(0x8000'0000, -128)), 0u);
}

TEST(Pvclock, TimeGoesOnFromWhereTheHostReadIt) {
  PvclockTime time = kFourGigahertz;
  time.tsc_then = 1'000;
  time.nanoseconds_then = 7;
  EXPECT_EQ(pvclock_nanoseconds(time, 1'000), 7u);
  EXPECT_EQ(pvclock_nanoseconds(time, 5'000), 1'007u);
  EXPECT_EQ(pvclock_nanoseconds(kHalfGigahertz, uint64_t{500'000'000} * 86400 * 365), 86400ull * 365 * kSecond);
}

TEST(Pvclock, HostThatNeverWritesOrNeverEndsIsGivenUp) {
  PvclockTime time = kTwoGigahertz;
  EXPECT_TRUE(read_pvclock(time).has_value());
  time.version = 0;
  EXPECT_FALSE(read_pvclock(time).has_value());
  time.version = 3;
  EXPECT_FALSE(read_pvclock(time).has_value());
}

}  // namespace
}  // namespace tine::machine
