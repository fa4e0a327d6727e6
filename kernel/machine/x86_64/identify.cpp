// SPDX-License-Identifier: BSD-2-Clause
// What CPUID says of each CPU, recorded when the CPU starts: CPUID leads through the hypervisor and speaks of the CPU that
// executes it. Sources: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E; what the fields mean to programs: Linux,
// proc_cpuinfo(5).
#include "machine/x86_64/identify.h"

#include <cstring>
#include <string_view>

#include "machine/processor.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"
#include "machine/x86_64/topology.h"

namespace tine::machine {

namespace {

constinit Processor processors[kMaxCpus] = {};

void read_names(Processor& self) {
  const CpuidLeaf first = cpuid(0);
  const uint32_t vendor[] = {first.ebx, first.edx, first.ecx};
  memcpy(self.vendor, vendor, sizeof vendor);
  if (cpuid(0x80000000).eax < 0x80000004) return;
  char text[48];
  for (uint32_t i = 0; i < 3; i++) {
    const CpuidLeaf part = cpuid(0x80000002 + i);
    memcpy(text + 16 * i, &part, sizeof part);
  }
  // It may begin and end with blanks.
  std::string_view name(text, sizeof text);
  name = name.substr(0, name.find('\0'));
  while (name.starts_with(' ')) name.remove_prefix(1);
  while (name.ends_with(' ')) name.remove_suffix(1);
  memcpy(self.model_name, name.data(), name.size());
}

void read_model(Processor& self) {
  const uint32_t signature = cpuid(1).eax;
  self.stepping = signature & 0xf;
  self.family = signature >> 8 & 0xf;
  self.model = signature >> 4 & 0xf;
  if (self.family == 0xf) self.family += signature >> 20 & 0xff;
  if (self.family >= 6) self.model += (signature >> 16 & 0xf) << 4;
}

// Intel wants the register cleared and CPUID executed first, which loads it (SDM vol. 3, 10.11.7.1).
void read_microcode(Processor& self) {
  const bool intel = std::string_view(self.vendor) == "GenuineIntel";
  if (self.amd && self.family >= 0x10) {
    self.microcode = static_cast<uint32_t>(read_msr(Msr::Microcode));
  } else if (intel && self.family >= 6) {
    write_msr(Msr::Microcode, 0);
    cpuid(1);
    self.microcode = static_cast<uint32_t>(read_msr(Msr::Microcode) >> 32);
  }
}

// Of the highest level of data cache that leaf 4 names.
uint32_t cache_kilobytes_by_leaf4() {
  enum : uint32_t { kNone = 0, kInstructions = 2 };
  uint32_t highest = 0;
  uint64_t bytes = 0;
  for (uint32_t number = 0; number < 16; number++) {
    const CpuidLeaf cache = cpuid(4, number);
    const uint32_t type = cache.eax & 0x1f, level = cache.eax >> 5 & 7;
    if (type == kNone) break;
    if (type == kInstructions || level < highest) continue;
    highest = level;
    bytes = (uint64_t{cache.ebx >> 22} + 1) * ((cache.ebx >> 12 & 0x3ff) + 1) * ((cache.ebx & 0xfff) + 1) *
            (uint64_t{cache.ecx} + 1);
  }
  return static_cast<uint32_t>(bytes >> 10);
}

void read_caches(Processor& self) {
  const CpuidLeaf first_level = cpuid(0x80000005), second_level = cpuid(0x80000006);
  self.cache_kilobytes = second_level.ecx >> 16;
  if (self.amd) {
    if (self.cache_kilobytes == 0) self.cache_kilobytes = (first_level.ecx >> 24) + (first_level.edx >> 24);
    self.tlb_entries = (second_level.ebx >> 16 & 0xfff) + (second_level.ebx & 0xfff);
  } else if (const uint32_t kilobytes = cache_kilobytes_by_leaf4(); kilobytes != 0) {
    self.cache_kilobytes = kilobytes;
  }
  constexpr uint32_t kHasFlush = 1 << 19;
  const CpuidLeaf basic = cpuid(1);
  self.flush_size = basic.edx & kHasFlush ? (basic.ebx >> 8 & 0xff) * 8 : 64;
}

void read_address_sizes(Processor& self) {
  const uint32_t sizes = cpuid(0x80000008).eax;
  self.physical_bits = sizes != 0 ? sizes & 0xff : 36;
  self.virtual_bits = sizes != 0 ? sizes >> 8 & 0xff : 48;
}

void read_topology(Processor& self) {
  const ApicIdLayout layout = apic_id_layout(self.amd);
  self.extended_topology = layout.extended;
  self.initial_apic_id = initial_apic_id();
  self.apic_id = this_per_cpu().apic_id;
  self.package = self.initial_apic_id >> layout.package_shift;
  self.core = (self.initial_apic_id & ((uint32_t{1} << layout.package_shift) - 1)) >> layout.thread_bits;
}

void read_features(Processor& self) {
  const auto word = [&](FeatureWord which) -> uint32_t& { return self.features[static_cast<unsigned>(which)]; };
  const CpuidLeaf basic = cpuid(1), structured = cpuid(7), extended = cpuid(0x80000001), power = cpuid(0x80000007);
  word(FeatureWord::Basic_edx) = basic.edx;
  word(FeatureWord::Basic_ecx) = basic.ecx;
  word(FeatureWord::Extended_edx) = extended.edx;
  word(FeatureWord::Extended_ecx) = extended.ecx;
  word(FeatureWord::Structured_ebx) = structured.ebx;
  word(FeatureWord::Structured_ecx) = structured.ecx;
  word(FeatureWord::Structured_edx) = structured.edx;
  word(FeatureWord::Structured1_eax) = structured.eax >= 1 ? cpuid(7, 1).eax : 0;
  word(FeatureWord::XSave_eax) = cpuid(0xd, 1).eax;
  word(FeatureWord::Thermal_eax) = cpuid(6).eax;
  word(FeatureWord::Power_edx) = power.edx;
  word(FeatureWord::Reliability_ebx) = power.ebx;
  word(FeatureWord::Capacity_ebx) = cpuid(0x80000008).ebx;
  word(FeatureWord::Svm_edx) = cpuid(0x8000000a).edx;
  word(FeatureWord::Encryption_eax) = cpuid(0x8000001f).eax;
  self.cr4 = read_cr4();
  self.xcr0 = cpu_features().xsave_components;
}

}  // namespace

void identify_processor() {
  Processor& self = processors[cpu_id()];
  read_names(self);
  const std::string_view vendor = self.vendor;
  self.amd = vendor == "AuthenticAMD" || vendor == "HygonGenuine";
  self.highest_leaf = cpuid(0).eax;
  read_model(self);
  read_microcode(self);
  read_caches(self);
  read_address_sizes(self);
  read_topology(self);
  read_features(self);
}

const Processor& processor(unsigned cpu) { return processors[cpu]; }

uint64_t hardware_capabilities() {
  return processors[0].features[static_cast<unsigned>(FeatureWord::Basic_edx)];
}

uint64_t hardware_capabilities2() {
  constexpr uint64_t kFsGsBase = 1 << 1;  // HWCAP2_FSGSBASE: programs may use RDFSBASE and its kin
  return processors[0].cr4 & kCr4FsGsBase ? kFsGsBase : 0;
}

uint64_t cycles_per_second() { return tsc_frequency(); }

}  // namespace tine::machine
