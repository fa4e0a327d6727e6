// SPDX-License-Identifier: BSD-2-Clause
// What the machine layer keeps for each CPU, behind the CpuLocal that everybody sees.
#pragma once

#include <atomic>

#include "base/units.h"
#include "machine/cpu.h"
#include "machine/paging.h"

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
};

struct PerCpu : CpuLocal {
  TaskState task_state;
  alignas(16) uint64_t gdt[10];
  uint32_t apic_id;
  std::atomic<bool> started;
  Nanoseconds timer_deadline;

  // TLB shoot-down: what this CPU asks of others, who still has to answer, and which CPUs ask it.
  uintptr_t flush_start, flush_end;
  std::atomic<CpuSet> flush_pending;
  std::atomic<CpuSet> flush_requests;
};

PerCpu& per_cpu(unsigned id);
inline PerCpu& this_per_cpu() { return static_cast<PerCpu&>(this_cpu()); }

// Makes the running CPU the one called `id`: its GS base, GDT, TSS, IDT and system-call entry.
void init_cpu(unsigned id, CpuStacks& stacks);

// One CPU more runs.
void count_cpu();

}  // namespace tine::machine
