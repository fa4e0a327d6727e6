// SPDX-License-Identifier: BSD-2-Clause
// What KVM tells its guests about time: the date and the TSC's rate.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace tine::machine {

struct KvmClock {
  uint64_t tsc_frequency = 0;  // hertz; 0: not known
  bool tsc_stable = false;     // the host says that the TSCs of all CPUs agree
  Nanoseconds date = 0;        // UTC since 1970, when the TSC showed `tsc`; 0: not known
  uint64_t tsc = 0;
};

// Asks the host, on the boot CPU; all zero where there is no KVM. A host that announces the clock and gives nothing sensible
// is told of in the log.
KvmClock read_kvm_clock();

}  // namespace tine::machine
