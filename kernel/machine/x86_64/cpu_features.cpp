// SPDX-License-Identifier: BSD-2-Clause
// CPU features: finding them, turning them on, and the entropy that the CPU has to offer.
#include "machine/x86_64/cpu_features.h"

#include <algorithm>
#include <span>

#include "base/assert.h"
#include "base/log.h"
#include "machine/cpu.h"
#include "machine/x86_64/layout.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

constinit CpuFeatures features = {};

// One place in the text that the assembler filled with a three-byte no-operation (assembly.h).
struct SmapSite {
  uint8_t* text;
  uint64_t opcode;
};
extern "C" const SmapSite smap_sites_start[], smap_sites_end[];

constexpr bool bit(uint32_t word, unsigned n) { return (word >> n) & 1; }

// The state that programs may use: x87, SSE, AVX, and AVX-512 when all of its parts are there.
uint64_t usable_components(uint64_t supported) {
  constexpr uint64_t kX87Sse = 3, kAvx = 4, kAvx512 = 0xe0;
  uint64_t components = kX87Sse;
  if (supported & kAvx) {
    components |= kAvx;
    if ((supported & kAvx512) == kAvx512) components |= kAvx512;
  }
  return components;
}

bool is_amd() {
  const uint32_t vendor = cpuid(0).ebx;
  return vendor == 0x68747541 || vendor == 0x6f677948;  // the first letters of AuthenticAMD, HygonGenuine
}
// With the extended family. Source: SDM vol. 2, CPUID; APM vol. 3, CPUID Fn0000_0001.
unsigned cpu_family() {
  const uint32_t signature = cpuid(1).eax, family = signature >> 8 & 0xf;
  return family == 0xf ? family + (signature >> 20 & 0xff) : family;
}

uint64_t read_xcr0() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}
void write_xcr0(uint64_t value) {
  asm volatile("xsetbv" ::"c"(0), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32)));
}

// The size of the XSAVE area in the standard form, for these components: where the last of them ends.
uint32_t xsave_size_of(uint64_t components) {
  uint32_t size = 576;  // the FXSAVE image and the header
  for (uint32_t number = 2; components >> number != 0; number++)
    if (const CpuidLeaf leaf = cpuid(0xd, number); components >> number & 1)
      size = std::max(size, leaf.ebx + leaf.eax);
  return size;
}

// Enables the components, and looks whether the processor has them now. A hypervisor may lose the write, and XSAVE
// then leaves out what XCR0 lacks without a word. CPUID comes first: it leads through the hypervisor, which then
// shows its own idea of XCR0. Source: SDM vol. 1, 13.2 and 13.3.
bool enable_xsave_components(uint64_t components) {
  write_xcr0(components);
  return cpuid(0xd).ebx == xsave_size_of(components) && read_xcr0() == components;
}

}  // namespace

CpuidLeaf unchecked_cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidLeaf result;
  asm volatile("cpuid"
               : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
               : "a"(leaf), "c"(subleaf));
  return result;
}

CpuidLeaf cpuid(uint32_t leaf, uint32_t subleaf) {
  const uint32_t highest = unchecked_cpuid(leaf & 0xffff0000).eax;
  return leaf <= highest && (highest & 0xffff0000) == (leaf & 0xffff0000) ? unchecked_cpuid(leaf, subleaf)
                                                                          : CpuidLeaf{};
}

void find_cpu_features() {
  const CpuidLeaf basic = cpuid(1), structured = cpuid(7), extended = cpuid(0x80000001);
  features = {
      .global_pages = bit(basic.edx, 13),
      .gigabyte_pages = bit(extended.edx, 26),
      .smep = bit(structured.ebx, 7),
      .smap = bit(structured.ebx, 20),
      .umip = bit(structured.ecx, 2),
      .xsave = bit(basic.ecx, 26),
      .xsaveopt = bit(cpuid(0xd, 1).eax, 0),
      .x2apic = bit(basic.ecx, 21),
      .tsc_deadline = bit(basic.ecx, 24),
      .rdrand = bit(basic.ecx, 30),
      .rdseed = bit(structured.ebx, 18),
      .machine_check = bit(basic.edx, 7),
      .fxrstor_keeps_pointers = is_amd() && !bit(cpuid(0x80000008).ebx, 2),
      .lfence_by_request =
          is_amd() && cpu_family() >= 0x10 && cpu_family() != 0x11 && !bit(cpuid(0x80000021).eax, 2),
      .xsave_components = 0,
  };
  if (features.xsave) features.xsave_components = usable_components(cpuid(0xd).eax);
}

