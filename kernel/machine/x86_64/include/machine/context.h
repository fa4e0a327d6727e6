// SPDX-License-Identifier: BSD-2-Clause
// Kernel contexts and the machine state of user threads: what a context switch saves and restores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "machine/trap_frame.h"

namespace tine::machine {

// A suspended kernel stack: the callee-saved registers lie on it.
struct Context {
  uintptr_t stack_pointer = 0;
};

// Saves the running context in `from` and goes on in `to`. Interrupts are off.
extern "C" void switch_context(Context& from, const Context& to);

// Makes `context` start with function(argument) on a stack that ends (exclusive) at `stack_top`, interrupts off.
// The function never returns.
void prepare_context(Context& context, uintptr_t stack_top, void (*function)(void*), void* argument);

// Layout at the top of each kernel stack, from its end downwards: the extended (FPU, vector) state, the TrapFrame,
// then the stack proper.
size_t extended_state_size();                      // bytes that XSAVE needs, a multiple of 64
TrapFrame& user_frame(uintptr_t stack_top);        // stack_top: the end of the stack's memory
uintptr_t initial_stack_pointer(uintptr_t stack_top);  // right below the TrapFrame
std::span<std::byte> extended_state(uintptr_t stack_top);

// Where a debugger wants to be told of accesses, and what has happened there. `serial`: 0 when nothing is watched; else
// each setting has one of its own, by which a CPU knows what it has loaded.
struct DebugRegisters {
  uint64_t address[4] = {};
  uint64_t status = 0, control = 0;  // DR6, DR7
  uint64_t serial = 0;
};

// The thread-local base registers and what a debugger set; extended state lives on the kernel stack.
struct UserState {
  uintptr_t fs_base = 0;  // TLS
  uintptr_t gs_base = 0;
  DebugRegisters debug;
};

// Live registers <-> memory. "stack_top" names the thread whose extended state is meant. A context switch calls them
// with interrupts off, for threads that have a user side.
void save_user_state(UserState& state, uintptr_t stack_top);
void load_user_state(UserState& state, uintptr_t stack_top);
void prepare_extended_state(uintptr_t stack_top);  // of a new stack, whose memory held anything: fit to be saved to
void reset_extended_state(uintptr_t stack_top);    // in memory: as at program start
void set_kernel_stack(uintptr_t stack_top);        // where this CPU's next entry from user mode starts
void set_fs_base(uintptr_t base);                  // live register of the running thread
void set_gs_base(uintptr_t base);
bool is_canonical_user_address(uintptr_t address);

// Goes to user mode with the frame at the top of the running thread's stack. upcalls::return_to_user runs first if the
// thread has user_work.
[[noreturn]] void return_to_user(uintptr_t stack_top);

// A signal frame holds the extended state in the format that the architecture's ABI says (XSAVE image with the
// software-reserved bytes). Size in bytes, alignment 64.
size_t signal_extended_state_size();
bool store_signal_extended_state(uintptr_t user_address);  // from the live registers; false: memory fault
bool load_signal_extended_state(uintptr_t user_address);   // false: fault or malformed; the live registers are initial then
}  // namespace tine::machine
