// SPDX-License-Identifier: BSD-2-Clause
// How the APIC id of a CPU is made up: thread, core, package.
#pragma once

#include <cstdint>

namespace tine::machine {

// Of the lowest bits of an APIC id, how many number the threads of a core, and how many the threads of a package.
struct ApicIdLayout {
  unsigned thread_bits = 0, package_shift = 0;
  bool extended = false;  // the leaf 0xb says so
};

// Of the running CPU.
ApicIdLayout apic_id_layout(bool amd);
// 32 bits where CPUID has them, else 8.
uint32_t initial_apic_id();

}  // namespace tine::machine
