// SPDX-License-Identifier: BSD-2-Clause
// Region: a range of addresses that is mapped in one way: the value of the region map (vm/region_tree.h) and
// one line of /proc/PID/maps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ref.h"
#include "machine/paging.h"
#include "vm/memory_object.h"

namespace tine::vm {

// mmap(2)'s PROT_* numbers.
enum Protection : uint8_t { kNoAccess = 0, kRead = 1, kWrite = 2, kExecute = 4, kAnyAccess = 7 };

enum RegionFlags : uint16_t {
  kShared = 1,     // MAP_SHARED: writes go to the object
  kGrowsDown = 2,  // a stack: a fault below it extends it
  kHeap = 4,       // made by brk(2)
  kStack = 8,      // the main thread's; "[stack]" in maps
  kNoReserve = 16,
  kNoDump = 32,  // MADV_DONTDUMP
  kNotInherited = 64,  // a forked child gets nothing, whatever Inherit says: MADV_DONTFORK, minherit(2)
};

// What a forked child gets: minherit(2), MADV_WIPEONFORK. Everything but Copy makes fork look
// at the region; sharing is not among them, because set_inherit makes such a region a shared one at once.
enum class Inherit : uint8_t {
  Copy,   // as it is: a copy of private memory, shared memory shared
  Zero,   // fresh zeros; stays so in the child
  Split,  // a copy of shared memory
};

struct Region {
  uintptr_t start = 0;
  uintptr_t end = 0;
  uint8_t protection = kNoAccess;
  uint8_t max_protection = kAnyAccess;  // what mprotect may give
  uint16_t flags = 0;
  Inherit inherit = Inherit::Copy;
  uint64_t locked_by = 0;    // mlock: the id of the address space for which it counts; not inherited
  Ref<MemoryObject> object;  // null: anonymous private memory
  uint64_t offset = 0;       // of `start` in the object, in pages

  uint64_t pages() const { return (end - start) >> machine::kPageShift; }
  uint64_t page_index(uintptr_t address) const { return offset + ((address - start) >> machine::kPageShift); }
  bool shared() const { return flags & kShared; }
  bool anonymous() const { return object == nullptr; }
  bool contains(uintptr_t address) const { return address >= start && address < end; }
  // What counts against RLIMIT_DATA.
  bool is_data() const { return (protection & kWrite) && !(flags & (kShared | kGrowsDown)); }

  // What the region tree asks for.
  static void pause();   // lets others run: a map may have 65,000 regions
  uint64_t filter_bits() const { return object == nullptr ? 0 : object->filter_bits(); }
  bool special() const { return inherit != Inherit::Copy || flags & kNotInherited; }
  uint64_t data_pages() const { return is_data() ? pages() : 0; }
  // Moves the start up to `address`, as when the part below is cut off.
  void cut_below(uintptr_t address) {
    offset = page_index(address);
    start = address;
  }
  // Whether `next`, which starts where this one ends, can become part of this region.
  bool can_merge(const Region& next) const {
    return end == next.start && protection == next.protection && max_protection == next.max_protection &&
           flags == next.flags && inherit == next.inherit && locked_by == next.locked_by &&
           object == next.object && (object == nullptr || next.offset == page_index(next.start));
  }
};

}  // namespace tine::vm
