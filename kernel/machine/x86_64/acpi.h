// SPDX-License-Identifier: BSD-2-Clause
// What the kernel wants to know from ACPI: CPUs and interrupt controllers (MADT, or an MP table where there is no ACPI),
// power and reset (FADT, \_S5).
#pragma once

#include <cstdint>
#include <span>

#include "machine/cpu.h"
#include "machine/paging.h"

namespace tine::machine {

struct InterruptOverride {
  uint32_t line = 0;  // the I/O APIC's input ("global system interrupt")
  bool active_low = false;
  bool level_triggered = false;
};

struct AcpiRegister {
  bool present = false;
  bool in_memory = false;  // else in port space
  PhysAddr address = 0;
};

struct AcpiInfo {
  uint32_t apic_ids[kMaxCpus] = {};
  unsigned cpu_count = 0;     // those in apic_ids
  unsigned offered_cpus = 0;  // may be more; 0: no table tells of CPUs
  PhysAddr local_apic = 0xfee0'0000;
  PhysAddr io_apic = 0xfec0'0000;
  uint32_t io_apic_first_line = 0;
  InterruptOverride isa[16] = {};  // by ISA line
  uint16_t power_timer_port = 0;   // 0: none
  uint16_t power_control[2] = {};  // PM1a_CNT and PM1b_CNT; 0: none
  uint8_t sleep_type[2] = {};      // of S5
  bool can_sleep = false;          // sleep_type is valid
  AcpiRegister sleep_control;      // of hardware-reduced machines
  AcpiRegister reset;
  uint8_t reset_value = 0;
  uint8_t century_register = 0;  // of the real-time clock; 0: none
};

void read_acpi_tables();
const AcpiInfo& acpi_info();

void write_acpi_register(const AcpiRegister& where, uint8_t value);

}  // namespace tine::machine
