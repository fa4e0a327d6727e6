// SPDX-License-Identifier: BSD-2-Clause
// Starting the other CPUs, one after the other: INIT, startup IPI, and wait until the CPU has checked in.
// Source: Intel SDM vol. 3, 9.4.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "machine/boot.h"
#include "machine/upcalls.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/address_layout.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/boot_memory.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/identify.h"
#include "machine/x86_64/kernel_map.h"
#include "machine/x86_64/layout.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"
#include "machine/x86_64/smp.h"

namespace tine::machine {

extern "C" {
extern const std::byte trampoline_start[], trampoline_end[], trampoline_long_mode[];
extern const uint64_t boot_gdt[4];
}

namespace {

// What a secondary CPU stands on until the scheduler gives it threads.
struct SecondaryStacks {
  CpuStacks exceptions;
  alignas(16) std::byte boot[16_KiB];
};

constinit SecondaryStacks* stacks[kMaxCpus] = {};
constinit std::atomic<uint64_t> boot_cpu_tsc{0};

// On the trampoline's stack, on the boot page tables.
[[noreturn]] void start_secondary(unsigned id) {
  load_kernel_top_table();
  init_cpu(id, stacks[id]->exceptions);
  enable_cpu_features();
  // Time must not run backwards from one CPU to another.
  if (const uint64_t least = boot_cpu_tsc.load(); read_tsc() < least) write_msr(Msr::Tsc, least);
  init_local_apic();
  identify_processor();
  count_cpu();
  per_cpu(id).started.store(true);
  upcalls::cpu_started();
}

template <class T>
void poke(PhysAddr page, size_t offset, T value) {
  memcpy(physical_to_virtual(page + offset), &value, sizeof value);
}

void write_trampoline(PhysAddr page) {
  memcpy(physical_to_virtual(page), trampoline_start, static_cast<size_t>(trampoline_end - trampoline_start));
  poke<uint16_t>(page, TRAMPOLINE_GDT_POINTER, sizeof boot_gdt - 1);
  poke<uint32_t>(page, TRAMPOLINE_GDT_POINTER + 2,
                 static_cast<uint32_t>(image_address(boot_gdt)));
  poke<uint32_t>(page, TRAMPOLINE_FAR_POINTER,
                 static_cast<uint32_t>(page + static_cast<size_t>(trampoline_long_mode - trampoline_start)));
  poke<uint16_t>(page, TRAMPOLINE_FAR_POINTER + 4, KERNEL_CODE);
  poke<uint32_t>(page, TRAMPOLINE_TOP_TABLE, static_cast<uint32_t>(boot_top_table_address()));
  poke<uint64_t>(page, TRAMPOLINE_ENTRY, reinterpret_cast<uint64_t>(&start_secondary));
}

bool wait_for(unsigned id, uint64_t microseconds) {
  constexpr uint64_t kStep = 10;
  for (uint64_t waited = 0; waited < microseconds; waited += kStep) {
    if (per_cpu(id).started.load()) return true;
    boot_cpu_tsc.store(read_tsc());
    delay_microseconds(kStep);
  }
  return per_cpu(id).started.load();
}

bool start_cpu(unsigned id, uint32_t apic_id, PhysAddr trampoline) {
  constexpr uint64_t kBetweenSteps = 200, kPatience = 2'000'000;
  poke<uint64_t>(trampoline, TRAMPOLINE_STACK, reinterpret_cast<uint64_t>(std::end(stacks[id]->boot)));
  poke<uint32_t>(trampoline, TRAMPOLINE_CPU, id);
  boot_cpu_tsc.store(read_tsc());
  send_init(apic_id);
  delay_microseconds(10);
  const auto page = static_cast<uint8_t>(trampoline >> kPageShift);
  send_startup(apic_id, page);
  if (wait_for(id, kBetweenSteps)) return true;
  send_startup(apic_id, page);  // old hardware wants a second one; it means nothing to a CPU that runs
  return wait_for(id, kPatience);
}

}  // namespace

void reserve_secondary_stacks() {
  constexpr size_t kPages = round_up(sizeof(SecondaryStacks), kPageSize) / kPageSize;
  for (unsigned id = 1; id < acpi_info().cpu_count; id++)
    stacks[id] = physical_to_virtual<SecondaryStacks>(take_boot_pages(kPages));
}

unsigned start_other_cpus(unsigned limit) {
  const AcpiInfo& acpi = acpi_info();
  const PhysAddr trampoline = trampoline_page();
  const uint32_t own_apic_id = local_apic_id();
  if (acpi.offered_cpus == 0)
    log(LogLevel::Warning, "smp: neither ACPI nor an MP table tells of CPUs: one is used");
  if (acpi.offered_cpus > acpi.cpu_count)
    log(LogLevel::Warning, "smp: %u CPUs are offered; only %u are used", acpi.offered_cpus, acpi.cpu_count);
  if (trampoline == 0) {
    log(LogLevel::Warning, "smp: no memory below 1 MiB to start other CPUs from");
    return cpu_count();
  }
  write_trampoline(trampoline);
  for (unsigned i = 0; i < acpi.cpu_count && cpu_count() < limit; i++) {
    if (acpi.apic_ids[i] == own_apic_id) continue;
    const unsigned id = cpu_count();
    if (!start_cpu(id, acpi.apic_ids[i], trampoline)) {
      log(LogLevel::Warning, "smp: the CPU with APIC id %u does not start", acpi.apic_ids[i]);
      break;  // it might still come, and must not meet another's stack
    }
  }
  drop_identity_map();
  return cpu_count();
}

}  // namespace tine::machine
