// SPDX-License-Identifier: BSD-2-Clause
// The descriptor tables: GDT and TSS of each CPU, the common IDT, and the registers behind SYSCALL. There is
// no 32-bit code segment, so no program can leave 64-bit mode. Source: Intel SDM vol. 3, chapters 3, 6 and 8.
#include "machine/x86_64/debug_registers.h"
#include "machine/x86_64/layout.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

extern "C" {
extern const std::byte entry_stubs[];
void system_call_entry();
void compatibility_system_call_entry();
}

namespace {

constexpr size_t kStubSize = 16;
constexpr unsigned kVectors = 256;

struct Gate {
  uint16_t offset_low;
  uint16_t selector;
  uint8_t interrupt_stack;
  uint8_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TablePointer {
  uint16_t limit;
  uint64_t base;
};

constinit PerCpu cpus[kMaxCpus] = {};
constinit std::atomic<uint32_t> no_work{0};  // what user_work names before there are threads
alignas(kPageSize) constinit Gate idt[kVectors] = {};
constinit std::atomic<unsigned> running_cpus{0};

constexpr uint8_t interrupt_stack_of(unsigned vector) {
  switch (vector) {
    case 1:
      return kDebugStack;
    case 2:
      return kNmiStack;
    case 8:
      return kDoubleFaultStack;
    case 18:
      return kMachineCheckStack;
    default:
      return kCurrentStack;
  }
}

void fill_idt() {
  for (unsigned vector = 0; vector < kVectors; vector++) {
    const auto stub = reinterpret_cast<uintptr_t>(entry_stubs + vector * kStubSize);
    const bool for_programs = vector == 3 || vector == 4;  // INT3 and INTO
    idt[vector] = {
        .offset_low = static_cast<uint16_t>(stub),
        .selector = KERNEL_CODE,
        .interrupt_stack = interrupt_stack_of(vector),
        .type = static_cast<uint8_t>(for_programs ? 0xee : 0x8e),  // present interrupt gate, DPL 3 or 0
        .offset_middle = static_cast<uint16_t>(stub >> 16),
        .offset_high = static_cast<uint32_t>(stub >> 32),
        .reserved = 0,
    };
  }
}

void fill_gdt(PerCpu& cpu) {
  const auto base = reinterpret_cast<uintptr_t>(&cpu.task_state);
  cpu.gdt[KERNEL_CODE / 8] = 0x00af9b000000ffff;
  cpu.gdt[KERNEL_DATA / 8] = 0x00cf93000000ffff;
  cpu.gdt[USER_DATA / 8] = 0x00cff3000000ffff;
  cpu.gdt[USER_CODE / 8] = 0x00affb000000ffff;
  cpu.gdt[TASK_STATE / 8] =
      (sizeof(TaskState) - 1) | (base & 0xffffff) << 16 | uint64_t{0x89} << 40 | (base >> 24 & 0xff) << 56;
  cpu.gdt[TASK_STATE / 8 + 1] = base >> 32;
}

template <size_t size>
uint64_t end_of(std::byte (&stack)[size]) {
  return reinterpret_cast<uint64_t>(stack + size);
}

void fill_task_state(TaskState& task_state, CpuStacks& stacks) {
  task_state.interrupt_stack[kDoubleFaultStack - 1] = end_of(stacks.double_fault);
  task_state.interrupt_stack[kNmiStack - 1] = end_of(stacks.nmi);
  task_state.interrupt_stack[kMachineCheckStack - 1] = end_of(stacks.machine_check);
  task_state.interrupt_stack[kDebugStack - 1] = end_of(stacks.debug);
  task_state.io_map = sizeof(TaskState);  // none: no program reaches a port
}

}  // namespace

PerCpu& per_cpu(unsigned id) { return cpus[id]; }
unsigned cpu_count() { return running_cpus.load(std::memory_order_relaxed); }
void count_cpu() { running_cpus.fetch_add(1, std::memory_order_relaxed); }

void init_cpu(unsigned id, CpuStacks& stacks) {
  PerCpu& cpu = cpus[id];
  cpu.self = &cpu;
  cpu.id = id;
  cpu.user_work = &no_work;
  cpu.interrupt_stack_top = end_of(stacks.interrupt);
  mark_interrupt_stack(cpu);
  cpu.timer_deadline = kForever;
  fill_gdt(cpu);
  fill_task_state(cpu.task_state, stacks);
  if (id == 0) fill_idt();

  const TablePointer gdt_pointer{sizeof cpu.gdt - 1, reinterpret_cast<uint64_t>(cpu.gdt)};
  const TablePointer idt_pointer{sizeof idt - 1, reinterpret_cast<uint64_t>(idt)};
  asm volatile("lgdt %0" ::"m"(gdt_pointer));
  asm volatile("lidt %0" ::"m"(idt_pointer));
  asm volatile("lldt %w0" ::"r"(0));   // after a reset it is present, at address 0, where a program might lay gates
  asm volatile(
      "pushq %0\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "lretq\n"
      "1:\n\t"
      "movl %1, %%eax\n\t"
      "movl %%eax, %%ss\n\t"
      "xorl %%eax, %%eax\n\t"
      "movl %%eax, %%ds\n\t"
      "movl %%eax, %%es\n\t"
      "movl %%eax, %%fs\n\t"
      "movl %%eax, %%gs\n\t"
      "ltr %w2" ::"i"(KERNEL_CODE),
      "i"(KERNEL_DATA), "r"(TASK_STATE)
      : "rax", "memory");

  init_debug_registers();
  write_msr(Msr::GsBase, reinterpret_cast<uint64_t>(&cpu));
  write_msr(Msr::KernelGsBase, 0);
  write_msr(Msr::Star, uint64_t{SYSRET_BASE} << 48 | uint64_t{KERNEL_CODE} << 32);
  write_msr(Msr::LongStar, reinterpret_cast<uint64_t>(&system_call_entry));
  write_msr(Msr::SysenterCs, 0);  // the other way in is closed: SYSENTER faults. SDM vol. 3, 5.8.7
  write_msr(Msr::CompatStar, reinterpret_cast<uint64_t>(&compatibility_system_call_entry));
  write_msr(Msr::SyscallMask, kFlagTrap | kFlagInterrupts | kFlagDirection | kFlagNestedTask |
                                  kFlagAlignmentCheck | kFlagIoPrivilege);
}

}  // namespace tine::machine
