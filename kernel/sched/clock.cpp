// SPDX-License-Identifier: BSD-2-Clause
#include "sched/clock.h"

#include <atomic>

namespace tine::sched {

namespace {
// What settings of the clock have added to the time that the real-time clock gave at boot; modulo 2^64.
constinit std::atomic<Nanoseconds> adjustment{0};
}  // namespace

Nanoseconds wall_clock_offset() {
  return machine::wall_clock_at_boot() + adjustment.load(std::memory_order_relaxed);
}

Nanoseconds wall_clock() { return uptime() + wall_clock_offset(); }

void set_wall_clock(Nanoseconds since_1970) {
  adjustment.store(since_1970 - uptime() - machine::wall_clock_at_boot(), std::memory_order_relaxed);
}

}  // namespace tine::sched