const CpuFeatures& cpu_features() { return features; }

namespace {

// RDTSC must not be read ahead of the LFENCE before it, or time could seem to run backwards from one CPU to another.
// Source: APM vol. 3, LFENCE; AMD's "Software techniques for managing speculation", mitigation G-2.
void make_lfence_wait() {
  constexpr uint64_t kLfenceWaits = 1 << 1;
  uint64_t value;
  if (try_read_msr(Msr::AmdDecodeConfiguration, value) && !(value & kLfenceWaits))
    try_write_msr(Msr::AmdDecodeConfiguration, value | kLfenceWaits);
}

}  // namespace

// The registers get whole values: what INIT and a loader leave differs, and some bits would undo what the kernel relies on:
// CD and NW switch the caches off (SDM vol. 3, table 10-1, 12.5.3), FSGSBASE lets programs write a kernel address into GS base,
// EFER's TCE narrows INVLPG and FFXSR makes FXSAVE leave out registers (APM vol. 2, 3.1.7).
void enable_cpu_features() {
  write_msr(Msr::Efer, (read_msr(Msr::Efer) & kEferLongModeActive) | EFER_SYSCALL | EFER_LONG_MODE | EFER_NO_EXECUTE);
  write_cr0(kCr0Protected | kCr0MonitorCoprocessor | kCr0ExtensionType | kCr0NumericError | kCr0WriteProtect |
            kCr0AlignmentMask | kCr0Paging);
  uint64_t cr4 = kCr4PhysicalAddressExtension | kCr4FxSave | kCr4SimdExceptions;
  // Without it a machine check shuts the processor down without a word. SDM vol. 3, 2.5 and 16.8.
  if (features.machine_check) cr4 |= kCr4MachineCheck;
  if (features.global_pages) cr4 |= kCr4GlobalPages;
  if (features.smep) cr4 |= kCr4Smep;
  if (features.smap) cr4 |= kCr4Smap;
  if (features.umip) cr4 |= kCr4Umip;
  if (features.xsave) cr4 |= kCr4XSave;
  write_cr4(cr4);
  if (features.xsave && !enable_xsave_components(features.xsave_components)) {
    if (cpu_id() != 0) panic("cpu: CPU %u does not take XCR0 as the boot CPU does", cpu_id());
    log(LogLevel::Warning, "cpu: XCR0 stays %#llx after a write of %#llx: vector registers by FXSAVE, without AVX",
        static_cast<unsigned long long>(read_xcr0()), static_cast<unsigned long long>(features.xsave_components));
    features.xsave = features.xsaveopt = false;
    features.xsave_components = 0;
    write_cr4(cr4 & ~kCr4XSave);  // programs look at it too, as CPUID's OSXSAVE
  }
  if (features.lfence_by_request) make_lfence_wait();
}

// This CPU alone runs, and comes to the new instructions by jumps: that is all that the manual asks of code that changes
// itself. Other CPUs start later, by INIT. SDM vol. 3, 9.1.3.
void patch_smap_sites() {
  if (!features.smap) return;
  for (const SmapSite& site : std::span(smap_sites_start, smap_sites_end)) {
    site.text[0] = 0x0f;
    site.text[1] = 0x01;
    site.text[2] = static_cast<uint8_t>(site.opcode);
  }
}

uint64_t cycle_counter() { return read_tsc(); }

uint64_t hardware_random() {
  constexpr unsigned kTries = 16;  // either instruction may fail for a while
  uint64_t value = 0;
  bool valid = false;
  for (unsigned i = 0; i < kTries && !valid && features.rdseed; i++)
    asm volatile("rdseed %0" : "=r"(value), "=@ccc"(valid));
  for (unsigned i = 0; i < kTries && !valid && features.rdrand; i++)
    asm volatile("rdrand %0" : "=r"(value), "=@ccc"(valid));
  return value ^ (read_tsc() * 0x9e3779b97f4a7c15);
}

}  // namespace tine::machine
