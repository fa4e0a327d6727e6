// SPDX-License-Identifier: BSD-2-Clause
// What a KVM host writes about time into the guest's memory, and the arithmetic on it; nothing here touches the hardware,
// so that it also compiles on the host. Rule: a host that writes nonsense costs a bounded number of tries and gives nothing.
// Source: Linux, Documentation/virt/kvm/x86/msr.rst (MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW).
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"

namespace tine::machine {

// The date at which the host's count of nanoseconds for this machine was zero.
struct PvclockWallClock {
  uint32_t version;
  uint32_t seconds, nanoseconds;
};

// nanoseconds = nanoseconds_then + (TSC - tsc_then) * 2^shift * multiplier / 2^32
struct PvclockTime {
  static constexpr uint8_t kTscStable = 1;  // the TSCs of all CPUs agree
  uint32_t version;
  uint32_t reserved;
  uint64_t tsc_then;
  uint64_t nanoseconds_then;
  uint32_t multiplier;
  int8_t shift;
  uint8_t flags;
  uint8_t reserved2[2];
};
static_assert(sizeof(PvclockWallClock) == 12 && sizeof(PvclockTime) == 32);

// A copy of what the host keeps in `shared`. The version is odd while the host writes, and another one afterwards; it is 0 until
// the host has written at all. Nothing when it does not come to rest.
template <class T>
std::optional<T> read_pvclock(const T& shared) {
  constexpr int kTries = 10'000;
  for (int i = 0; i < kTries; i++) {
    const uint32_t before = __atomic_load_n(&shared.version, __ATOMIC_ACQUIRE);
    if (before == 0 || before % 2 != 0) continue;
    const T copy = shared;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&shared.version, __ATOMIC_RELAXED) == before) return copy;
  }
  return {};
}

// The TSC's rate in hertz; 0 for one that no processor has.
constexpr uint64_t pvclock_frequency(const PvclockTime& time) {
  constexpr uint64_t kLeast = 1'000'000, kMost = 1'000'000'000'000;
  constexpr int kMostShift = 31;
  if (time.multiplier == 0 || time.shift < -kMostShift || time.shift > kMostShift) return 0;
  // Not above 2^62, and not above 2^31 for a multiplier with its highest bit set, as hosts choose it.
  const uint64_t unshifted = (kSecond << 32) / time.multiplier;
  if (time.shift < 0 && unshifted > kMost >> -time.shift) return 0;
  const uint64_t hertz = time.shift < 0 ? unshifted << -time.shift : unshifted >> time.shift;
  return hertz >= kLeast && hertz <= kMost ? hertz : 0;
}

// What the host counts when the TSC shows `tsc`, which is not before time.tsc_then.
constexpr uint64_t pvclock_nanoseconds(const PvclockTime& time, uint64_t tsc) {
  using Wide = unsigned __int128;
  const Wide elapsed = tsc - time.tsc_then;
  const Wide shifted = time.shift < 0 ? elapsed >> -time.shift : elapsed << time.shift;
  return time.nanoseconds_then + static_cast<uint64_t>(shifted * time.multiplier >> 32);
}

}  // namespace tine::machine
