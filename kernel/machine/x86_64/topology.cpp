// SPDX-License-Identifier: BSD-2-Clause
// The layout of APIC ids: from leaf 0xb where it is filled in; else on AMD from leaves 0x80000008 and 0x8000001e, elsewhere
// from leaves 1 and 4. Source: Intel SDM vol. 3, 9.9; AMD APM vol. 3, appendix E.5.
#include "machine/x86_64/topology.h"

#include <algorithm>
#include <bit>

#include "machine/x86_64/cpu_features.h"

namespace tine::machine {

namespace {

constexpr uint32_t kTopologyLeaf = 0xb;

unsigned bits_for(uint32_t count) { return count <= 1 ? 0 : static_cast<unsigned>(std::bit_width(count - 1)); }

ApicIdLayout extended_layout() {
  enum : uint32_t { kNoLevel = 0, kThreads = 1 };
  ApicIdLayout layout{.extended = true};
  for (uint32_t number = 0; number < 8; number++) {
    const CpuidLeaf level = cpuid(kTopologyLeaf, number);
    const uint32_t type = level.ecx >> 8 & 0xff;
    if (type == kNoLevel) break;
    layout.package_shift = level.eax & 0x1f;
    if (type == kThreads) layout.thread_bits = layout.package_shift;
  }
  return layout;
}

ApicIdLayout amd_layout() {
  constexpr uint32_t kHasTopology = 1 << 22;
  const uint32_t capacity = cpuid(0x80000008).ecx;
  const unsigned said = capacity >> 12 & 0xf;
  ApicIdLayout layout{.package_shift = said != 0 ? said : bits_for((capacity & 0xff) + 1)};
  if (cpuid(0x80000001).ecx & kHasTopology) layout.thread_bits = bits_for((cpuid(0x8000001e).ebx >> 8 & 0xff) + 1);
  layout.package_shift = std::max(layout.package_shift, layout.thread_bits);
  return layout;
}

ApicIdLayout basic_layout() {
  constexpr uint32_t kSeveralThreads = 1 << 28;
  const CpuidLeaf basic = cpuid(1);
  if (!(basic.edx & kSeveralThreads)) return {};
  const unsigned package_shift = bits_for(basic.ebx >> 16 & 0xff);
  const unsigned core_bits = bits_for((cpuid(4).eax >> 26) + 1);
  return {.thread_bits = package_shift - std::min(core_bits, package_shift), .package_shift = package_shift};
}

}  // namespace

ApicIdLayout apic_id_layout(bool amd) {
  if (cpuid(kTopologyLeaf).ebx != 0) return extended_layout();
  return amd ? amd_layout() : basic_layout();
}

uint32_t initial_apic_id() {
  if (const CpuidLeaf extended = cpuid(kTopologyLeaf); extended.ebx != 0) return extended.edx;
  return cpuid(1).ebx >> 24;
}

}  // namespace tine::machine
