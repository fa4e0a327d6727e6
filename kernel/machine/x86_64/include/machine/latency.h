// SPDX-License-Identifier: BSD-2-Clause
// The latency watchdog of debug kernels: how long the kernel kept a CPU, or a lock, from others, and where. Who measures is
// who knows: cpu.h (interrupts off), sync/lock_order.h (locks), sched/kernel_time.h (a thread in the kernel). Here is the
// worst of each kind, with its place, and how often a limit was passed; /proc/tine/latency shows them, and the runner of the
// guest tests fails a test that passed one.
//
// Time is the CPU's cycle counter, in ns. On a machine whose host takes CPUs away it also counts what the guest did not use,
// so exact limits are for machines that count instructions (QEMU's -icount, where an instruction is a ns). A release kernel
// has nothing of this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/units.h"

namespace tine::machine {

enum class Latency : uint8_t {
  Interrupts,   // interrupts off
  Spinlock,     // held
  Mutex,        // a sleeping lock held, without the time in which its holder had no CPU
  Kernel,       // a thread in the kernel without a chance to yield
};
inline constexpr size_t kLatencyKinds = 4;
inline constexpr std::array<std::string_view, kLatencyKinds> kLatencyNames = {"interrupts", "spinlock", "mutex", "kernel"};

#if TINE_DEBUG

// Something that took `time` has just ended. `name` lives for ever: the lock's, or what the thread did. `began`: the code
// address at which it began; 0: not known. Any context, with any locks.
void note_latency(Latency kind, Nanoseconds time, const char* name, uintptr_t began);

// The longest since the last reset.
struct WorstLatency {
  static constexpr size_t kMostFrames = 12;
  Nanoseconds time = 0;
  const char* name = "";
  uintptr_t began = 0;
  std::array<uintptr_t, kMostFrames> frames{};   // where it ended, innermost first; 0: no more
  uint64_t over_limit = 0;                       // how many passed the limit
};
WorstLatency worst_latency(Latency kind);
void reset_latencies();

// 0: none, as at boot.
void set_latency_limit(Latency kind, Nanoseconds limit);
Nanoseconds latency_limit(Latency kind);

#endif

}  // namespace tine::machine
