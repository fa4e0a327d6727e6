// SPDX-License-Identifier: BSD-2-Clause
// Clocks. Uptime is machine::now(); the wall clock is uptime plus an offset that clock_settime(2) moves.
#pragma once

#include "base/units.h"
#include "machine/clock.h"

namespace tine::sched {

inline Nanoseconds uptime() { return machine::now(); }
Nanoseconds wall_clock();                          // ns since 1970, UTC
void set_wall_clock(Nanoseconds since_1970);
Nanoseconds wall_clock_offset();                   // wall_clock() - uptime()

}  // namespace tine::sched
