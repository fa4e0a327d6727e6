// SPDX-License-Identifier: BSD-2-Clause
#include "mem/stack_depth.h"

#if TINE_DEBUG

#include <algorithm>
#include <atomic>

#include "base/audit.h"
#include "base/units.h"
#include "mem/kernel_stack.h"

namespace tine::mem {

namespace {

constexpr uint64_t kPattern = 0x5ac4'1e55'5ac4'1e55;
constexpr size_t kLeastLeft = 1_KiB;

constinit std::atomic<size_t> deepest{0};

uint64_t* end_of(uintptr_t top) { return reinterpret_cast<uint64_t*>(top); }
uint64_t* start_of(uintptr_t top) { return reinterpret_cast<uint64_t*>(top - kKernelStackSize); }

void audit(AuditReport& report) {
  const size_t depth = deepest_kernel_stack();
  if (depth + kLeastLeft > kKernelStackSize)
    report.problem("one was used to a depth of %zu bytes of %zu", depth, kKernelStackSize);
}

}  // namespace

void fill_kernel_stack(uintptr_t top) { std::fill(start_of(top), end_of(top), kPattern); }

void measure_kernel_stack(uintptr_t top) {
  uint64_t* const used = std::find_if(start_of(top), end_of(top), [](uint64_t word) { return word != kPattern; });
  const size_t depth = top - reinterpret_cast<uintptr_t>(used);
  for (size_t most = deepest.load(); depth > most && !deepest.compare_exchange_weak(most, depth);) {}
  std::fill(used, end_of(top), kPattern);
}

size_t deepest_kernel_stack() { return deepest.load(); }

void register_stack_audit() { register_audit("kernel stacks", audit); }

}  // namespace tine::mem

#endif
