// SPDX-License-Identifier: BSD-2-Clause
// Panics that know the registers of the trap that caused them.
#pragma once

#include "machine/panic.h"
#include "machine/trap_frame.h"

namespace tine::machine {

[[noreturn]] [[gnu::format(printf, 2, 3)]] void panic_at(const TrapFrame& frame, const char* format, ...);

// Logs the functions on the stack, starting from the caller whose frame pointer this is.
void log_backtrace_from(uintptr_t frame_pointer);
void log_code_address(uintptr_t address);
// Return addresses from this frame on, the innermost first; what is not used of `into` becomes 0.
void collect_backtrace(uintptr_t frame_pointer, std::span<uintptr_t> into);

}  // namespace tine::machine
