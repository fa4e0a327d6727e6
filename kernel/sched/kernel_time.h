// SPDX-License-Identifier: BSD-2-Clause
// How long a thread runs in the kernel without a chance to yield, for the latency watchdog (machine/latency.h). A stretch
// begins where the thread comes from user mode or gets the CPU, and ends where it goes back, sleeps, or offers the CPU
// (maybe_yield); whether somebody took it does not matter. Idle threads have none.
#pragma once

#include "base/units.h"

#if TINE_DEBUG
#include "machine/clock.h"
#include "machine/latency.h"
#endif

namespace tine::sched {

#if TINE_DEBUG

class KernelTime {
 public:
  void begin() { since_ = machine::now(); }
  void end(const char* what) {
    if (since_ != 0) machine::note_latency(machine::Latency::Kernel, machine::now() - since_, what, 0);
    since_ = 0;
  }

 private:
  Nanoseconds since_ = 0;   // 0: in user mode, or without a CPU
};

#else

class KernelTime {
 public:
  void begin() {}
  void end(const char*) {}
};

#endif

}  // namespace tine::sched
