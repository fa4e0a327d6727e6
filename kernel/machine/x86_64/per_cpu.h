// SPDX-License-Identifier: BSD-2-Clause
// What the machine layer keeps for each CPU, behind the CpuLocal that everybody sees.
#pragma once

#include <array>
#include <atomic>

#include "base/units.h"
#include "machine/context.h"
#include "machine/cpu.h"
#include "machine/paging.h"
#include "machine/user_top.h"

namespace tine::machine {

struct [[gnu::packed]] TaskState {
  uint32_t reserved0;
  uint64_t stack_of_ring[3];
  uint64_t reserved1;
  uint64_t interrupt_stack[7];
  uint64_t reserved2;
  uint16_t reserved3;
  uint16_t io_map;
};
static_assert(sizeof(TaskState) == 104);

// The exceptions that may hit while the stack is not to be trusted, each with a stack of its own (IST index
// from 1).
enum InterruptStack : uint8_t {
  kCurrentStack,
  kDoubleFaultStack,
  kNmiStack,
  kMachineCheckStack,
  kDebugStack
};

struct alignas(16) CpuStacks {
  std::byte double_fault[8_KiB];  // prints a panic
  std::byte nmi[4_KiB];
  std::byte machine_check[8_KiB];
  std::byte debug[4_KiB];
  std::byte interrupt[kInterruptStackSize];  // of handlers, see common_entry in entry.S
};

struct PerCpu : CpuLocal {
  TaskState task_state;
  alignas(16) uint64_t gdt[10];
  uint32_t apic_id;
  std::atomic<bool> started;
  Nanoseconds timer_deadline;

  // What is in the debug registers, and whose it is: debug_registers.h.
  uint64_t debug_serial;
  DebugRegisters* debug_owner;

  // The user half that this CPU runs on, null for none, and its copy: by the number of the word, whose slot is there
  // (+ 1) and where. See user_top.cpp.
  const UserTop* user_top;
  uint64_t user_top_version;
  uint32_t copied_end;
  std::array<uint32_t, UserTop::kFew> copied_slots;
  std::array<std::atomic<uint64_t>*, UserTop::kFew> copied_to;

  // TLB shoot-down: what this CPU asks of others, who still has to answer, and which CPUs ask it.
  uintptr_t flush_start, flush_end;
  std::atomic<CpuSet> flush_pending;
  std::atomic<CpuSet> flush_requests;
};

// The interrupt stack has no guard page, as it lies in the physical map. Its lowest word holds a mark instead, which debug
// kernels look at after each interrupt.
inline constexpr uint64_t kInterruptStackMark = 0x57ac'e2d0'57ac'e2d0;
inline uint64_t& lowest_word_of_interrupt_stack(const CpuLocal& cpu) {
  return *reinterpret_cast<uint64_t*>(cpu.interrupt_stack_top - kInterruptStackSize);
}
inline void mark_interrupt_stack(const CpuLocal& cpu) { lowest_word_of_interrupt_stack(cpu) = kInterruptStackMark; }
inline bool interrupt_stack_is_whole(const CpuLocal& cpu) {
  return lowest_word_of_interrupt_stack(cpu) == kInterruptStackMark;
}

PerCpu& per_cpu(unsigned id);
inline PerCpu& this_per_cpu() { return static_cast<PerCpu&>(this_cpu()); }

// Makes the running CPU the one called `id`: its GS base, GDT, TSS, IDT and system-call entry.
void init_cpu(unsigned id, CpuStacks& stacks);

// One CPU more runs.
void count_cpu();

}  // namespace tine::machine
