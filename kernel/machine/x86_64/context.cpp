// SPDX-License-Identifier: BSD-2-Clause
// Kernel contexts and the user state of threads. Programs cannot write the base registers themselves
// (FSGSBASE is off), but loading a selector changes them, so a context switch reads them back. While the
// kernel runs, the program's GS base is in the "kernel GS base" register; SWAPGS brings it back.
#include "machine/context.h"

#include <cstring>

#include "base/units.h"
#include "machine/paging.h"
#include "machine/x86_64/debug_registers.h"
#include "machine/x86_64/extended_state.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

extern "C" {
void context_start();
[[noreturn]] void leave_with_frame(TrapFrame& frame);
}

void prepare_context(Context& context, uintptr_t stack_top, void (*function)(void*), void* argument) {
  // What switch_context pops: r15, r14, r13, r12, rbx, rbp, the return address; and a word that stands for
  // the return address of context_start, so that it sees a stack aligned as after a call.
  auto* stack = reinterpret_cast<uint64_t*>(round_down(stack_top, 16)) - 9;
  memset(stack, 0, 9 * sizeof *stack);
  stack[2] = reinterpret_cast<uint64_t>(argument);
  stack[3] = reinterpret_cast<uint64_t>(function);
  stack[6] = reinterpret_cast<uint64_t>(&context_start);
  context.stack_pointer = reinterpret_cast<uintptr_t>(stack);
}

TrapFrame& user_frame(uintptr_t stack_top) {
  return *reinterpret_cast<TrapFrame*>(stack_top - extended_state_size() - sizeof(TrapFrame));
}

uintptr_t initial_stack_pointer(uintptr_t stack_top) {
  return round_down(reinterpret_cast<uintptr_t>(&user_frame(stack_top)), 16);
}

std::span<std::byte> extended_state(uintptr_t stack_top) {
  return {reinterpret_cast<std::byte*>(stack_top - extended_state_size()), extended_state_size()};
}

void save_user_state(UserState& state, uintptr_t stack_top) {
  state.fs_base = read_msr(Msr::FsBase);
  state.gs_base = read_msr(Msr::KernelGsBase);
  save_extended_state(extended_state(stack_top).data());
}

void load_user_state(UserState& state, uintptr_t stack_top) {
  if (this_per_cpu().debug_serial != state.debug.serial) [[unlikely]] load_debug_registers(state.debug);
  write_msr(Msr::FsBase, state.fs_base);
  write_msr(Msr::KernelGsBase, state.gs_base);
  load_extended_state(extended_state(stack_top).data());
}

void set_kernel_stack(uintptr_t stack_top) {
  const uintptr_t entry = stack_top - extended_state_size();
  PerCpu& cpu = this_per_cpu();
  cpu.kernel_stack_top = entry;
  cpu.task_state.stack_of_ring[0] = entry;
}

void set_fs_base(uintptr_t base) { write_msr(Msr::FsBase, base); }
void set_gs_base(uintptr_t base) { write_msr(Msr::KernelGsBase, base); }
bool is_canonical_user_address(uintptr_t address) { return address < uintptr_t{1} << 47; }

void return_to_user(uintptr_t stack_top) { leave_with_frame(user_frame(stack_top)); }

}  // namespace tine::machine
