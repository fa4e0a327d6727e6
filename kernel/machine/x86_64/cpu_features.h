// SPDX-License-Identifier: BSD-2-Clause
// What this machine's CPUs can do (all alike), found once by the boot CPU. Source: Intel SDM vol. 2, CPUID.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tine::machine {

struct CpuidLeaf {
  uint32_t eax, ebx, ecx, edx;
};
CpuidLeaf cpuid(uint32_t leaf, uint32_t subleaf = 0);  // all zero where the CPU has no such leaf
CpuidLeaf unchecked_cpuid(uint32_t leaf, uint32_t subleaf = 0);  // anything where the CPU has no such leaf

struct CpuFeatures {
  bool global_pages, gigabyte_pages;
  bool smep, smap, umip;
  bool xsave, xsaveopt;
  bool x2apic, tsc_deadline;
  bool rdrand, rdseed;
  bool machine_check;
  bool fxrstor_keeps_pointers;  // AMD: what restores x87 registers leaves FIP, FDP and FOP as they are
  bool lfence_by_request;       // AMD: LFENCE holds back what follows only if a register says so
  uint64_t xsave_components;  // what XCR0 is set to
};

void find_cpu_features();
const CpuFeatures& cpu_features();

// Sets this CPU's control registers to what the features allow, and to nothing else that a loader may have left.
void enable_cpu_features();

// Opens and closes user memory in the SMAP sites of the kernel text, if the CPU has SMAP. Text is still
// writable.
void patch_smap_sites();

}  // namespace tine::machine
