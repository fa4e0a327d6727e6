// SPDX-License-Identifier: BSD-2-Clause
// Clocks. Uptime is machine::now(); the wall clock is uptime plus an offset that clock_settime(2) moves.
#pragma once

#include "base/result.h"
#include "base/units.h"
#include "machine/clock.h"

namespace tine::sched {

inline Nanoseconds uptime() { return machine::now(); }
Nanoseconds wall_clock();                          // ns since 1970, UTC
// Inval for what would put the boot before 1970, or the end of 64-bit times within reach.
Result<> set_wall_clock(Nanoseconds since_1970);
Nanoseconds wall_clock_offset();                   // wall_clock() - uptime(), never negative

}  // namespace tine::sched
