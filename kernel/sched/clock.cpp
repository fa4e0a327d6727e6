// SPDX-License-Identifier: BSD-2-Clause
#include "sched/clock.h"

#include <atomic>

namespace tine::sched {

namespace {
// What settings of the clock have added to the time that the real-time clock gave at boot; modulo 2^64.
constinit std::atomic<Nanoseconds> adjustment{0};
constexpr Nanoseconds kLatest = INT64_MAX - 30 * 365 * 86'400 * kSecond;  // Linux's bound too
}  // namespace

Nanoseconds wall_clock_offset() {
  return machine::wall_clock_at_boot() + adjustment.load(std::memory_order_relaxed);
}

Nanoseconds wall_clock() { return uptime() + wall_clock_offset(); }

Result<> set_wall_clock(Nanoseconds since_1970) {
  const Nanoseconds now = uptime();
  if (since_1970 < now || since_1970 > kLatest) return Error(Errno::Inval);
  adjustment.store(since_1970 - now - machine::wall_clock_at_boot(), std::memory_order_relaxed);
  return {};
}

}  // namespace tine::sched
