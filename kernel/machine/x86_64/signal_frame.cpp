// SPDX-License-Identifier: BSD-2-Clause
#include "machine/signal_frame.h"

#include <cstring>

#include "base/units.h"
#include "machine/context.h"
#include "machine/cpu.h"
#include "machine/paging.h"
#include "machine/user_access.h"
#include "machine/x86_64/extended_state.h"
#include "machine/x86_64/layout.h"

namespace tine::machine {

namespace {

inline constexpr size_t kRedZone = 128;          // below the stack pointer, the program's own
inline constexpr size_t kLegacyStateSize = 512;  // FXSAVE
inline constexpr uint64_t kHasExtendedState = 1, kHasStackSegment = 2, kStrictStackSegment = 4;

// struct sigcontext
struct MachineContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
  uint16_t cs, gs, fs, ss;
  uint64_t error_code, trap_number, old_mask, fault_address;
  uint64_t extended_state;
  uint64_t reserved[8];
};
static_assert(sizeof(MachineContext) == 256);

struct UserContext {
  uint64_t flags, link;
  uint64_t stack_base;
  uint32_t stack_flags, padding;
  uint64_t stack_size;
  MachineContext machine;
  uint64_t mask;
};
static_assert(sizeof(UserContext) == 304);

struct Image {
  uint64_t return_address;
  UserContext context;
  std::byte info[kSignalInfoSize];
};
static_assert(sizeof(Image) == 440);

MachineContext context_of(const TrapFrame& frame) {
  MachineContext context{};
  context.r8 = frame.r8;
  context.r9 = frame.r9;
  context.r10 = frame.r10;
  context.r11 = frame.r11;
  context.r12 = frame.r12;
  context.r13 = frame.r13;
  context.r14 = frame.r14;
  context.r15 = frame.r15;
  context.rdi = frame.rdi;
  context.rsi = frame.rsi;
  context.rbp = frame.rbp;
  context.rbx = frame.rbx;
  context.rdx = frame.rdx;
  context.rax = frame.rax;
  context.rcx = frame.rcx;
  context.rsp = frame.rsp;
  context.rip = frame.rip;
  context.rflags = frame.rflags;
  context.cs = static_cast<uint16_t>(frame.cs);
  context.ss = static_cast<uint16_t>(frame.ss);
  if (frame.vector < 32) {  // an exception
    context.trap_number = frame.vector;
    context.error_code = frame.error_code;
  }
  return context;
}

void restore(TrapFrame& frame, const MachineContext& context) {
  frame.r8 = context.r8;
  frame.r9 = context.r9;
  frame.r10 = context.r10;
  frame.r11 = context.r11;
  frame.r12 = context.r12;
  frame.r13 = context.r13;
  frame.r14 = context.r14;
  frame.r15 = context.r15;
  frame.rdi = context.rdi;
  frame.rsi = context.rsi;
  frame.rbp = context.rbp;
  frame.rbx = context.rbx;
  frame.rdx = context.rdx;
  frame.rax = context.rax;
  frame.rcx = context.rcx;
  frame.rsp = context.rsp;
  frame.rip = context.rip;
  frame.set_user_flags(context.rflags);
}

bool in_user_range(uintptr_t address, size_t size) {
  return address >= kUserStart && address <= kUserEnd - size;
}

}  // namespace

size_t least_signal_stack() {
  // What the frame needs at worst: both alignments and the red zone included.
  return round_up(sizeof(Image) + signal_extended_state_size() + kRedZone + 64 + 16, 16);
}

// Not inlined: what ends a process on its way to user mode, exit included, runs below the same caller.
[[gnu::noinline]] bool push_signal_frame(TrapFrame& frame, const SignalFrame& signal) {
  const size_t state_size = signal_extended_state_size();
  const uintptr_t top = signal.stack_top != 0 ? signal.stack_top : frame.rsp - kRedZone;
  if (top > kUserEnd || top < least_signal_stack()) return false;
  const uintptr_t state = round_down(top - state_size, 64);
  // A handler starts as if it had been called: 8 bytes off a multiple of 16.
  const uintptr_t address = round_down(state - sizeof(Image), 16) - 8;
  if (address < signal.stack_limit || !in_user_range(address, top - address)) return false;

  Image image{};
  image.return_address = signal.restorer;
  image.context.flags =
      kHasStackSegment | kStrictStackSegment | (state_size > kLegacyStateSize ? kHasExtendedState : 0);
  image.context.stack_base = signal.alternate_stack.base;
  image.context.stack_flags = signal.alternate_stack.flags;
  image.context.stack_size = signal.alternate_stack.size;
  image.context.machine = context_of(frame);
  image.context.machine.old_mask = signal.mask;
  image.context.machine.fault_address = signal.fault_address;
  image.context.machine.extended_state = state;
  image.context.mask = signal.mask;
  std::memcpy(image.info, signal.info.data(), kSignalInfoSize);
  if (!store_signal_extended_state(state) || !copy_to_user(address, &image, sizeof(image))) return false;
  // What the interrupted function has set in MXCSR or left in the vector registers is none of the handler's business.
  load_initial_extended_state();

  frame.rdi = static_cast<uint64_t>(signal.signal);
  frame.rsi = address + offsetof(Image, info);
  frame.rdx = address + offsetof(Image, context);
  frame.rax = 0;  // a handler may be declared without a prototype
  frame.rsp = address;
  frame.rip = signal.handler;
  frame.rflags &= ~uint64_t{0x10500};  // direction up, no single step, no resume flag
  frame.set_not_in_system_call();
  return true;
}

bool pop_signal_frame(TrapFrame& frame, SignalReturn& result) {
  const uintptr_t address =
      frame.rsp - sizeof(uint64_t);  // the handler's return took the restorer's address off
  UserContext context;
  if (!in_user_range(address, sizeof(Image)) ||
      !copy_from_user(&context, address + offsetof(Image, context), sizeof(context)))
    return false;
  // An address that is none stays: the way back to user mode finds it, and the program gets the fault there.
  restore(frame, context.machine);
  frame.set_not_in_system_call();
  result.mask = context.mask;
  result.alternate_stack = {context.stack_base, context.stack_flags, context.stack_size};
  const uintptr_t state = context.machine.extended_state;
  result.state_loaded = true;
  if (state == 0)
    load_initial_extended_state();
  else
    result.state_loaded = in_user_range(state, signal_extended_state_size()) && load_signal_extended_state(state);
  return true;
}

}  // namespace tine::machine
