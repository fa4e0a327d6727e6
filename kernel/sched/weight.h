// SPDX-License-Identifier: BSD-2-Clause
// How fast virtual time passes: at nice 0 as fast as real time, and 1.25 times faster for each step of nice, so that one
// step changes a thread's share against another by about 10 %. Compiles on the host. Source: Linux's sched(7).
#pragma once

#include <array>
#include <cstdint>

#include "base/units.h"

namespace tine::sched {

inline constexpr int kLeastNice = -20, kMostNice = 19;
inline constexpr unsigned kFactorShift = 22;
inline constexpr uint32_t kIdlePolicyFactor = (uint64_t{1024} << kFactorShift) / 3;  // SCHED_IDLE: 3/1024 of nice 0

// 2^22 * 1.25^nice for each nice value.
consteval std::array<uint32_t, kMostNice - kLeastNice + 1> make_nice_factors() {
  std::array<uint32_t, kMostNice - kLeastNice + 1> factors{};
  constexpr unsigned kGuardBits = 24;
  const uint64_t one = uint64_t{1} << (kFactorShift + kGuardBits);
  uint64_t factor = one;
  for (int nice = 0; nice <= kMostNice; nice++, factor = factor / 4 * 5)
    factors[static_cast<size_t>(nice - kLeastNice)] = static_cast<uint32_t>(factor >> kGuardBits);
  factor = one;
  for (int nice = 0; nice >= kLeastNice; nice--, factor = factor / 5 * 4)
    factors[static_cast<size_t>(nice - kLeastNice)] = static_cast<uint32_t>(factor >> kGuardBits);
  return factors;
}
inline constexpr auto kNiceFactors = make_nice_factors();

constexpr uint64_t weighted(Nanoseconds time, uint32_t factor) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(time) * factor >> kFactorShift);
}

}  // namespace tine::sched
