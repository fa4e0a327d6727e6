// SPDX-License-Identifier: BSD-2-Clause
// The CPU's debug registers, which watch addresses for a debugger. They are loaded when a thread that has any set comes
// to a CPU, and switched off when the next one that has none does. Source: Intel SDM vol. 3, 18.2.
#pragma once

#include "machine/context.h"

namespace tine::machine {

void init_debug_registers();   // each CPU: nothing is watched, whatever a loader left

void load_debug_registers(DebugRegisters& debug);

// In a debug exception: takes over why it came. True: because of a watched address. If that is the instruction's own, it
// runs when the frame is gone back to.
bool take_debug_status(TrapFrame& frame);

}  // namespace tine::machine
