// SPDX-License-Identifier: BSD-2-Clause
// mremap(2). Pages move by their entries; where both places lie alike in their leaf tables, whole tables
// move.
#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/user_ptr.h"

namespace tine::vm {
namespace {

constexpr uint64_t kTableSpan = machine::span_of(1);

}  // namespace

Result<uintptr_t> AddressSpace::remap(const RemapRequest& asked) {
  RemapRequest request = asked;
  if (!is_aligned(request.address, kPageSize) || request.new_size == 0) return Error(Errno::Inval);
  if (request.old_size > machine::kUserEnd || request.new_size > machine::kUserEnd)
    return Error(Errno::NoMem);
  request.old_size = round_up(request.old_size, kPageSize);
  request.new_size = round_up(request.new_size, kPageSize);
  const uintptr_t start = request.address;
  const uint64_t old_size = request.old_size;
  const uint64_t new_size = request.new_size;
  if (!is_user_range(start, old_size)) return Error(Errno::Fault);
  if (request.keep_old && old_size != new_size) return Error(Errno::Inval);
  if (request.fixed) {
    const uintptr_t to = request.new_address;
    if (!is_aligned(to, kPageSize) || to < machine::kUserStart || !is_user_range(to, new_size))
      return Error(Errno::Inval);
    if (to < start + old_size && start < to + new_size) return Error(Errno::Inval);
  }

  sync::MutexGuard guard(lock_);
  const Region* found = regions_.find(start);
  if (found == nullptr || old_size > found->end - start) return Error(Errno::Fault);
  const Region region = *found;
  if (old_size == 0 && !region.shared()) return Error(Errno::Inval);

  if (!request.fixed && !request.keep_old && old_size != 0) {
    if (new_size < old_size) TRY(unmap_range(start + new_size, start + old_size));
    if (new_size <= old_size) return start;
    if (start + old_size == region.end && TRY(grow_in_place(region, new_size - old_size, request.lock_limit)))
      return start;
  }
  if (!request.may_move) return Error(Errno::NoMem);
  return move_region(region, request);
}

// False: something else is in the way.
Result<bool> AddressSpace::grow_in_place(const Region& region, uint64_t more, uint64_t lock_limit) {
  const Region* next = regions_.at_or_after(region.end);
  if (!is_user_range(region.end, more) || (next != nullptr && next->start - region.end < more)) return false;
  Region extension = region;
  extension.start = region.end;
  extension.end = region.end + more;
  extension.offset = region.page_index(region.end);
  const uint64_t pages = extension.pages();
  TRY(check_limits(pages, extension.data_pages()));
  const bool locked = region.locked_by == id_;
  if (locked && locked_pages_ + pages > lock_limit / kPageSize) return Error(Errno::Again);
  TRY(insert_region(extension));
  if (locked) populate(extension.start, extension.end);
  return true;
}

Result<uintptr_t> AddressSpace::move_region(const Region& region, const RemapRequest& request) {
  const uintptr_t from = request.address;
  const uint64_t new_size = request.new_size;
  uint64_t old_size = request.old_size;
  if (new_size < old_size) {  // to a fixed place
    TRY(unmap_range(from + new_size, from + old_size));
    old_size = new_size;
  }
  const bool duplicate = old_size == 0;
  const uint64_t freed = request.keep_old ? 0 : old_size;
  Region moved = region;
  moved.cut_below(from);
  const uint64_t more = (new_size - freed) / kPageSize;
  TRY(check_limits(more, region.is_data() ? more : 0));
  const bool locked = region.locked_by == id_;
  if (locked && locked_pages_ + more > request.lock_limit / kPageSize) return Error(Errno::Again);

  uintptr_t to = request.new_address;
  if (request.fixed) {
    TRY(unmap_range(to, to + new_size));
  } else {
    const uint64_t slack = old_size >= kTableSpan ? kTableSpan : 0;  // room to lie alike in the leaf tables
    const auto gap = regions_.highest_gap(machine::kUserStart, layout_.mapping_top, new_size + slack);
    if (!gap) return Error(Errno::NoMem);
    to = slack == 0 ? *gap : *gap + (from - *gap) % kTableSpan;
  }
  moved.start = to;
  moved.end = to + new_size;

  RegionMap regions = regions_;
  if (freed != 0) TRY(regions.erase(from, from + old_size));
  TRY(regions.insert(moved));
  Removal removal(*this, from, from + old_size);
  if (!duplicate) TRY(tree_.move(from, to, old_size, removal));
  regions_ = std::move(regions);
  removal.finish();
  if (locked) {
    locked_pages_ += more;
    populate(moved.start, moved.end);
  }
  return to;
}

}  // namespace tine::vm
