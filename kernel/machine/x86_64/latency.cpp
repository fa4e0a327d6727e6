// SPDX-License-Identifier: BSD-2-Clause
#include "machine/latency.h"

#if TINE_DEBUG

#include <atomic>

#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/raw_lock.h"
#include "machine/x86_64/panic.h"

namespace tine::machine {

namespace {

struct Kind {
  std::atomic<Nanoseconds> longest{0}, limit{0};
  std::atomic<uint64_t> over_limit{0};
  WorstLatency worst;   // under worst_lock
};
constinit std::array<Kind, kLatencyKinds> kinds{};
constinit RawLock worst_lock;

Kind& kind_of(Latency kind) { return kinds[static_cast<size_t>(kind)]; }

}  // namespace

void note_latency(Latency which, Nanoseconds time, const char* name, uintptr_t began) {
  Kind& kind = kind_of(which);
  const Nanoseconds limit = kind.limit.load(std::memory_order_relaxed);
  if (limit != 0 && time > limit) kind.over_limit.fetch_add(1, std::memory_order_relaxed);
  if (time <= kind.longest.load(std::memory_order_relaxed)) [[likely]] return;
  RawGuard guard(worst_lock);
  if (time <= kind.longest.load(std::memory_order_relaxed)) return;
  kind.longest.store(time, std::memory_order_relaxed);
  kind.worst = {.time = time, .name = name, .began = began};
  collect_backtrace(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), kind.worst.frames);
}

WorstLatency worst_latency(Latency which) {
  Kind& kind = kind_of(which);
  RawGuard guard(worst_lock);
  WorstLatency worst = kind.worst;
  worst.over_limit = kind.over_limit.load(std::memory_order_relaxed);
  return worst;
}

void reset_latencies() {
  RawGuard guard(worst_lock);
  for (Kind& kind : kinds) {
    kind.longest.store(0, std::memory_order_relaxed);
    kind.over_limit.store(0, std::memory_order_relaxed);
    kind.worst = {};
  }
}

void set_latency_limit(Latency kind, Nanoseconds limit) { kind_of(kind).limit.store(limit, std::memory_order_relaxed); }
Nanoseconds latency_limit(Latency kind) { return kind_of(kind).limit.load(std::memory_order_relaxed); }

// --- Interrupts off: cpu.h calls these ---

void interrupts_go_off() {
  CpuLocal& cpu = this_cpu();
  if (cpu.interrupts_off_since != 0) return;
  cpu.interrupts_off_since = now();
  cpu.interrupts_off_at = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
}

void interrupts_go_on() {
  CpuLocal& cpu = this_cpu();
  const Nanoseconds since = cpu.interrupts_off_since;
  if (since == 0) return;
  cpu.interrupts_off_since = 0;
  note_latency(Latency::Interrupts, now() - since, "interrupts off", cpu.interrupts_off_at);
  cpu.interrupts_off_since = 0;   // that took a lock, which seemed to begin another
}

}  // namespace tine::machine

#endif
