// SPDX-License-Identifier: BSD-2-Clause
// struct rusage, for getrusage(2), wait4(2) and waitid(2). Source: getrusage(2).
#pragma once

#include "machine/paging.h"
#include "process/usage.h"
#include "vm/user_ptr.h"

namespace tine::abi::linux_abi {

struct TimeValue {  // struct timeval
  int64_t seconds, microseconds;
};
constexpr TimeValue to_time_value(Nanoseconds time) {
  return {static_cast<int64_t>(time / kSecond), static_cast<int64_t>(time % kSecond / kMicrosecond)};
}

struct ResourceUsage {  // struct rusage
  TimeValue user, system;
  uint64_t peak_resident_kib, shared_text, unshared_data, unshared_stack;
  uint64_t minor_faults, major_faults, swaps, blocks_read, blocks_written, messages_sent, messages_received, signals;
  uint64_t voluntary_switches, involuntary_switches;
};
static_assert(sizeof(ResourceUsage) == 144);

inline ResourceUsage to_resource_usage(const process::Usage& usage) {
  ResourceUsage result{};
  result.user = to_time_value(usage.user_time);
  result.system = to_time_value(usage.system_time);
  result.peak_resident_kib = usage.peak_resident * (machine::kPageSize / 1_KiB);
  result.minor_faults = usage.minor_faults;
  result.major_faults = usage.major_faults;
  result.voluntary_switches = usage.voluntary_switches;
  result.involuntary_switches = usage.involuntary_switches;
  return result;
}

}  // namespace tine::abi::linux_abi
