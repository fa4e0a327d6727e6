// SPDX-License-Identifier: BSD-2-Clause
// Mapping, unmapping, protection and the heap: mmap(2), munmap(2), mprotect(2), brk(2).
// Each operation first does all that can fail, on the page tree (private tables) and then on the region map
// (a new tree), and then changes pages, which cannot fail.
#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/rights.h"
#include "vm/user_ptr.h"

namespace tine::vm {
namespace {

constexpr uintptr_t kLowEnd = 0x8000'0000;  // MAP_32BIT

// `size` in whole pages; 0 when it does not fit into the user half.
constexpr uint64_t page_rounded(uint64_t size) {
  return size <= machine::kUserEnd ? round_up(size, kPageSize) : 0;
}

}  // namespace

// --- Limits and places ---

Result<> AddressSpace::check_limits(uint64_t more, uint64_t more_data) const {
  if (regions_.count() >= max_regions.load(std::memory_order_relaxed)) return Error(Errno::NoMem);
  if (regions_.pages() + more > limits_.address_space / kPageSize) return Error(Errno::NoMem);
  if (more_data != 0 && regions_.data_pages() + more_data > limits_.data / kPageSize)
    return Error(Errno::NoMem);
  return {};
}

// Both ends of what is changed or unmapped may cut a region in two.
Result<> AddressSpace::check_cuts(uintptr_t start, uintptr_t end) const {
  const uint32_t most = max_regions.load(std::memory_order_relaxed);
  if (regions_.count() + 2 <= most) [[likely]] return {};
  uint32_t cuts = 0;
  for (const uintptr_t edge : {start, end})
    if (const Region* region = regions_.find(edge)) cuts += region->start < edge;
  return cuts == 0 || regions_.count() + cuts <= most ? Result<>() : Error(Errno::NoMem);
}

// An address for a new mapping of `size` bytes, a multiple of the page size.
Result<uintptr_t> AddressSpace::place(const MapRequest& request, uint64_t size) {
  const bool fixed = request.placement == Placement::Fixed || request.placement == Placement::FixedNoReplace;
  const uintptr_t hint = round_down(request.address, kPageSize);
  const uintptr_t wanted = fixed ? request.address : hint;
  const bool fits = is_user_range(wanted, size);
  const Region* there = regions_.at_or_after(wanted);
  const bool is_free = there == nullptr || there->start >= wanted + size;
  if (fixed) {
    if (!is_aligned(wanted, kPageSize)) return Error(Errno::Inval);
    if (!fits) return Error(Errno::NoMem);
    if (wanted < machine::kUserStart) return Error(Errno::Perm);
    if (request.placement == Placement::FixedNoReplace && !is_free) return Error(Errno::Exist);
    return wanted;
  }
  const bool low = request.placement == Placement::Low;
  if (hint >= machine::kUserStart && fits && is_free && (!low || wanted + size <= kLowEnd)) return hint;
  if (low) {
    if (const auto found = regions_.lowest_gap(machine::kUserStart + 1_GiB, kLowEnd, size)) return *found;
    if (const auto found = regions_.lowest_gap(machine::kUserStart, kLowEnd, size)) return *found;
    return Error(Errno::NoMem);
  }
  if (const auto found = regions_.highest_gap(machine::kUserStart, layout_.mapping_top, size)) return *found;
  if (const auto found = regions_.lowest_gap(layout_.mapping_top, machine::kUserEnd, size)) return *found;
  return Error(Errno::NoMem);
}

uint64_t AddressSpace::locked_in(uintptr_t start, uintptr_t end) const {
  uint64_t pages = 0;
  if (locked_pages_ == 0) return 0;
  regions_.for_each(start, end, [&](const Region& region) {
    if (region.locked_by == id_)
      pages += (std::min(end, region.end) - std::max(start, region.start)) / kPageSize;
  });
  return pages;
}

// --- Mapping ---

// Puts a region in the place of what there may be.
Result<> AddressSpace::insert_region(const Region& region) {
  Removal removal(*this, region.start, region.end);
  const uint64_t unlocked = locked_in(region.start, region.end);
  TRY(tree_.isolate(region.start, region.end, removal));
  TRY(regions_.insert(region));
  note_peak();
  tree_.unmap(region.start, region.end, removal);
  locked_pages_ -= unlocked;
  if (region.locked_by == id_) locked_pages_ += region.pages();
  return {};
}

Result<uintptr_t> AddressSpace::map(const MapRequest& request) {
  if (request.size == 0) return Error(Errno::Inval);
  const uint64_t size = page_rounded(request.size);
  if (size == 0) return Error(Errno::NoMem);
  if (request.protection & ~request.max_protection) return Error(Errno::Acces);
  const uint64_t pages = size / kPageSize;
  if (request.offset + pages < request.offset || request.offset + pages > PageStore::kMaxPages)
    return Error(Errno::Overflow);

  Region region;
  region.protection = request.protection;
  region.max_protection = request.max_protection;
  region.flags = request.flags;
  region.object = request.object;
  region.offset = request.offset;
  if (region.object)
    region.object->itself().note_mapped();
  else if (region.shared())
    region.object = TRY(mem::make_ref<AnonymousObject>(pages));

  sync::MutexGuard guard(lock_);
  region.start = TRY(place(request, size));
  region.end = region.start + size;
  TRY(check_limits(pages, region.data_pages()));
  if (request.lock || lock_future_) {
    if (locked_pages_ + pages > request.lock_limit / kPageSize) return Error(Errno::Again);
    region.locked_by = id_;
  }
  TRY(insert_region(region));
  if (request.populate || region.locked_by != 0) populate(region.start, region.end);
  return region.start;
}

Result<> AddressSpace::unmap_range(uintptr_t start, uintptr_t end) {
  TRY(check_cuts(start, end));
  Removal removal(*this, start, end);
  const uint64_t unlocked = locked_in(start, end);
  TRY(tree_.isolate(start, end, removal));
  TRY(regions_.erase(start, end));
  note_peak();
  tree_.unmap(start, end, removal);
  locked_pages_ -= unlocked;
  return {};
}

Result<> AddressSpace::unmap(uintptr_t start, uint64_t size) {
  const uint64_t length = page_rounded(size);
  if (!is_aligned(start, kPageSize) || length == 0 || !is_user_range(start, length))
    return Error(Errno::Inval);
  sync::MutexGuard guard(lock_);
  const Region* first = regions_.at_or_after(start);
  if (first == nullptr || first->start >= start + length) return {};
  return unmap_range(start, start + length);
}

Result<> AddressSpace::detach(uintptr_t base, const MemoryObject& object) {
  const uintptr_t end = base + round_up(object.size(), kPageSize);
  sync::MutexGuard guard(lock_);
  bool found = false;
  uintptr_t at = base;
  for (const Region* region; (region = regions_.at_or_after(at)) != nullptr && region->start < end;) {
    const uintptr_t start = region->start;
    at = region->end;
    const bool belongs = region->object != nullptr && &region->object->itself() == &object &&
                         start - region->offset * kPageSize == base;
    if (!belongs) continue;
    TRY(unmap_range(start, at));
    found = true;
  }
  return found ? Result<>() : Error(Errno::Inval);
}

Result<> AddressSpace::protect(uintptr_t start, uint64_t size, uint8_t protection) {
  if (!is_aligned(start, kPageSize)) return Error(Errno::Inval);
  if (size == 0) return {};
  const uint64_t length = page_rounded(size);
  if (length == 0 || !is_user_range(start, length)) return Error(Errno::NoMem);
  const uintptr_t end = start + length;

  sync::MutexGuard guard(lock_);
  if (!regions_.covers(start, end)) return Error(Errno::NoMem);
  uint8_t most = kAnyAccess;
  bool changes = false;
  uint64_t more_data = 0;
  regions_.for_each(start, end, [&](const Region& region) {
    most &= region.max_protection;
    changes = changes || region.protection != protection;
    Region part = region;
    part.protection = protection;
    if (part.is_data() && !region.is_data())
      more_data += (std::min(end, region.end) - std::max(start, region.start)) / kPageSize;
  });
  if (!changes) return {};
  if (protection & ~most) return Error(Errno::Acces);
  TRY(check_limits(0, more_data));

  Removal removal(*this, start, end);
  TRY(tree_.own(start, end, removal));
  TRY(change_regions(start, end, [&](Region& region) { region.protection = protection; }));
  tree_.protect(start, end, rights_of(protection), removal);
  return {};
}

// --- The heap ---

uintptr_t AddressSpace::set_break(uintptr_t end, uint64_t lock_limit) {
  sync::MutexGuard guard(lock_);
  if (end < heap_.start || end > machine::kUserEnd) return heap_.end;
  const uintptr_t old_top = round_up(heap_.end, kPageSize);
  const uintptr_t new_top = round_up(end, kPageSize);
  if (new_top < old_top) {
    if (!unmap_range(new_top, old_top)) return heap_.end;
  } else if (new_top > old_top) {
    const uint64_t pages = (new_top - old_top) / kPageSize;
    const Region* above = regions_.at_or_after(old_top);
    if (above != nullptr && above->start < new_top + kStackGuard) return heap_.end;
    if (!check_limits(pages, pages)) return heap_.end;
    if (lock_future_ && locked_pages_ + pages > lock_limit / kPageSize) return heap_.end;
    Region region;
    region.start = old_top;
    region.end = new_top;
    region.protection = kRead | kWrite;
    region.flags = kHeap;
    region.locked_by = lock_future_ ? id_ : 0;
    if (!insert_region(region)) return heap_.end;
    if (lock_future_) populate(old_top, new_top);
  }
  heap_.end = end;
  return end;
}

}  // namespace tine::vm
