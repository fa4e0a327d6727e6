// SPDX-License-Identifier: BSD-2-Clause
#include "process/usage.h"

#include <algorithm>

#include "process/process.h"
#include "sched/scheduler.h"

namespace tine::process {

void Usage::add(const Usage& other) {
  user_time += other.user_time;
  system_time += other.system_time;
  minor_faults += other.minor_faults;
  major_faults += other.major_faults;
  voluntary_switches += other.voluntary_switches;
  involuntary_switches += other.involuntary_switches;
  signals += other.signals;
  peak_resident = std::max(peak_resident, other.peak_resident);
}

Usage thread_usage(const Thread& thread) {
  Usage usage;
  const Nanoseconds total = sched::thread_cpu_time(thread);   // exact, while the split lags behind a running thread
  usage.user_time = std::min(thread.user_time, total);
  usage.system_time = total - usage.user_time;
  usage.minor_faults = thread.minor_faults;
  usage.major_faults = thread.major_faults;
  usage.voluntary_switches = thread.voluntary_switches;
  usage.involuntary_switches = thread.involuntary_switches;
  return usage;
}

Usage process_usage(const Process& process) {
  sync::SpinGuard guard(process.lock);
  Usage usage = process.usage;
  for (const Thread& thread : process.threads) usage.add(thread_usage(thread));
  if (const vm::AddressSpace* space = process.own_address_space())
    usage.peak_resident = std::max(usage.peak_resident, space->resident_pages());
  return usage;
}

}  // namespace tine::process
