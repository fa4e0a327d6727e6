// SPDX-License-Identifier: BSD-2-Clause
// What a forked child gets of a region: minherit(2), MADV_DONTFORK, MADV_WIPEONFORK. Sharing is done when it
// is asked for, by turning private memory into an object; so fork looks only at regions that the child is to
// get less of.
#include <cstring>

#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/rights.h"

namespace tine::vm {
namespace {

// visit(address, frame) for each page of the region that its object has in memory, until one fails.
template <class Visit>
Result<> for_each_resident(const Region& region, Visit&& visit) {
  MemoryObject& object = *region.object;
  const uint64_t end = region.offset + region.pages();
  for (uint64_t index = region.offset; (index = object.next_resident(index)) < end; ++index) {
    Frame* frame = object.resident_page(index);
    if (frame == nullptr) continue;  // gone since
    Result<> result = visit(region.start + (index - region.offset) * kPageSize, *frame);
    mem::release(*frame);
    TRY(std::move(result));
    KernelPages::pause();
  }
  return {};
}

}  // namespace

// --- When it is asked for ---

Result<> AddressSpace::set_inherit(uintptr_t start, uint64_t size, InheritRequest request) {
  if (start >= machine::kUserEnd || size > machine::kUserEnd - start) return Error(Errno::Inval);
  const uintptr_t first = round_down(start, kPageSize);
  const uintptr_t last = round_up(start + size, kPageSize);
  if (first == last) return {};
  sync::MutexGuard guard(lock_);
  TRY(check_cuts(first, last));
  Result<> result;
  if (request == InheritRequest::Share) {
    const RegionMap before = regions_;
    before.for_each(first, last, [&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
      if (!result || region.shared()) return;
      Region part = region;
      if (part.start < first) part.cut_below(first);
      part.end = std::min(part.end, last);
      result = share_private(part);
    });
    TRY(std::move(result));
  }
  return regions_.update(first, last, [&](Region& region) {
    region.flags &= static_cast<uint16_t>(~kNotInherited);
    switch (request) {
      case InheritRequest::Share:
        region.inherit = Inherit::Copy;
        break;
      case InheritRequest::Copy:
        region.inherit = region.shared() ? Inherit::Split : Inherit::Copy;
        break;
      case InheritRequest::None:
        region.inherit = Inherit::Copy;
        region.flags |= kNotInherited;
        break;
      case InheritRequest::Zero:
        region.inherit = Inherit::Zero;
        break;
    }
  });
}

// Turns private memory into memory that a child will share: an object with the contents as they are now.
Result<> AddressSpace::share_private(const Region& region) {
  auto object = TRY(mem::make_ref<AnonymousObject>(region.pages()));
  const auto adopt_copy = [&](uintptr_t page, const Frame& original) -> Result<> {
    Frame* copy = TRY(mem::allocate_frame(mem::FrameUse::File, mem::Contents::Undefined));
    std::memcpy(mem::contents_of(*copy), mem::contents_of(original), kPageSize);
    return object->adopt((page - region.start) / kPageSize, *copy);
  };
  Result<> result;
  tree_.for_each(region.start, region.end, [&](uintptr_t page, Entry entry) {
    if (!result) return;
    result = adopt_copy(page, mem::frame_of(entry.address()));
    KernelPages::pause();
  });
  TRY(std::move(result));
  if (!region.anonymous())
    TRY(for_each_resident(region, [&](uintptr_t page, const Frame& original) NO_THREAD_SAFETY_ANALYSIS -> Result<> {
      if (tree_.lookup(page).bits() != 0) return {};
      return adopt_copy(page, original);
    }));

  Removal removal(*this, region.start, region.end);
  TRY(tree_.isolate(region.start, region.end, removal));
  Region shared = region;
  shared.flags |= kShared;
  shared.object = std::move(object);
  shared.offset = 0;
  TRY(regions_.insert(std::move(shared)));
  note_peak();
  tree_.unmap(region.start, region.end, removal);
  return {};
}

// --- In the child ---

// Regions that minherit(2) or madvise(2) have marked.
Result<> AddressSpace::apply_inheritance() {
  sync::MutexGuard guard(lock_);
  const RegionMap before = regions_;
  Result<> result;
  before.for_each_special([&](const Region& region) NO_THREAD_SAFETY_ANALYSIS {
    if (result) result = inherit(region);
  });
  return result;
}

Result<> AddressSpace::inherit(const Region& region) {
  if (region.flags & kNotInherited) return unmap_range(region.start, region.end);
  switch (region.inherit) {
    case Inherit::Copy:
      return {};
    case Inherit::Split:
      return split_off(region);
    case Inherit::Zero:
      break;
  }
  TRY(discard(region.start, region.end));
  if (region.anonymous()) return {};
  Region fresh = region;
  fresh.object = nullptr;
  fresh.flags &= static_cast<uint16_t>(~kShared);
  return regions_.insert(std::move(fresh));
}

// A region that the child gets a copy of, though it is shared memory: private pages with the object's
// contents as they are now.
Result<> AddressSpace::split_off(const Region& region) {
  Removal removal(*this, region.start, region.end);
  TRY(tree_.isolate(region.start, region.end, removal));
  Region own = region;
  own.object = nullptr;
  own.flags &= static_cast<uint16_t>(~kShared);
  own.inherit = Inherit::Copy;
  TRY(regions_.insert(own));
  tree_.unmap(region.start, region.end, removal);
  return for_each_resident(region, [&](uintptr_t page, const Frame& original) NO_THREAD_SAFETY_ANALYSIS -> Result<> {
    const auto slot = TRY(tree_.slot(page, removal));
    tree_.put(slot, *TRY(copy_for_user(original)), writable_rights_of(own.protection));
    return {};
  });
}

}  // namespace tine::vm
