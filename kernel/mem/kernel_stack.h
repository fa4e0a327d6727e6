// SPDX-License-Identifier: BSD-2-Clause
// Kernel stacks: contiguous in kernel virtual memory, with an unmapped guard page below, so that an overflow is a
// double fault with a clear message and not silent corruption. Freed stacks are kept mapped in a per-CPU cache and, up
// to a limit, in a shared list.
// Lock: kernel stack lock, before the frame allocator's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"
#include "machine/paging.h"

namespace tine::mem {

inline constexpr size_t kKernelStackPages = TINE_DEBUG ? 4 : 3;
inline constexpr size_t kKernelStackSize = kKernelStackPages * machine::kPageSize;

class KernelStack {
 public:
  static Result<KernelStack> allocate();   // may wait for other CPUs' TLBs, so only with interrupts on
  KernelStack() = default;
  KernelStack(KernelStack&& other) noexcept : top_(std::exchange(other.top_, 0)) {}
  KernelStack& operator=(KernelStack&& other) noexcept { std::swap(top_, other.top_); return *this; }
  ~KernelStack();
  uintptr_t top() const { return top_; }   // exclusive end; 0 when empty

 private:
  explicit KernelStack(uintptr_t top) : top_(top) {}
  uintptr_t top_ = 0;
};

uint64_t live_kernel_stacks();     // in use; exact when nothing runs
// Frames of page tables that map kernel stacks. They are kept once made, so their number tells the most stacks that ever
// were, and the audit of free frames allows for them.
uint64_t kernel_stack_tables();

void drain_kernel_stacks();        // this CPU's cache and the shared list, unmapped; see sched::on_every_cpu
// Whether `address` lies in a guard page below a kernel stack.
bool is_kernel_stack_guard(uintptr_t address);

}  // namespace tine::mem
