// SPDX-License-Identifier: BSD-2-Clause
// Asks KVM for the date and the TSC's rate: the only source of either on machines without the PC's old clocks, as
// Firecracker's are. The host writes into memory that a model-specific register names, and goes on doing so; time is kept by
// the TSC alone, so the register is cleared when the answer has been read. Source: Linux, Documentation/virt/kvm/x86/cpuid.rst
// and msr.rst.
#include "machine/x86_64/kvm_clock.h"

#include "base/log.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/layout.h"
#include "machine/x86_64/pvclock.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

// The leaf with KVM's features, or 0. KVM's leaves come after those of another interface that the host offers too (Hyper-V's),
// in steps of 0x100; the answer of an unknown leaf may be anything, so the signature alone decides.
uint32_t find_kvm_features() {
  constexpr uint32_t kFirst = 0x4000'0000, kStep = 0x100, kBases = 16;
  constexpr uint32_t kHypervisorPresent = 1u << 31;  // of leaf 1, ecx: reserved for hypervisors (AMD APM vol. 3, E.3.2)
  if (!(cpuid(1).ecx & kHypervisorPresent)) return 0;
  for (uint32_t base = kFirst; base < kFirst + kBases * kStep; base += kStep) {
    const CpuidLeaf signature = unchecked_cpuid(base);
    if (signature.ebx == 0x4b4d564b && signature.ecx == 0x564b4d56 && signature.edx == 0x4d)  // "KVMKVMKVM"
      return base + 1;
  }
  return 0;
}

struct ClockRegisters {
  Msr date, time;
};

// Which registers the clock has; false: it has none.
bool find_clock_registers(ClockRegisters& registers) {
  constexpr uint32_t kOldClock = 1 << 0, kClock = 1 << 3;
  const uint32_t leaf = find_kvm_features();
  if (leaf == 0) return false;
  const uint32_t features = unchecked_cpuid(leaf).eax;
  if (features & kClock) {
    registers = {Msr::KvmWallClock, Msr::KvmSystemTime};
    return true;
  }
  registers = {Msr::KvmOldWallClock, Msr::KvmOldSystemTime};
  return features & kOldClock;
}

uint64_t address_of(const void* in_kernel_image) { return PHYSICAL(reinterpret_cast<uint64_t>(in_kernel_image)); }

}  // namespace

KvmClock read_kvm_clock() {
  // Neither may cross a page.
  alignas(64) static constinit PvclockTime shared_time = {};
  alignas(64) static constinit PvclockWallClock shared_date = {};
  constexpr uint64_t kEnable = 1;

  ClockRegisters registers;
  if (!find_clock_registers(registers)) return {};
  write_msr(registers.time, address_of(&shared_time) | kEnable);
  write_msr(registers.date, address_of(&shared_date));
  const auto time = read_pvclock(shared_time);
  const auto date = read_pvclock(shared_date);
  const uint64_t tsc = read_tsc();
  write_msr(registers.time, 0);

  KvmClock clock;
  if (time) clock.tsc_frequency = pvclock_frequency(*time);
  if (clock.tsc_frequency == 0) {
    log(LogLevel::Warning, "clock: the host announces kvm-clock, and it %s; not used",
        time ? "shows a rate that no processor has" : "shows nothing");
    return {};
  }
  clock.tsc_stable = time->flags & PvclockTime::kTscStable;
  clock.tsc = tsc;
  if (date && date->seconds != 0)
    clock.date = date->seconds * kSecond + date->nanoseconds + pvclock_nanoseconds(*time, tsc);
  return clock;
}

}  // namespace tine::machine
