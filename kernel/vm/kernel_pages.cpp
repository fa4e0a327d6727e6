// SPDX-License-Identifier: BSD-2-Clause
#include "vm/kernel_pages.h"

#include <cstring>

#include "machine/cpu.h"
#include "mem/fault_injection.h"
#include "sched/scheduler.h"

namespace tine::vm {
namespace {

// Tables that wait to be used again, chained through their records.
class TablePool {
 public:
  Frame* take() {
    Frame* table = first_;
    if (table == nullptr) return nullptr;
    first_ = table->free.next;
    --count_;
    return table;
  }
  bool give(Frame& table) {
    if (count_ == kCapacity) return false;
    table.free.next = first_;
    first_ = &table;
    ++count_;
    return true;
  }

  unsigned count() const { return count_; }

 private:
  static constexpr unsigned kCapacity = 64;
  Frame* first_ = nullptr;
  unsigned count_ = 0;
};

struct alignas(machine::kCacheLine) CpuPools {
  TablePool tables;
  TablePool tops;
};
constinit CpuPools cpu_pools[machine::kMaxCpus];

Frame* take(TablePool CpuPools::* pool) {
  machine::InterruptGuard guard;
  return (cpu_pools[machine::cpu_id()].*pool).take();
}

void give(TablePool CpuPools::* pool, Frame& table) {
  table.refs.store(1, std::memory_order_relaxed);  // as every frame that waits for an owner or leaves one
  {
    machine::InterruptGuard guard;
    if ((cpu_pools[machine::cpu_id()].*pool).give(table)) return;
  }
  mem::free_block(table);
}

}  // namespace

Frame* KernelPages::allocate_table() {
  if (mem::should_fail()) return nullptr;
  if (Frame* pooled = take(&CpuPools::tables)) [[likely]]
    return pooled;
  return mem::allocate_block_uninjected(mem::FrameUse::Table, 0, mem::Contents::Zeroed).value_or(nullptr);
}

void KernelPages::free_table(Frame& table) { give(&CpuPools::tables, table); }

Frame* KernelPages::allocate_top() {
  if (mem::should_fail()) return nullptr;
  if (Frame* pooled = take(&CpuPools::tops)) [[likely]]
    return pooled;
  Frame* top =
      mem::allocate_block_uninjected(mem::FrameUse::Table, 0, mem::Contents::Zeroed).value_or(nullptr);
  if (top != nullptr) machine::init_kernel_half(*mem::contents_of<Table>(*top));
  return top;
}

void KernelPages::free_top(Frame& top) { give(&CpuPools::tops, top); }

// Not in the audit, which looks at all spaces under a spinlock.
void KernelPages::pause() {
  if ((TINE_DEBUG || machine::has_user_work(sched::kWorkReschedule)) && machine::spin_depth() == 0) sched::maybe_yield();
}

Result<Frame*> allocate_user_page(mem::Contents contents) {
  Frame* page = TRY(mem::allocate_frame(mem::FrameUse::User, contents));
  page->page = {};
  return page;
}

Result<Frame*> copy_for_user(const Frame& original) {
  const bool zeros = &original == &mem::zero_frame();
  Frame* copy = TRY(allocate_user_page(zeros ? mem::Contents::Zeroed : mem::Contents::Undefined));
  if (!zeros) std::memcpy(mem::contents_of(*copy), mem::contents_of(original), machine::kPageSize);
  return copy;
}

void drain_table_pool() {
  const machine::InterruptGuard guard;
  CpuPools& pools = cpu_pools[machine::cpu_id()];
  while (Frame* table = pools.tables.take()) mem::free_block(*table);
  while (Frame* top = pools.tops.take()) mem::free_block(*top);
}

uint64_t pooled_tables() {
  uint64_t count = 0;
  for (const CpuPools& pools : cpu_pools) count += pools.tables.count() + pools.tops.count();
  return count;
}

}  // namespace tine::vm
