// SPDX-License-Identifier: BSD-2-Clause
// The TLB: this CPU's, and those of others by shoot-down. An initiator describes its range in its own PerCpu,
// sets its bit in the request word of each target, interrupts them and waits. While it waits it serves
// requests itself, so two CPUs that shoot at each other both get on. A target takes all requests that are
// there with one interrupt.
#include "machine/x86_64/tlb.h"

#include "base/units.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

constexpr size_t kMostSinglePages = 32;  // beyond this, dropping everything is cheaper

void flush_global_tlb() {
  if (!cpu_features().global_pages) return flush_local_tlb();
  const uint64_t cr4 = read_cr4();
  write_cr4(cr4 ^ kCr4GlobalPages);  // any change of the bit drops all entries
  write_cr4(cr4);
}

void flush_range(uintptr_t start, uintptr_t end) {
  take_over_user_top();
  if ((end - start) / kPageSize <= kMostSinglePages) {
    for (uintptr_t page = round_down(start, kPageSize); page < end; page += kPageSize)
      flush_local_tlb_page(page);
  } else if (end <= kUserEnd) {
    flush_local_tlb();
  } else {
    flush_global_tlb();
  }
}

}  // namespace

void flush_local_tlb() {
  take_over_user_top();
  const BriefInterruptGuard guard;   // a request that is served in between may load another table
  write_cr3(read_cr3());
}
void flush_local_tlb_page(uintptr_t address) { asm volatile("invlpg (%0)" ::"r"(address) : "memory"); }

void serve_tlb_requests() {
  PerCpu& self = this_per_cpu();
  CpuSet initiators = self.flush_requests.exchange(0);
  while (initiators != 0) {
    PerCpu& initiator = per_cpu(static_cast<unsigned>(__builtin_ctz(initiators)));
    initiators &= initiators - 1;
    flush_range(initiator.flush_start, initiator.flush_end);
    initiator.flush_pending.fetch_and(~(CpuSet{1} << self.id));
  }
}

void shoot_down_tlb(CpuSet cpus, uintptr_t start, uintptr_t end) {
  PerCpu& self = this_per_cpu();
  const CpuSet self_bit = CpuSet{1} << self.id;
  if (cpus & self_bit) flush_range(start, end);
  const CpuSet others = cpus & ~self_bit;
  if (others == 0) return;

  DEBUG_ASSERT(interrupts_enabled() && self.spin_depth == 0);
  self.flush_start = start;
  self.flush_end = end;
  self.flush_pending.store(others);
  for (CpuSet left = others; left != 0; left &= left - 1) {
    PerCpu& target = per_cpu(static_cast<unsigned>(__builtin_ctz(left)));
    // A bit already there means that an interrupt is on its way and finds ours too.
    if (target.flush_requests.fetch_or(self_bit) == 0) send_ipi(target.apic_id, kTlbVector);
  }
  while (self.flush_pending.load(std::memory_order_acquire) != 0) {
    const InterruptGuard guard;  // the interrupt that serves requests must not come between
    serve_tlb_requests();
    spin_pause();
  }
}

}  // namespace tine::machine
