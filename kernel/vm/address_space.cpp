// SPDX-License-Identifier: BSD-2-Clause
// Life of an address space: creation, fork, the CPUs that run on it, counts. The other operations are in map.cpp,
// remap.cpp, advise.cpp, inherit.cpp, fault.cpp and peek.cpp.
#include "vm/address_space.h"

#include "base/audit.h"
#include "base/late.h"
#include "sync/spinlock.h"
#include "vm/init.h"

namespace tine::vm {
namespace {

using Hook = boost::intrusive::member_hook<AddressSpace, boost::intrusive::list_member_hook<>, &AddressSpace::all_hook>;

// All address spaces there are, for the audit.
using AllSpaces = boost::intrusive::list<AddressSpace, Hook>;
constinit sync::Spinlock all_lock{"all address spaces"};
constinit Late<AllSpaces> all_spaces;

std::atomic<uint64_t> next_id{1};

}  // namespace

Result<Ref<AddressSpace>> AddressSpace::create() {
  return mem::make_ref<AddressSpace>(TRY(KernelPageTree::make()));
}

AddressSpace::AddressSpace(KernelPageTree&& tree)
    : tree_(std::move(tree)), root_(tree_.root()), id_(next_id.fetch_add(1, std::memory_order_relaxed)) {
  sync::SpinGuard guard(all_lock);
  all_spaces->push_back(*this);
}

AddressSpace::~AddressSpace() {
  ASSERT(active_.load() == 0);
  sync::SpinGuard guard(all_lock);
  all_spaces->erase(all_spaces->iterator_to(*this));
}

// --- Fork ---

// Nobody else knows this space yet, so its own lock is not needed; and a lock of this class is held already.
void AddressSpace::inherit_from(AddressSpace& parent) NO_THREAD_SAFETY_ANALYSIS {
  parent.tree_.fork_into(tree_);
  regions_ = parent.regions_;
  layout_ = parent.layout_;
  limits_ = parent.limits_;
  heap_ = parent.heap_;
  peak_resident_ = tree_.pages();
}

Result<Ref<AddressSpace>> AddressSpace::fork() {
  Ref<AddressSpace> child = TRY(create());
  bool special;
  {
    sync::MutexGuard guard(lock_);
    child->inherit_from(*this);
    flush(0, machine::kUserEnd);   // what the TLB calls writable is so no longer
    special = regions_.special_count() != 0;
  }
  if (special) TRY(child->apply_inheritance());
  return child;
}

// --- CPUs ---

// The bit is set before the table is loaded, so that a change that does not see it comes before anything is cached.
void AddressSpace::activate(unsigned cpu) {
  active_.fetch_or(CpuSet{1} << cpu);
  machine::load_top_table(root_);
}

void AddressSpace::deactivate(unsigned cpu) {
  machine::load_top_table(machine::kernel_top_table());
  active_.fetch_and(~(CpuSet{1} << cpu));
}

void AddressSpace::flush(uintptr_t start, uintptr_t end) {
  std::atomic_thread_fence(std::memory_order_seq_cst);   // the page tables' changes, then the look at who runs here
  if (const CpuSet cpus = active_.load(); cpus != 0) machine::shoot_down_tlb(cpus, start, end);
}

// --- Counts ---

Layout AddressSpace::layout() const {
  sync::MutexGuard guard(lock_);
  return layout_;
}

void AddressSpace::set_layout(const Layout& layout) {
  sync::MutexGuard guard(lock_);
  ASSERT(regions_.empty());
  layout_ = layout;
  heap_ = {layout.heap_base, layout.heap_base};
}

void AddressSpace::set_limits(const SpaceLimits& limits) {
  sync::MutexGuard guard(lock_);
  limits_ = limits;
}

AddressSpace::Heap AddressSpace::heap() const {
  sync::MutexGuard guard(lock_);
  return heap_;
}

RegionMap AddressSpace::regions() const {
  sync::MutexGuard guard(lock_);
  return regions_;
}

uint64_t AddressSpace::peak_resident_pages() const {
  sync::MutexGuard guard(lock_);
  return std::max(peak_resident_, tree_.pages());
}

uint64_t AddressSpace::total_pages() const {
  sync::MutexGuard guard(lock_);
  return regions_.pages();
}

uint64_t AddressSpace::locked_pages() const {
  sync::MutexGuard guard(lock_);
  return locked_pages_;
}

uint64_t AddressSpace::resident_pages(uintptr_t start, uintptr_t end) const {
  sync::MutexGuard guard(lock_);
  uint64_t pages = 0;
  tree_.for_each(start, end, [&](uintptr_t, Entry) { ++pages; });
  return pages;
}

// --- Audit ---

// Reads all spaces without their locks: it means something only while nothing else runs.
unsigned AddressSpace::audit() NO_THREAD_SAFETY_ANALYSIS {
  sync::SpinGuard guard(all_lock);
  unsigned broken = 0;
  for (const AddressSpace& space : *all_spaces) space.tree_.tally();
  for (const AddressSpace& space : *all_spaces) {
    broken += space.tree_.verify();
    broken += space.regions_.verify();
    uint64_t pages = 0;
    space.regions_.for_each(0, machine::kUserEnd, [&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
      space.tree_.for_each(region.start, region.end, [&](uintptr_t, Entry) { ++pages; });
    });
    broken += pages != space.tree_.pages();   // a page outside of every region
  }
  return broken;
}

Result<> init() {
  all_spaces.construct();
  register_audit("memory", [](AuditReport& report) {
    if (const unsigned broken = AddressSpace::audit())
      report.problem("%u broken rules in page trees or region maps", broken);
  });
  return {};
}

}  // namespace tine::vm
