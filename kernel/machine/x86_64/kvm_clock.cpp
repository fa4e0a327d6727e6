// SPDX-License-Identifier: BSD-2-Clause
// Asks KVM for the date and the TSC's rate: the only source of either on machines without the PC's old clocks, as
// Firecracker's are. The host writes into memory that a model-specific register names, and goes on doing so; time is kept by
// the TSC alone, so the register is cleared when the answer has been read. Source: Linux, Documentation/virt/kvm/x86/cpuid.rst
// and msr.rst.
#include "machine/x86_64/kvm_clock.h"

#include "base/log.h"
#include "machine/x86_64/address_layout.h"
#include "machine/x86_64/cpu_features.h"
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

struct ClockInterface {
  bool present;
  Msr date, time;
  bool tells_stability;  // the flag kTscStable means something
};

ClockInterface find_clock() {
  constexpr uint32_t kOldClock = 1 << 0, kClock = 1 << 3, kStableFlag = 1 << 24;
  const uint32_t leaf = find_kvm_features();
  const uint32_t features = leaf != 0 ? unchecked_cpuid(leaf).eax : 0;
  const bool current = features & kClock;
  return {.present = current || (features & kOldClock),
          .date = current ? Msr::KvmWallClock : Msr::KvmOldWallClock,
          .time = current ? Msr::KvmSystemTime : Msr::KvmOldSystemTime,
          .tells_stability = (features & kStableFlag) != 0};
}

}  // namespace

KvmClock read_kvm_clock() {
  // Neither may cross a page.
  alignas(64) static constinit PvclockTime shared_time = {};
  alignas(64) static constinit PvclockWallClock shared_date = {};
  constexpr uint64_t kEnable = 1;

  const ClockInterface interface = find_clock();
  if (!interface.present) return {};
  write_msr(interface.time, image_address(&shared_time) | kEnable);
  write_msr(interface.date, image_address(&shared_date));
  const auto time = read_pvclock(shared_time);
  const auto date = read_pvclock(shared_date);
  const uint64_t tsc = read_tsc();
  write_msr(interface.time, 0);

  KvmClock clock;
  if (time) clock.tsc_frequency = pvclock_frequency(*time);
  if (clock.tsc_frequency == 0) {
    log(LogLevel::Warning, "clock: the host announces kvm-clock, and it %s; not used",
        time ? "shows a rate that no processor has" : "shows nothing");
    return {};
  }
  clock.tsc_stable = interface.tells_stability && (time->flags & PvclockTime::kTscStable);
  clock.tsc = tsc;
  if (date && date->seconds != 0)
    clock.date = date->seconds * kSecond + date->nanoseconds + pvclock_nanoseconds(*time, tsc);
  return clock;
}

}  // namespace tine::machine
