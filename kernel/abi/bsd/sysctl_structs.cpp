// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/sysctl_structs.h"

#include "process/fork.h"
#include "process/profile.h"
#include "sched/clock.h"
#include "sched/scheduler.h"

namespace tine::abi::bsd {

namespace {

// struct forkstat
struct ForkCounts {
  int32_t forks, vforks, threads, kernel, fork_pages, vfork_pages, thread_pages, kernel_pages, rforks, rfork_pages;
};

Result<> read_fork_counts(const OldValue& old) {
  const process::ForkStatistics& from = process::fork_statistics;
  const auto as_int = [](const std::atomic<uint64_t>& counter) { return static_cast<int32_t>(counter.load()); };
  return old.store_object(ForkCounts{
      as_int(from.forks), as_int(from.vforks), as_int(from.threads), as_int(from.kernel), as_int(from.fork_pages),
      as_int(from.vfork_pages), 0, as_int(from.kernel_pages), as_int(from.rforks), as_int(from.rfork_pages)});
}

// struct clockinfo
struct ClockInfo {
  int32_t ticks_per_second, microseconds_per_tick, statistics_frequency, profile_frequency;
};

// The tick is that of times(3) and the statistics; timers are exact.
Result<> read_clock_rate(const OldValue& old) {
  return old.store_object(ClockInfo{100, 10'000, 100, process::kProfileFrequency});
}

// struct timeval
struct TimeValue {
  int64_t seconds, microseconds;
};

Result<> read_boot_time(const OldValue& old) {
  const Nanoseconds at = sched::wall_clock_offset();
  return old.store_object(
      TimeValue{static_cast<int64_t>(at / kSecond), static_cast<int64_t>(at % kSecond / kMicrosecond)});
}

// struct loadavg
struct Load {
  uint32_t average[3];
  uint32_t padding;
  int64_t scale;
};

Result<> read_load(const OldValue& old) {
  const sched::LoadAverage load = sched::load_average();
  return old.store_object(Load{{load.fixed[0], load.fixed[1], load.fixed[2]}, 0, 2048});
}

struct NamedReader {
  std::string_view name;
  StructReader read;
};
constexpr NamedReader kReaders[] = {
    {"kern.forkstat", read_fork_counts},
    {"kern.clockrate", read_clock_rate},
    {"kern.boottime", read_boot_time},
    {"vm.loadavg", read_load},
};

}  // namespace

StructReader find_struct(std::string_view name) {
  for (const NamedReader& each : kReaders)
    if (each.name == name) return each.read;
  return nullptr;
}

}  // namespace tine::abi::bsd
