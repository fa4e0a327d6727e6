// SPDX-License-Identifier: BSD-2-Clause
// Starting the other CPUs: INIT for all; then one after the other the startup IPI, until the CPU has checked in.
// Source: Intel SDM vol. 3, 9.4.4.1.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>

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

// The CPU has had INIT.
bool start_cpu(unsigned id, uint32_t apic_id, PhysAddr trampoline) {
  constexpr uint64_t kBetweenSteps = 200, kPatience = 2'000'000;
  poke<uint64_t>(trampoline, TRAMPOLINE_STACK, reinterpret_cast<uint64_t>(std::end(stacks[id]->boot)));
  poke<uint32_t>(trampoline, TRAMPOLINE_CPU, id);
  boot_cpu_tsc.store(read_tsc());
  const auto page = static_cast<uint8_t>(trampoline >> kPageShift);
  send_startup(apic_id, page);
  if (wait_for(id, kBetweenSteps)) return true;
  send_startup(apic_id, page);  // old hardware wants a second one; it means nothing to a CPU that runs
  if (wait_for(id, kPatience)) return true;
  send_init(apic_id);  // or it might come when there is no identity map any more, and take the machine with it
  return false;
}

// The other CPUs that can be started, `most` at most; how many there are.
unsigned find_other_cpus(std::array<uint32_t, kMaxCpus>& apic_ids, unsigned most) {
  const AcpiInfo& acpi = acpi_info();
  if (acpi.offered_cpus == 0)
    log(LogLevel::Warning, "smp: neither ACPI nor an MP table tells of CPUs: one is used");
  if (acpi.offered_cpus > acpi.cpu_count)
    log(LogLevel::Warning, "smp: %u CPUs are offered; only %u are used", acpi.offered_cpus, acpi.cpu_count);
  const uint32_t own = local_apic_id();
  unsigned count = 0;
  for (const uint32_t apic_id : std::span(acpi.apic_ids).first(acpi.cpu_count)) {
    if (apic_id == own || count == most) continue;
    if (is_reachable(apic_id))
      apic_ids[count++] = apic_id;
    else
      log(LogLevel::Warning, "smp: the CPU with APIC id %u cannot be reached without an x2APIC", apic_id);
  }
  return count;
}

}  // namespace

void reserve_secondary_stacks() {
  constexpr size_t kPages = round_up(sizeof(SecondaryStacks), kPageSize) / kPageSize;
  for (unsigned id = 1; id < acpi_info().cpu_count; id++)
    stacks[id] = physical_to_virtual<SecondaryStacks>(take_boot_pages(kPages));
}

// The manual wants 10 ms between INIT and the first startup IPI, and 200 µs before the second. A CPU that has had INIT waits
// for its startup IPI as long as need be: so all have INIT first, and the 10 ms pass once.
unsigned start_other_cpus(unsigned limit) {
  constexpr uint64_t kAfterInit = 10'000;
  std::array<uint32_t, kMaxCpus> apic_ids;
  const unsigned count = limit > 1 ? find_other_cpus(apic_ids, limit - 1) : 0;
  const PhysAddr trampoline = trampoline_page();
  if (count != 0 && trampoline == 0) {
    log(LogLevel::Warning, "smp: no memory below 1 MiB to start other CPUs from");
    return cpu_count();
  }
  if (count != 0) {
    write_trampoline(trampoline);
    for (const uint32_t apic_id : std::span(apic_ids).first(count)) send_init(apic_id);
    delay_microseconds(kAfterInit);
  }
  for (const uint32_t apic_id : std::span(apic_ids).first(count)) {
    if (start_cpu(cpu_count(), apic_id, trampoline)) continue;
    log(LogLevel::Warning, "smp: the CPU with APIC id %u does not start", apic_id);
    break;
  }
  drop_identity_map();
  return cpu_count();
}

}  // namespace tine::machine
