// SPDX-License-Identifier: BSD-2-Clause
#include "vm/memory_object.h"

#include "sched/scheduler.h"
#include "vm/address_space.h"

namespace tine::vm {

std::string_view MemoryObject::path(std::span<char>) const { return {}; }

void MemoryObject::leave_mappings(uint64_t first, uint64_t last, Copies copies) {
  if (!ever_mapped_.load(std::memory_order_relaxed)) return;
  RegionMap without;
  AddressSpace::for_each([&](AddressSpace& space) {
    space.discard_pages_of(*this, first, last, copies, without);
    sched::maybe_yield();
  });
}

Result<mem::Frame*> AnonymousObject::page(uint64_t index, Access) {
  if (index >= pages_) return Error(Errno::Fault);
  sync::MutexGuard guard(lock_);
  mem::Frame* page = TRY(store_.get_writable(index));
  mem::reference(*page);
  return page;
}

void AnonymousObject::resident_pages(uint64_t first, std::span<mem::Frame*> into) {
  sync::MutexGuard guard(lock_);
  store_.get_range(first, into);
}

uint64_t AnonymousObject::next_resident(uint64_t index) const {
  sync::MutexGuard guard(lock_);
  return store_.next_present(index);
}

std::string_view AnonymousObject::path(std::span<char>) const { return "/dev/zero (deleted)"; }

uint64_t AnonymousObject::resident() const {
  sync::MutexGuard guard(lock_);
  return store_.count();
}

Result<> AnonymousObject::adopt(uint64_t index, mem::Frame& page) {
  sync::MutexGuard guard(lock_);
  return store_.put(index, page);
}

}  // namespace tine::vm
