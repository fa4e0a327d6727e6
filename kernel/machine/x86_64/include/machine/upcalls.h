// SPDX-License-Identifier: BSD-2-Clause
// What the machine layer calls upward. Declared by the machine, defined above (kernel/upcalls.cpp binds them to vm,
// process, sched and abi).
#pragma once

#include <cstdint>

#include "machine/trap_frame.h"

namespace tine::machine::upcalls {

enum class Access : uint8_t { Read, Write, Execute };

// A fault on a user address, from user mode or from a user_access.h routine. Interrupts as they were. May sleep.
// False: not resolved; the machine then fails the user access, or calls user_exception if it came from user mode.
bool page_fault(TrapFrame& frame, uintptr_t address, Access access, bool protection);

enum class Exception : uint8_t {
  Divide, Debug, Breakpoint, Overflow, Bound, InvalidOpcode, NoDevice, Segment, Stack, GeneralProtection, PageFault,
  FloatingPoint, Alignment, Simd, Watchpoint, Other
};
// An exception in user mode that nothing resolved: the process gets its signal. `address`: faulting address.
void user_exception(TrapFrame& frame, Exception kind, uintptr_t address, bool protection);

void system_call(TrapFrame& frame);          // interrupts on
void timer_expired();                        // interrupts off
void reschedule_requested();                 // interrupts off
void interrupt_ended(TrapFrame& frame);      // after any interrupt: the place to preempt user mode

// Before a return to user mode, if the thread's user_work word (cpu.h) is not 0. Called once per return, with
// interrupts off; it may turn them on and sleep, and returns with them off and nothing urgent left in the word.
void return_to_user(TrapFrame& frame);

[[noreturn]] void cpu_started();             // a secondary CPU is ready to schedule; interrupts off

}  // namespace tine::machine::upcalls
