// SPDX-License-Identifier: BSD-2-Clause
// Questions and hints about ranges: madvise(2), msync(2), mincore(2), mlock(2) and its kin, and where futex
// words are.
#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/user_ptr.h"

namespace tine::vm {
namespace {

struct Range {
  uintptr_t start, end;
};

// The pages of [start, start + size).
Result<Range> pages_of(uintptr_t start, uint64_t size, Errno out_of_range) {
  if (size > machine::kUserEnd || !is_user_range(start, size)) return Error(out_of_range);
  return Range{round_down(start, kPageSize), round_up(start + size, kPageSize)};
}

using RegionChange = void(Region&);

// What an advice changes in the regions themselves; null: nothing.
RegionChange* change_for(Advice advice) {
  switch (advice) {
    case Advice::DontFork:
      return [](Region& region) { region.flags |= kNotInherited; };
    case Advice::DoFork:
      return [](Region& region) { region.flags &= static_cast<uint16_t>(~kNotInherited); };
    case Advice::KeepOnFork:
      return [](Region& region) {
        if (region.inherit == Inherit::Zero) region.inherit = Inherit::Copy;
      };
    case Advice::WipeOnFork:
      return [](Region& region) { region.inherit = Inherit::Zero; };
    case Advice::DontDump:
      return [](Region& region) { region.flags |= kNoDump; };
    case Advice::DoDump:
      return [](Region& region) { region.flags &= static_cast<uint16_t>(~kNoDump); };
    default:
      return nullptr;
  }
}

// MADV_POPULATE_READ's and _WRITE's errors.
Result<> populated(FaultResult result) {
  switch (result) {
    case FaultResult::Resolved:
      return {};
    case FaultResult::NoPermission:
      return Error(Errno::Inval);
    case FaultResult::BusError:
      return Error(Errno::Fault);
    case FaultResult::OutOfMemory:
    case FaultResult::NoMapping:
      break;
  }
  return Error(Errno::NoMem);
}

}  // namespace

// --- madvise ---

// The pages go; the next access finds fresh ones.
Result<> AddressSpace::discard(uintptr_t start, uintptr_t end) {
  Removal removal(*this, start, end);
  TRY(tree_.isolate(start, end, removal));
  note_peak();
  tree_.unmap(start, end, removal);
  return {};
}

void AddressSpace::discard_pages_of(MemoryObject& object, uint64_t first, uint64_t last,
                                    MemoryObject::Copies copies, RegionMap& without) {
  sync::MutexGuard guard(lock_);
  if (regions_.is_same(without)) return;
  const RegionMap regions = regions_;
  bool found = false;
  regions.for_each_with(object.filter_bits(), [&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
    if (region.anonymous() || &region.object->itself() != &object) return;
    found = true;
    if (!region.shared() && copies == MemoryObject::Copies::Keep) return;
    const uint64_t low = std::max(first, region.offset);
    const uint64_t high = std::min(last, region.offset + region.pages());
    // Without memory for the tables to be split, the pages stay: they are still the process's to use.
    if (low < high)
      (void)discard(region.start + (low - region.offset) * kPageSize,
                    region.start + (high - region.offset) * kPageSize);
  });
  if (!found) without = regions;
}

Result<> AddressSpace::advise(uintptr_t start, uint64_t size, int number) {
  if (!is_aligned(start, kPageSize)) return Error(Errno::Inval);
  const auto [first, last] = TRY(pages_of(start, size, Errno::Inval));
  if (first == last) return {};
  const Advice advice{number};
  if (advice == Advice::Remove) return Error(Errno::OpNotSupp);

  sync::MutexGuard guard(lock_);
  bool locked = false;
  bool has_objects = false;
  regions_.for_each(first, last, [&](const Region& region) {
    locked = locked || region.locked_by == id_;
    has_objects = has_objects || !region.anonymous();
  });
  if (has_objects && (advice == Advice::Free || advice == Advice::WipeOnFork)) return Error(Errno::Inval);
  const bool whole = regions_.covers(first, last);  // else the mapped parts are changed, and the call fails

  if (advice == Advice::DontNeed || advice == Advice::Free) {
    if (locked) return Error(Errno::Inval);
    TRY(discard(first, last));
  } else if (advice == Advice::PopulateRead || advice == Advice::PopulateWrite) {
    if (!whole) return Error(Errno::NoMem);
    return populated(populate(first, last, advice == Advice::PopulateRead ? Access::Read : Access::Write));
  } else if (RegionChange* change = change_for(advice)) {
    TRY(change_regions(first, last, *change));
  }
  return whole ? Result<>() : Error(Errno::NoMem);
}

// --- msync, mincore ---

Result<> AddressSpace::check_mapped(uintptr_t start, uint64_t size) {
  const auto [first, last] = TRY(pages_of(start, size, Errno::NoMem));
  sync::MutexGuard guard(lock_);
  return regions_.covers(first, last) ? Result<>() : Error(Errno::NoMem);
}

Result<> AddressSpace::list_resident(uintptr_t start, std::span<uint8_t> into) {
  const uint64_t size = into.size() * kPageSize;
  const auto [first, last] = TRY(pages_of(start, size, Errno::NoMem));
  std::ranges::fill(into, uint8_t{0});
  sync::MutexGuard guard(lock_);
  if (!regions_.covers(first, last)) return Error(Errno::NoMem);
  tree_.for_each(first, last, [&](uintptr_t page, Entry) { into[(page - first) / kPageSize] = 1; });
  regions_.for_each(first, last, [&](const Region& region) {
    if (region.anonymous()) return;
    for (uintptr_t page = std::max(first, region.start); page < std::min(last, region.end);
         page += kPageSize) {
      uint8_t& resident = into[(page - first) / kPageSize];
      KernelPages::pause();
      if (resident != 0) continue;
      if (Frame* frame = region.object->resident_page(region.page_index(page))) {
        mem::release(*frame);
        resident = 1;
      }
    }
  });
  return {};
}

// --- mlock ---

Result<> AddressSpace::lock_memory(uintptr_t start, uint64_t size, uint64_t limit, LockNow when) {
  const auto [first, last] = TRY(pages_of(start, size, Errno::Inval));
  sync::MutexGuard guard(lock_);
  const uint64_t more = (last - first) / kPageSize - locked_in(first, last);
  if (locked_pages_ + more > limit / kPageSize) return Error(Errno::NoMem);
  if (!regions_.covers(first, last)) return Error(Errno::NoMem);
  TRY(change_regions(first, last, [&](Region& region) { region.locked_by = id_; }));
  locked_pages_ += more;
  if (when == LockNow::Populate && populate(first, last) != FaultResult::Resolved) return Error(Errno::NoMem);
  return {};
}

Result<> AddressSpace::unlock_memory(uintptr_t start, uint64_t size) {
  const auto [first, last] = TRY(pages_of(start, size, Errno::Inval));
  sync::MutexGuard guard(lock_);
  const uint64_t unlocked = locked_in(first, last);
  if (unlocked != 0) {
    TRY(change_regions(first, last, [](Region& region) { region.locked_by = 0; }));
    locked_pages_ -= unlocked;
  }
  return regions_.covers(first, last) ? Result<>() : Error(Errno::NoMem);
}

Result<> AddressSpace::lock_all(bool present, bool future, uint64_t limit, LockNow when) {
  sync::MutexGuard guard(lock_);
  if (present) {
    if (regions_.pages() > limit / kPageSize) return Error(Errno::NoMem);
    TRY(change_regions(0, machine::kUserEnd, [&](Region& region) { region.locked_by = id_; }));
    locked_pages_ = regions_.pages();
    if (when == LockNow::Populate)
      populate(0, machine::kUserEnd);  // what cannot be had now is left out, as in Linux
  }
  lock_future_ = future;
  return {};
}

Result<> AddressSpace::unlock_all() {
  sync::MutexGuard guard(lock_);
  lock_future_ = false;
  if (locked_pages_ == 0) return {};
  TRY(change_regions(0, machine::kUserEnd, [](Region& region) { region.locked_by = 0; }));
  locked_pages_ = 0;
  return {};
}

// --- Futex words ---

Result<AddressSpace::Location> AddressSpace::locate(uintptr_t address) {
  sync::MutexGuard guard(lock_);
  const Region* region = regions_.find(address);
  if (region == nullptr) return Error(Errno::Fault);
  if (!region->shared()) return Location{nullptr, address};
  return Location{&region->object->itself(), region->page_index(address) * kPageSize + address % kPageSize};
}

}  // namespace tine::vm
