// SPDX-License-Identifier: BSD-2-Clause
// The machine's clock and each CPU's one-shot timer.
#pragma once

#include "base/units.h"

namespace tine::machine {

Nanoseconds now();                         // since boot; monotonic across CPUs; any context
Nanoseconds wall_clock_at_boot();          // UTC at now() == 0, since 1970, from the real-time clock
void arm_timer(Nanoseconds deadline);      // upcalls::timer_expired on this CPU at or soon after; replaces the last one
void disarm_timer();

}  // namespace tine::machine
