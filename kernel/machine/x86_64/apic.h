// SPDX-License-Identifier: BSD-2-Clause
// The interrupt controllers: a local APIC in each CPU, one I/O APIC for the devices.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace tine::machine {

// Vectors: 0-31 exceptions, 0x20-0x2f the masked legacy controller's, 0x30-0x3f ISA lines, then the kernel's
// own.
enum Vector : uint8_t {
  kLegacyVectors = 0x20,
  kIsaVectors = 0x30,
  kTimerVector = 0xf0,
  kRescheduleVector = 0xf1,
  kTlbVector = 0xf2,
  kErrorVector = 0xf3,
  kSpuriousVector = 0xff,
};

void init_interrupt_controllers();  // boot CPU, once
void init_local_apic();             // each CPU

uint32_t local_apic_id();
bool is_reachable(uint32_t apic_id);  // ids of more than 8 bits need the x2APIC
uint32_t take_apic_errors();          // of this CPU, since the last call: the bits of the error status register
void end_of_interrupt();

void send_ipi(uint32_t apic_id, uint8_t vector);
void send_init(uint32_t apic_id);
void send_startup(uint32_t apic_id, uint8_t page);
void send_nmi_to_others();

// The timer of the local APIC: counts down once from `count` at its own rate, then raises kTimerVector; 0
// stops it.
void start_apic_timer(uint32_t count);
uint32_t apic_timer_count();

void handle_isa_vector(unsigned line);  // runs the registered handler

}  // namespace tine::machine
