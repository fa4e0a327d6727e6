// SPDX-License-Identifier: BSD-2-Clause
// The registers of a user program while the kernel runs on its behalf. The frame lies at the top of the thread's
// kernel stack; entry code fills it on every system call, interrupt and exception.
#pragma once

#include <cstdint>

namespace tine::machine {

struct TrapFrame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t orig_rax;  // system-call number; -1 when the kernel was entered otherwise (as in ptrace's orig_rax)
  uint64_t vector;    // kSystemCallVector, an exception or an interrupt vector
  uint64_t error_code;
  uint64_t rip, cs, rflags, rsp, ss;

  bool from_user() const { return (cs & 3) == 3; }

  // The system-call convention.
  uint64_t system_call_number() const { return orig_rax; }
  uint64_t argument(unsigned i) const {
    const uint64_t arguments[] = {rdi, rsi, rdx, r10, r8, r9};
    return arguments[i];
  }
  void set_return_value(uint64_t value) { rax = value; }
  uint64_t return_value() const { return rax; }
  bool in_system_call() const { return static_cast<int64_t>(orig_rax) >= 0; }
  void set_not_in_system_call() { orig_rax = ~uint64_t{0}; }
  // Steps back over the 2-byte SYSCALL instruction so that returning to user mode makes the call again.
  void restart_system_call() { rip -= 2; rax = orig_rax; }
  void restart_system_call_as(uint64_t number) { rip -= 2; rax = number; }

  uintptr_t instruction_pointer() const { return rip; }
  uintptr_t stack_pointer() const { return rsp; }
  void set_instruction_pointer(uintptr_t value) { rip = value; }
  void set_stack_pointer(uintptr_t value) { rsp = value; }

  // The flags that a program may choose itself; a debugger or a signal frame sets them only through this. cs and ss
  // never change: nothing above the machine writes them.
  static constexpr uint64_t kUserFlags = 0x250dd5;  // CF PF AF ZF SF TF DF OF RF AC ID
  void set_user_flags(uint64_t flags) { rflags = (rflags & ~kUserFlags) | (flags & kUserFlags); }
  void set_single_step(bool on) { rflags = on ? rflags | 1u << 8 : rflags & ~(uint64_t{1} << 8); }
};

inline constexpr uint64_t kSystemCallVector = 256;

// Registers as they are when a program starts: all zero, user segments, interrupts on.
void reset_for_program(TrapFrame& frame, uintptr_t entry, uintptr_t stack);

}  // namespace tine::machine
