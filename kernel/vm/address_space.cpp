// SPDX-License-Identifier: BSD-2-Clause
// Life of an address space: creation, fork, the CPUs that run on it, counts. The other operations are in
// map.cpp, remap.cpp, advise.cpp, inherit.cpp, fault.cpp and peek.cpp.
#include "vm/address_space.h"

#include <optional>

#include "base/audit.h"
#include "base/late.h"
#include "sched/wait_queue.h"
#include "sync/spinlock.h"
#include "vm/init.h"

namespace tine::vm {
namespace {

using Hook = boost::intrusive::member_hook<AddressSpace, boost::intrusive::list_member_hook<>,
                                           &AddressSpace::all_hook>;

// All address spaces there are, for the audit.
using AllSpaces = boost::intrusive::list<AddressSpace, Hook>;
constinit sync::Spinlock all_lock{"all address spaces"};
constinit Late<AllSpaces> all_spaces;

// Spaces that are listed no more and still give back their tables, which takes as long as they are large. Counted up
// under all_lock.
constinit std::atomic<unsigned> departing{0};
constinit Late<sched::WaitQueue> departed;

std::atomic<uint64_t> next_id{1};

}  // namespace

void Region::pause() { KernelPages::pause(); }

Result<Ref<AddressSpace>> AddressSpace::create() {
  return mem::make_ref<AddressSpace>();
}

constinit std::atomic<uint32_t> AddressSpace::max_regions{65530};

AddressSpace::AddressSpace() : id_(next_id.fetch_add(1, std::memory_order_relaxed)) {
  sync::SpinGuard guard(all_lock);
  all_spaces->push_back(*this);
}

AddressSpace::~AddressSpace() {
  ASSERT(active_.load() == 0);
  {
    sync::SpinGuard guard(all_lock);
    all_spaces->erase(all_spaces->iterator_to(*this));
    ++departing;
  }
  tree_.clear();   // lets others run in between
  if (--departing == 0) departed->wake_all();
}

// A space that is about to go is passed over.
Ref<AddressSpace> AddressSpace::next_after(AddressSpace* space) {
  sync::SpinGuard guard(all_lock);
  auto next = space == nullptr ? all_spaces->begin() : std::next(all_spaces->iterator_to(*space));
  while (next != all_spaces->end() && !next->try_ref()) ++next;
  return next == all_spaces->end() ? nullptr : Ref<AddressSpace>(&*next, false);
}

// --- Fork ---

// Nobody else knows this space yet, so its own lock is not needed; and a lock of this class is held already.
Result<> AddressSpace::inherit_from(AddressSpace& parent) NO_THREAD_SAFETY_ANALYSIS {
  TRY(parent.tree_.fork_into(tree_));
  regions_ = parent.regions_;
  layout_ = parent.layout_;
  limits_ = parent.limits_;
  heap_ = parent.heap_;
  peak_resident_ = tree_.pages();
  return {};
}

Result<Ref<AddressSpace>> AddressSpace::fork() {
  Ref<AddressSpace> child = TRY(create());
  bool special;
  {
    sync::MutexGuard guard(lock_);
    TRY(child->inherit_from(*this));
    flush(0, machine::kUserEnd);  // what the TLB calls writable is so no longer
    special = regions_.special_count() != 0;
  }
  if (special) TRY(child->apply_inheritance());
  return child;
}

// --- CPUs ---

// A CPU is in the set of a space from before it loads the space's page table until after it has loaded another. For while
// the table is loaded the CPU may walk it at any time, of its own accord, and even write to it (the accessed bits); so no
// table may be freed that a CPU outside the set still knows. Source: Intel SDM vol. 3, 4.8, 4.10.4 and 4.10.5.

void AddressSpace::activate(unsigned cpu) { active_.fetch_or(CpuSet{1} << cpu); }
void AddressSpace::deactivate(unsigned cpu) { active_.fetch_and(~(CpuSet{1} << cpu)); }

// The page tables have changed: first that must be seen, then the look at who runs here. A CPU that comes into the set
// later loads the table after it, with an empty TLB.
void AddressSpace::flush(uintptr_t start, uintptr_t end) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
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

// Reads all spaces without their locks: it means something only while nothing else runs. But what has been killed just
// now may still be giving back its tables, which nobody refers to any more: that is waited for.
void AddressSpace::audit(AuditReport& report) NO_THREAD_SAFETY_ANALYSIS {
  std::optional<sync::SpinGuard> guard(std::in_place, all_lock);
  while (departing.load() != 0) {
    guard.reset();
    (void)sched::wait_until(*departed, {"audit", sched::Sleep::Uninterruptible}, [] { return departing.load() == 0; });
    guard.emplace(all_lock);
  }
  PageTally found;
  for (const AddressSpace& space : *all_spaces) space.tree_.tally(found);
  for (const AddressSpace& space : *all_spaces) {
    const auto id = static_cast<unsigned long>(space.id_);
    if (const unsigned broken = space.tree_.verify())
      report.problem("space %lu: %u errors in its page tree", id, broken);
    if (const unsigned broken = space.regions_.verify())
      report.problem("space %lu: %u errors in its map", id, broken);
    uint64_t pages = 0;
    uint64_t locked = 0;
    space.regions_.for_each(0, machine::kUserEnd, [&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
      space.tree_.for_each(region.start, region.end, [&](uintptr_t, Entry) { ++pages; });
      if (region.locked_by == space.id_) locked += region.pages();
    });
    if (pages != space.tree_.pages())
      report.problem("space %lu: %lu pages, of which %lu lie in regions", id,
                     static_cast<unsigned long>(space.tree_.pages()), static_cast<unsigned long>(pages));
    if (locked != space.locked_pages_) report.problem("space %lu: locked pages are miscounted", id);
  }
  const mem::FrameCounts frames = mem::count_frames();
  const uint64_t tables = found.tables + pooled_tables();
  if (frames.table != tables)
    report.problem("%lu page tables allocated, %lu found", static_cast<unsigned long>(frames.table),
                   static_cast<unsigned long>(tables));
  if (frames.user != found.pages)
    report.problem("%lu anonymous pages allocated, %lu found", static_cast<unsigned long>(frames.user),
                   static_cast<unsigned long>(found.pages));
}

Result<> init() {
  all_spaces.construct();
  departed.construct("departing memory");
  register_audit("memory", AddressSpace::audit);
  return {};
}

}  // namespace tine::vm
