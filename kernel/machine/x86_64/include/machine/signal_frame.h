// SPDX-License-Identifier: BSD-2-Clause
// The frame that a signal handler runs on: what the architecture's ABI lays on the user stack so that the
// handler can look at the interrupted program and rt_sigreturn can go on with it. Source: the x86-64 psABI,
// sigaction(2), and the layout of Linux's rt_sigframe, which programs (and unwinders) read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "machine/trap_frame.h"

namespace tine::machine {

inline constexpr size_t kSignalInfoSize = 128;

struct SavedAlternateStack {
  uintptr_t base;
  uint32_t flags;
  size_t size;
};

struct SignalFrame {
  int signal;
  uintptr_t handler;
  uintptr_t restorer;  // where the handler returns to
  std::span<const std::byte, kSignalInfoSize> info;
  uint64_t mask;                        // blocked signals, to go back to
  SavedAlternateStack alternate_stack;  // likewise
  uintptr_t stack_limit;                // lowest usable address of the stack
  uintptr_t stack_top;                  // build below this; 0: below the interrupted stack pointer
  uintptr_t fault_address;              // of a page fault, else 0
};

// The least alternate stack that a frame fits on (AT_MINSIGSTKSZ).
size_t least_signal_stack();

// Writes the frame to user memory and makes `frame` enter the handler. False: the stack cannot be written or
// is too small; `frame` is unchanged then. The x87 and vector registers are initial for the handler.
[[nodiscard]] bool push_signal_frame(TrapFrame& frame, const SignalFrame& signal);

struct SignalReturn {
  uint64_t mask;
  SavedAlternateStack alternate_stack;
  bool state_loaded;   // false: the x87 and vector registers in the frame are malformed, and those of the CPU are initial now
};

// Restores what push_signal_frame saved, from where the stack pointer is when the restorer makes the call.
// What a program put there can at worst break that program: segments and privileged flags stay, and an address that is
// not one faults on the way back to user mode. False: there is no frame, and nothing has changed.
[[nodiscard]] bool pop_signal_frame(TrapFrame& frame, SignalReturn& result);

}  // namespace tine::machine
