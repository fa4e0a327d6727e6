// SPDX-License-Identifier: BSD-2-Clause
#include "machine/cpu.h"
#include "machine/x86_64/cpu_features.h"

namespace tine::machine {

uint64_t hardware_capabilities() { return cpuid(1).edx; }

}  // namespace tine::machine
