// SPDX-License-Identifier: BSD-2-Clause
// The battery-backed clock.
#pragma once

#include "base/units.h"

namespace tine::machine {

Nanoseconds read_real_time_clock();  // UTC since 1970; 0 where there is no such clock

}  // namespace tine::machine
