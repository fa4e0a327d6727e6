// SPDX-License-Identifier: BSD-2-Clause
// Page faults. The page tree alone resolves a write to memory that fork shared; the region map is asked only
// when there is no page, or the entry does not allow the access.
#include <array>

#include "sched/scheduler.h"
#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/rights.h"

namespace tine::vm {
namespace {

constexpr unsigned kFaultAroundPages = 16;  // a block of 64 KiB, aligned

FaultResult fault_result(Errno error) {
  return error == Errno::NoMem ? FaultResult::OutOfMemory : FaultResult::BusError;
}

}  // namespace

FaultResult AddressSpace::handle_fault(uintptr_t address, Access access) {
  if (address >= machine::kUserEnd) return FaultResult::NoMapping;
  const uintptr_t page = round_down(address, kPageSize);
  FaultResult result;
  {
    sync::MutexGuard guard(lock_);
    Removal removal(*this, page, page + kPageSize);
    result = resolve(page, access, removal);
  }
  machine::take_over_user_top();
  return result;
}

FaultResult AddressSpace::resolve(uintptr_t page, Access access, Removal& removal) {
  if (access == Access::Write) {
    const auto [kind, slot] = tree_.resolve_write(page, removal);
    switch (kind) {
      case WriteFault::Resolved:
        return FaultResult::Resolved;
      case WriteFault::Absent:
        return resolve_absent(page, access, removal);
      case WriteFault::Denied:
        return FaultResult::NoPermission;
      case WriteFault::NoMemory:
        return FaultResult::OutOfMemory;
      case WriteFault::NeedsCopy:
        return copy_page(slot, removal) ? FaultResult::Resolved : FaultResult::OutOfMemory;
    }
  }
  const Entry entry = tree_.lookup(page);
  if (entry.bits() == 0) return resolve_absent(page, access, removal);
  const bool allowed = entry.present() && (access != Access::Execute || entry.executable());
  return allowed ? FaultResult::Resolved
                 : FaultResult::NoPermission;  // resolved: by another thread, just now
}

// Gives the slot's page, which others have too, a copy of its own in its place.
Result<> AddressSpace::copy_page(KernelPageTree::Slot slot, Removal& removal) {
  const Entry entry = slot.get();
  Frame* copy = TRY(copy_for_user(mem::frame_of(entry.address())));
  const Entry rights = entry.without(Entry::kFrameMask | Entry::kAccessed | Entry::kDirty);
  tree_.replace(slot, *copy, rights.bits() | (entry.may_write() ? Entry::kWritable : 0), removal);
  return {};
}

FaultResult AddressSpace::resolve_absent(uintptr_t page, Access access, Removal& removal) {
  const Region* region = regions_.find(page);
  if (region == nullptr && (region = grow_stack(page)) == nullptr) return FaultResult::NoMapping;
  if (!allows(region->protection, access)) return FaultResult::NoPermission;
  return region->anonymous() ? fill_anonymous(*region, page, access, removal)
                             : fill_from_object(*region, page, access, removal);
}

// A page that is only read so far is the one page of zeros.
FaultResult AddressSpace::fill_anonymous(const Region& region, uintptr_t page, Access access,
                                         Removal& removal) {
  const auto slot = tree_.slot(page, removal);
  if (!slot) return FaultResult::OutOfMemory;
  if (access != Access::Write) {
    tree_.put(*slot, mem::zero_frame(), rights_of(region.protection));
    return FaultResult::Resolved;
  }
  const Result<Frame*> frame = allocate_user_page(mem::Contents::Zeroed);
  if (!frame) return FaultResult::OutOfMemory;
  tree_.put(*slot, **frame, writable_rights_of(region.protection));
  return FaultResult::Resolved;
}

FaultResult AddressSpace::fill_from_object(const Region& region, uintptr_t page, Access access,
                                           Removal& removal) {
  const auto slot = tree_.slot(page, removal);
  if (!slot) return FaultResult::OutOfMemory;
  // What is mapped shared must be the object's own page from the first: nobody unmaps it when it is replaced.
  const Result<Frame*> frame =
      region.object->page(region.page_index(page), region.shared() ? Access::Write : Access::Read);
  if (!frame) return fault_result(frame.error());
  if (!region.shared() && access == Access::Write) {
    const Result<Frame*> copy = copy_for_user(**frame);
    mem::release(**frame);
    if (!copy) return FaultResult::OutOfMemory;
    tree_.put(*slot, **copy, writable_rights_of(region.protection));
    return FaultResult::Resolved;
  }
  tree_.put(*slot, **frame,
            region.shared() ? writable_rights_of(region.protection) | Entry::kShared : rights_of(region.protection));
  if (!region.shared() || !(region.protection & kWrite)) fault_around(region, page, *slot);
  return FaultResult::Resolved;
}

// Maps the neighbours that the object has in memory, to be read: a program's pages are mostly used together.
void AddressSpace::fault_around(const Region& region, uintptr_t page, KernelPageTree::Slot slot) {
  const uintptr_t block = round_down(page, kFaultAroundPages * kPageSize);
  const uintptr_t first = std::max(block, region.start);
  const uintptr_t last = std::min(block + kFaultAroundPages * kPageSize, region.end);
  const uint64_t flags = rights_of(region.protection) | (region.shared() ? Entry::kShared : 0);
  std::array<Frame*, kFaultAroundPages> room;
  const std::span<Frame*> frames = std::span(room).first((last - first) / kPageSize);
  region.object->resident_pages(region.page_index(first), frames);
  KernelPageTree::Slot neighbour{slot.table, machine::index_at(0, first)};  // a block lies in one table
  for (Frame* frame : frames) {
    const bool wanted = frame != nullptr && !(region.shared() && frame->use == mem::FrameUse::Pinned);
    if (wanted && neighbour.get().bits() == 0)
      tree_.put(neighbour, *frame, flags);
    else if (frame != nullptr)
      mem::release(*frame);
    ++neighbour.index;
  }
}

// Extends the region above `page` down to it, if that is a stack that may grow so far. The neighbour below
// must stay a guard gap away, or a stack that overflows would run into it unnoticed.
const Region* AddressSpace::grow_stack(uintptr_t page) {
  const Region* stack = regions_.at_or_after(page);
  if (stack == nullptr || !(stack->flags & kGrowsDown) || page < machine::kUserStart) return nullptr;
  if (stack->end - page > limits_.stack) return nullptr;
  const Region* below = regions_.before(stack->start);
  if (below != nullptr && !(below->flags & kGrowsDown) && page - below->end < kStackGuard) return nullptr;
  const uint64_t more = (stack->start - page) / kPageSize;
  if ((regions_.pages() + more) > limits_.address_space / kPageSize) return nullptr;
  const bool locked = stack->locked_by == id_;
  if (!regions_.resize(stack->start, page, stack->end)) return nullptr;
  if (locked) locked_pages_ += more;
  return regions_.find(page);
}

// Faults a whole range in, for writing where it may be written.
FaultResult AddressSpace::populate(uintptr_t start, uintptr_t end) {
  const RegionMap regions = regions_;
  FaultResult result = FaultResult::Resolved;
  regions.for_each(start, end, [&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
    if (region.protection == kNoAccess || result != FaultResult::Resolved) return;
    const bool write = (region.protection & kWrite) != 0;
    result = populate(std::max(start, region.start), std::min(end, region.end),
                      write ? Access::Write : Access::Read);
  });
  return result;
}

FaultResult AddressSpace::populate(uintptr_t start, uintptr_t end, Access access) {
  for (uintptr_t page = start; page < end; page += kPageSize) {
    Removal removal(*this, page, page + kPageSize);
    const FaultResult result = resolve(page, access, removal);
    if (result != FaultResult::Resolved) return result;
    if (!sched::step()) return FaultResult::OutOfMemory;   // a thread that is to end needs no more
  }
  return FaultResult::Resolved;
}

}  // namespace tine::vm
