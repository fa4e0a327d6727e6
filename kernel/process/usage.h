// SPDX-License-Identifier: BSD-2-Clause
// Resource usage. Source: getrusage(2).
#pragma once

#include <cstdint>

#include "base/units.h"

namespace tine::process {

struct Usage {
  Nanoseconds user_time = 0, system_time = 0;
  uint64_t minor_faults = 0, major_faults = 0;
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  uint64_t signals = 0;
  uint64_t peak_resident = 0;                  // pages
  void add(const Usage& other);                // peak_resident: the larger
};

class Process;
class Thread;
Usage process_usage(const Process& process);   // ended and live threads
Usage thread_usage(const Thread& thread);

}  // namespace tine::process
