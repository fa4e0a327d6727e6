// SPDX-License-Identifier: BSD-2-Clause
// The parts of the clock that only the machine layer sees.
#pragma once

#include <cstdint>

namespace tine::machine {

void init_clock();  // boot CPU, after the local APIC
void handle_timer_vector();

uint64_t tsc_frequency();

// Busy-waits.
void delay_microseconds(uint64_t microseconds);

}  // namespace tine::machine
