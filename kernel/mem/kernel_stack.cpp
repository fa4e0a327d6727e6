// SPDX-License-Identifier: BSD-2-Clause
// The kernel's virtual range is divided into slots: a guard page, then a stack. A slot that loses its frames is dirty:
// another CPU's TLB may still lead to the old ones. It is used again only after a shoot-down, which waits for the other
// CPUs and so happens where stacks are allocated, never where they are freed (a dead thread's stack is freed with
// interrupts off).
#include "mem/kernel_stack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "base/assert.h"
#include "machine/cpu.h"
#include "mem/fault_injection.h"
#include "mem/frame.h"
#include "mem/stack_depth.h"
#include "sync/spinlock.h"

namespace tine::mem {

namespace {

using machine::kernel_virtual_start;
using Slot = uint32_t;

constexpr size_t kSlotSize = kKernelStackSize + machine::kPageSize;
constexpr Slot kSlots = 1u << 18;          // more threads than that do not fit into 64 GiB
constexpr Slot kNoSlot = kSlots;
constexpr uint32_t kSharedMost = 64;       // mapped stacks kept beyond the per-CPU caches
constexpr uint32_t kDirtyMost = 256;
static_assert(uint64_t{kSlots} * kSlotSize <= machine::kKernelVirtualSize);

uintptr_t base_of(Slot slot) { return kernel_virtual_start + uintptr_t{slot} * kSlotSize; }
uintptr_t top_of(Slot slot) { return base_of(slot) + kSlotSize; }
Slot slot_of(uintptr_t top) { return static_cast<Slot>((top - kernel_virtual_start) / kSlotSize - 1); }

// Mapped stacks at hand for one CPU; its owner uses it with interrupts off.
struct alignas(machine::kCacheLine) CpuCache {
  static constexpr uint32_t kMost = 14;
  uint32_t count = 0;
  int64_t live = 0;   // only the sum over CPUs means something
  std::array<uintptr_t, kMost> tops{};
};
constinit std::array<CpuCache, machine::kMaxCpus> caches;

constinit sync::Spinlock lock("kernel stacks");
constinit uintptr_t shared_list GUARDED_BY(lock) = 0;   // linked through each stack's topmost word
constinit uint32_t shared_count GUARDED_BY(lock) = 0;
constinit Slot slots_ever_used GUARDED_BY(lock) = 0;
constinit std::array<uint64_t, kSlots / 64> clean_slots GUARDED_BY(lock) = {};  // unmapped, in no TLB
constinit uint32_t clean_count GUARDED_BY(lock) = 0;
constinit size_t clean_hint GUARDED_BY(lock) = 0;       // no clean slot in words before this one
constinit std::array<Slot, kDirtyMost> dirty_slots GUARDED_BY(lock) = {};
constinit uint32_t dirty_count GUARDED_BY(lock) = 0;
constinit bool recycling GUARDED_BY(lock) = false;      // somebody shoots down; dirty_slots stays as it is

uintptr_t& link_of(uintptr_t top) { return *reinterpret_cast<uintptr_t*>(top - sizeof(uintptr_t)); }

constinit std::atomic<uint64_t> table_frames{0};

PhysAddr allocate_table() {
  auto frame = allocate_block_uninjected(FrameUse::Kernel, 0, Contents::Zeroed);
  if (!frame) return 0;
  table_frames.fetch_add(1, std::memory_order_relaxed);
  return address_of(**frame);
}

void mark_clean(Slot slot) REQUIRES(lock) {
  clean_slots[slot / 64] |= uint64_t{1} << slot % 64;
  clean_hint = std::min<size_t>(clean_hint, slot / 64);
  clean_count++;
}

Slot take_slot() REQUIRES(lock) {
  if (clean_count == 0) return slots_ever_used < kSlots ? slots_ever_used++ : kNoSlot;
  while (clean_slots[clean_hint] == 0) clean_hint++;
  const auto bit = static_cast<Slot>(std::countr_zero(clean_slots[clean_hint]));
  clean_slots[clean_hint] &= clean_slots[clean_hint] - 1;
  clean_count--;
  return static_cast<Slot>(clean_hint * 64) + bit;
}

void unmap_pages(Slot slot, size_t pages) REQUIRES(lock) {
  for (size_t i = 0; i < pages; i++)
    release(frame_of(machine::unmap_kernel_page(top_of(slot) - (i + 1) * machine::kPageSize)));
  dirty_slots[dirty_count++] = slot;
}

bool may_unmap() REQUIRES(lock) { return !recycling && dirty_count < kDirtyMost; }

// Makes dirty slots clean. Interrupts on, no spinlock held.
void recycle_slots() {
  Slot lowest = kSlots, highest = 0;
  {
    sync::SpinGuard guard(lock);
    if (recycling || dirty_count == 0) return;
    recycling = true;
    for (uint32_t i = 0; i < dirty_count; i++) {
      lowest = std::min(lowest, dirty_slots[i]);
      highest = std::max(highest, dirty_slots[i]);
    }
  }
  const machine::CpuSet all = (machine::CpuSet{1} << machine::cpu_count()) - 1;
  machine::shoot_down_tlb(all, base_of(lowest), top_of(highest));
  sync::SpinGuard guard(lock);
  while (dirty_count != 0) mark_clean(dirty_slots[--dirty_count]);
  recycling = false;
}

// Sees to it that there is room for a dirty slot: recycles those that there are, or waits until another CPU has.
void make_room() {
  while (machine::interrupts_enabled()) {
    bool recycle, wait;
    {
      sync::SpinGuard guard(lock);
      wait = recycling;
      recycle = !wait && (dirty_count == kDirtyMost || (dirty_count >= kDirtyMost / 2 && clean_count == 0));
    }
    if (recycle) recycle_slots();
    else if (wait) machine::spin_pause();
    else return;
  }
}

// Maps frames into a slot; the new stack's top, or 0.
uintptr_t make_stack() {
  const bool may_wait = machine::interrupts_enabled();
  std::array<Frame*, kKernelStackPages> frames;
  size_t pages = 0;
  while (pages < kKernelStackPages) {
    auto frame = allocate_block_uninjected(FrameUse::Kernel, 0, Contents::Undefined);
    if (!frame) break;
    frames[pages++] = *frame;
  }
  size_t mapped = 0;
  while (pages == kKernelStackPages) {
    make_room();
    sync::SpinGuard guard(lock);
    // A failure below leaves a dirty slot, for which there must be room; another CPU may have begun to recycle since.
    if (!may_unmap() && may_wait) continue;
    const Slot slot = may_unmap() ? take_slot() : kNoSlot;
    if (slot == kNoSlot) break;
    while (mapped < pages && machine::map_kernel_page(top_of(slot) - (mapped + 1) * machine::kPageSize,
                                                      address_of(*frames[mapped]), allocate_table))
      mapped++;
    if (mapped == pages) {
      fill_kernel_stack(top_of(slot));
      return top_of(slot);
    }
    unmap_pages(slot, mapped);
    break;
  }
  while (pages > mapped) release(*frames[--pages]);
  return 0;
}

uintptr_t take_cached() {
  {
    machine::BriefInterruptGuard guard;
    CpuCache& cache = caches[machine::cpu_id()];
    cache.live++;
    if (cache.count != 0) [[likely]] return cache.tops[--cache.count];
  }
  sync::SpinGuard guard(lock);
  const uintptr_t top = shared_list;
  if (top == 0) return 0;
  shared_list = link_of(top);
  shared_count--;
  return top;
}

}  // namespace

uint64_t kernel_stack_tables() { return table_frames.load(std::memory_order_relaxed); }

Result<KernelStack> KernelStack::allocate() {
  if (should_fail()) return Error(Errno::NoMem);
  uintptr_t top = take_cached();
  if (top == 0) [[unlikely]] top = make_stack();
  if (top == 0) {
    machine::BriefInterruptGuard guard;
    caches[machine::cpu_id()].live--;
    return Error(Errno::NoMem);
  }
  return KernelStack(top);
}

KernelStack::~KernelStack() {
  if (top_ == 0) return;
  measure_kernel_stack(top_);
  {
    machine::BriefInterruptGuard guard;
    CpuCache& cache = caches[machine::cpu_id()];
    cache.live--;
    if (cache.count < CpuCache::kMost) [[likely]] {
      cache.tops[cache.count++] = top_;
      return;
    }
  }
  sync::SpinGuard guard(lock);
  if (shared_count >= kSharedMost && may_unmap()) {
    unmap_pages(slot_of(top_), kKernelStackPages);
    return;
  }
  link_of(top_) = shared_list;
  shared_list = top_;
  shared_count++;
}

uint64_t live_kernel_stacks() {
  int64_t live = 0;
  for (const CpuCache& cache : caches) live += __atomic_load_n(&cache.live, __ATOMIC_RELAXED);
  return static_cast<uint64_t>(live);
}

void drain_kernel_stacks() {
  std::array<uintptr_t, CpuCache::kMost> tops;
  uint32_t count;
  {
    machine::BriefInterruptGuard guard;
    CpuCache& cache = caches[machine::cpu_id()];
    tops = cache.tops;
    count = std::exchange(cache.count, 0);
  }
  while (true) {
    recycle_slots();
    sync::SpinGuard guard(lock);
    while (count != 0 && may_unmap()) unmap_pages(slot_of(tops[--count]), kKernelStackPages);
    while (count == 0 && shared_list != 0 && may_unmap()) {
      const uintptr_t top = shared_list;
      shared_list = link_of(top);
      shared_count--;
      unmap_pages(slot_of(top), kKernelStackPages);
    }
    if (count == 0 && shared_list == 0) return;
  }
}

bool is_kernel_stack_guard(uintptr_t address) {
  if (address < kernel_virtual_start || address >= base_of(kSlots)) return false;
  return (address - kernel_virtual_start) % kSlotSize < machine::kPageSize;
}

}  // namespace tine::mem
