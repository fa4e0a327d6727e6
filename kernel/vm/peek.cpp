// SPDX-License-Identifier: BSD-2-Clause
// Reaching into an address space from outside, by its frames: ptrace(2), /proc/PID/mem, process_vm_readv(2),
// and exec, which fills a stack that no CPU has loaded yet. A page that the process shares with others is
// copied before it is written, as if the process had written it.
#include <cstring>

#include "vm/address_space.h"
#include "vm/removal.h"
#include "vm/rights.h"

namespace tine::vm {

// --- Reading ---

// Within one page. A page that is not there is read from where it would come from; nothing is mapped for it.
Result<> AddressSpace::read_part(uintptr_t address, std::span<std::byte> into, Reach reach) {
  const Region* region = regions_.find(address);
  if (region == nullptr) return Error(Errno::Fault);
  if (reach == Reach::AsProtected && !allows(region->protection, Access::Read)) return Error(Errno::Fault);
  const uint64_t offset = address % kPageSize;
  const Entry entry = tree_.lookup(address - offset);
  if (entry.bits() != 0) {
    std::memcpy(into.data(), mem::contents_of(mem::frame_of(entry.address())) + offset, into.size());
  } else if (region->anonymous()) {
    std::memset(into.data(), 0, into.size());
  } else {
    Frame* page = TRY(region->object->page(region->page_index(address), Access::Read));
    std::memcpy(into.data(), mem::contents_of(*page) + offset, into.size());
    mem::release(*page);
  }
  return {};
}

Result<size_t> AddressSpace::read_memory(uintptr_t address, std::span<std::byte> into, Reach reach) {
  sync::MutexGuard guard(lock_);
  size_t done = 0;
  while (done < into.size()) {
    const uintptr_t at = address + done;
    const size_t part = std::min(into.size() - done, kPageSize - at % kPageSize);
    if (at < address || !read_part(at, into.subspan(done, part), reach)) break;
    done += part;
  }
  if (done == 0 && !into.empty()) return Error(Errno::Fault);
  return done;
}

// --- Writing ---

// The page of a private region, made this space's alone even where the program may not write it.
Result<Frame*> AddressSpace::private_page(const Region& region, uintptr_t page, Removal& removal) {
  const auto slot = TRY(tree_.slot(page, removal));
  if (slot.get().bits() == 0) {
    Frame* frame = TRY(region.anonymous() ? allocate_user_page(mem::Contents::Zeroed)
                                          : region.object->page(region.page_index(page), Access::Read));
    tree_.put(slot, *frame, rights_of(region.protection));
  }
  Frame& present = mem::frame_of(slot.get().address());
  const bool exclusive = present.use == mem::FrameUse::User && mem::reference_count(present) == 1;
  if (!exclusive) TRY(copy_page(slot, removal));
  return &mem::frame_of(slot.get().address());
}

Result<> AddressSpace::write_part(uintptr_t address, std::span<const std::byte> from, Reach reach) {
  const Region* region = regions_.find(address);
  if (region == nullptr) return Error(Errno::Fault);
  const bool may_write = allows(region->protection, Access::Write);
  if (!may_write && (reach == Reach::AsProtected || region->shared())) return Error(Errno::Fault);
  const uint64_t offset = address % kPageSize;
  const uintptr_t page = address - offset;
  if (region->shared()) {
    Frame* frame = TRY(region->object->page(region->page_index(page), Access::Write));
    std::memcpy(mem::contents_of(*frame) + offset, from.data(), from.size());
    mem::release(*frame);
    return {};
  }
  Removal removal(*this, page, page + kPageSize);
  Frame* frame = TRY(private_page(*region, page, removal));
  std::memcpy(mem::contents_of(*frame) + offset, from.data(), from.size());
  return {};
}

Result<size_t> AddressSpace::write_memory(uintptr_t address, std::span<const std::byte> from, Reach reach) {
  sync::MutexGuard guard(lock_);
  size_t done = 0;
  while (done < from.size()) {
    const uintptr_t at = address + done;
    const size_t part = std::min(from.size() - done, kPageSize - at % kPageSize);
    if (at < address) break;
    if (const auto written = write_part(at, from.subspan(done, part), reach); !written) {
      if (done == 0) return Error(written.error());
      break;
    }
    done += part;
  }
  return done;
}

}  // namespace tine::vm
