// SPDX-License-Identifier: BSD-2-Clause
// Linux's clock ids. Source: clock_getres(2), clock_getcpuclockid(3).
#pragma once

#include "process/process.h"
#include "process/timers.h"

namespace tine::abi::linux_abi {

enum ClockId : int {
  kClockRealtime = 0,
  kClockMonotonic = 1,
  kClockProcessCpu = 2,
  kClockThreadCpu = 3,
  kClockMonotonicRaw = 4,
  kClockRealtimeCoarse = 5,
  kClockMonotonicCoarse = 6,
  kClockBoottime = 7,
  kClockRealtimeAlarm = 8,
  kClockBoottimeAlarm = 9,
  kClockTai = 11,
};

// A clock that can be read, with whose CPU time it tells.
struct ClockReference {
  process::TimerClock clock;
  Ref<process::Process> process;  // null: the caller's
  Ref<process::Thread> thread;    // ThreadCpu

  Nanoseconds read(const process::Process& caller) const {
    return process::read_clock(clock, process != nullptr ? *process : caller, thread.get());
  }
};

// Negative ids name the CPU clock of a process or thread. Inval: no such clock, process or thread.
Result<ClockReference> find_clock(process::Thread& caller, int id);

}  // namespace tine::abi::linux_abi
