// SPDX-License-Identifier: BSD-2-Clause
// What each CPU is: what programs learn from /proc/cpuinfo and from AT_HWCAP.
#pragma once

#include <cstdint>
#include <string_view>

namespace tine::machine {

// Registers of CPUID that hold one bit for each feature, in the order in which Linux shows them.
enum class FeatureWord : uint8_t {
  Basic_edx,         // leaf 1
  Extended_edx,      // leaf 0x80000001
  Basic_ecx,
  Extended_ecx,
  Structured_ebx,    // leaf 7
  XSave_eax,         // leaf 0xd, 1
  Structured1_eax,   // leaf 7, 1
  Capacity_ebx,      // leaf 0x80000008
  Thermal_eax,       // leaf 6
  Svm_edx,           // leaf 0x8000000a
  Structured_ecx,
  Reliability_ebx,   // leaf 0x80000007
  Structured_edx,
  Encryption_eax,    // leaf 0x8000001f
  Power_edx,         // leaf 0x80000007
  Count
};

struct Processor {
  char vendor[13];
  char model_name[49];
  uint32_t family, model, stepping;
  uint32_t highest_leaf;
  uint32_t microcode;              // 0: not known
  uint32_t cache_kilobytes;        // of the last level, on AMD of the second; 0: not known
  uint32_t tlb_entries;            // for 4 KiB pages, on AMD; 0: not known
  uint32_t flush_size;             // of CLFLUSH, bytes
  uint32_t physical_bits, virtual_bits;
  uint32_t initial_apic_id, apic_id;
  uint32_t package, core;          // numbers cut out of the APIC id; threads of a core share both
  uint32_t features[static_cast<unsigned>(FeatureWord::Count)];  // as CPUID has them
  bool amd, extended_topology;     // the leaf 0xb is there
  uint64_t cr4, xcr0;              // what the kernel turned on

  bool has(FeatureWord word, unsigned bit) const { return features[static_cast<unsigned>(word)] >> bit & 1; }
};

// `cpu` < cpu_count(). Does not change once the CPU runs.
const Processor& processor(unsigned cpu);

// Calls `take(argument, name)` for each feature that a program may use or wants to know of, by Linux's name and in Linux's
// order: those of CPUID, without those that the kernel has not turned on.
void for_each_feature(const Processor& processor, void (*take)(void* argument, std::string_view name), void* argument);

// What programs get as AT_HWCAP and AT_HWCAP2.
uint64_t hardware_capabilities();
uint64_t hardware_capabilities2();

uint64_t cycles_per_second();  // of the cycle counter

}  // namespace tine::machine
