// SPDX-License-Identifier: BSD-2-Clause
// AddressSpace: the memory of a process: what is mapped where (the region map) and the pages that are
// there (the page tree). Both are persistent trees, so that fork() shares them by their roots; a fault
// fills or copies one page at a time. Shared by threads and by vfork, rfork and clone with shared memory.
// Lock: lock_, a mutex, around every change of either tree. It is taken in page faults, so nobody may
// touch user memory while holding it, nor hold any lock that is taken under it (memory objects'). Frames
// and tables that were removed are released only after the CPUs that run here have been told
// (vm/page_gather.h).
// The last reference must be dropped where sleeping is allowed.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/audit.h"
#include "base/ref.h"
#include "base/result.h"
#include "base/units.h"
#include "machine/paging.h"
#include "mem/object_cache.h"
#include "sync/mutex.h"
#include "vm/kernel_pages.h"
#include "vm/layout.h"
#include "vm/region.h"
#include "vm/region_tree.h"

namespace tine::vm {

using RegionMap = RegionTree<Region>;
using machine::CpuSet;
using machine::kPageSize;

enum class FaultResult : uint8_t {
  Resolved,
  NoMapping,     // SEGV_MAPERR
  NoPermission,  // SEGV_ACCERR
  BusError,      // beyond the end of the object
  OutOfMemory,
};

enum class Placement : uint8_t {
  Anywhere,        // the address is a hint
  Low,             // below 2 GiB: MAP_32BIT
  Fixed,           // replaces what is there
  FixedNoReplace,  // Exist if something is there
};

struct MapRequest {
  uintptr_t address = 0;
  uint64_t size = 0;  // bytes
  Placement placement = Placement::Anywhere;
  uint8_t protection = kNoAccess;
  uint8_t max_protection = kAnyAccess;
  uint16_t flags = 0;                  // RegionFlags
  Ref<MemoryObject> object;            // null: anonymous
  uint64_t offset = 0;                 // pages
  bool populate = false;               // fault the pages in; what fails then is left to later faults
  bool lock = false;                   // MAP_LOCKED
  uint64_t lock_limit = ~uint64_t{0};  // bytes (RLIMIT_MEMLOCK); Again beyond
};

struct RemapRequest {
  uintptr_t address = 0;
  uint64_t old_size = 0;
  uint64_t new_size = 0;
  bool may_move = false;
  bool fixed = false;     // to new_address, replacing what is there
  bool keep_old = false;  // MREMAP_DONTUNMAP
  uintptr_t new_address = 0;
  uint64_t lock_limit = ~uint64_t{0};
};

// madvise(2)'s numbers; those that are not here are hints that need no action.
enum class Advice : int {
  DontNeed = 4,
  Free = 8,
  Remove = 9,
  DontFork = 10,
  DoFork = 11,
  DontDump = 16,
  DoDump = 17,
  WipeOnFork = 18,
  KeepOnFork = 19,
  PopulateRead = 22,
  PopulateWrite = 23,
};

// minherit(2)'s numbers.
enum class InheritRequest : int { Share = 0, Copy = 1, None = 2, Zero = 3 };

// Resource limits that the space itself looks at, in bytes; process/ keeps them up to date.
struct SpaceLimits {
  uint64_t address_space = ~uint64_t{0};  // RLIMIT_AS
  uint64_t data = ~uint64_t{0};           // RLIMIT_DATA
  uint64_t stack = 8_MiB;                 // RLIMIT_STACK
};

// Whether another process's memory is reached as it could itself, or as a debugger does it: also what is
// protected, writing to private copies.
enum class Reach : uint8_t { AsProtected, Override };

class AddressSpace : public RefCounted<AddressSpace>, public mem::FromCache<AddressSpace> {
 public:
  static std::atomic<uint32_t> max_regions;                 // vm.max_map_count: of each space
  static constexpr uint64_t kStackGuard = 256 * kPageSize;  // kept free below a region that grows down

  // An empty one, with Layout::fixed(). Errors: NoMem.
  static Result<Ref<AddressSpace>> create();
  AddressSpace();  // for create()
  // A child's: O(1), unless regions are marked with an inheritance of their own. Errors: NoMem.
  Result<Ref<AddressSpace>> fork();
  ~AddressSpace();

  // --- The CPUs that run here ---
  // With interrupts off, a CPU: activate()s the next space, if any; loads its top(), or the kernel's; deactivate()s the
  // space before.
  const machine::UserTop& top() const NO_THREAD_SAFETY_ANALYSIS { return tree_.top(); }
  void activate(unsigned cpu);
  void deactivate(unsigned cpu);
  CpuSet active_cpus() const { return active_.load(); }

  // Makes `address` accessible, if the program may. The calling thread may sleep; interrupts are on.
  FaultResult handle_fault(uintptr_t address, Access access);

  // --- System calls ---
  // Addresses and sizes are bytes; ranges are checked here; errors as in the manual pages.
  Result<uintptr_t> map(const MapRequest& request);
  Result<> unmap(uintptr_t start, uint64_t size);
  // shmdt(2): what is left of the mapping of `object` that began at `base`. Inval: there is none.
  Result<> detach(uintptr_t base, const MemoryObject& object);
  Result<> protect(uintptr_t start, uint64_t size, uint8_t protection);
  Result<uintptr_t> remap(const RemapRequest& request);
  // Returns the end of the heap, changed or not: at most `lock_limit` bytes may be locked.
  uintptr_t set_break(uintptr_t end, uint64_t lock_limit);
  Result<> advise(uintptr_t start, uint64_t size, int advice);
  Result<> set_inherit(uintptr_t start, uint64_t size, InheritRequest request);
  // msync(2), where there is no backing store: NoMem for holes.
  Result<> check_mapped(uintptr_t start, uint64_t size);
  // mincore(2): one byte per page, 1 when it is in memory. `into` spans the range. NoMem for holes.
  Result<> list_resident(uintptr_t start, std::span<uint8_t> into);
  // mlock(2) and its kin. Pages never leave memory: locking faults them in and counts them against `limit`
  // bytes.
  enum class LockNow : uint8_t { Populate, OnFault };
  Result<> lock_memory(uintptr_t start, uint64_t size, uint64_t limit, LockNow when);
  Result<> unlock_memory(uintptr_t start, uint64_t size);
  Result<> lock_all(bool present, bool future, uint64_t limit, LockNow when);
  Result<> unlock_all();

  // --- From outside: ptrace, /proc/PID/mem, process_vm_readv; exec, which fills a stack ---
  // To and from kernel buffers. Returns the bytes done: fewer than asked for when the range runs into what
  // cannot be reached. Fault: none at all.
  Result<size_t> read_memory(uintptr_t address, std::span<std::byte> into, Reach reach);
  Result<size_t> write_memory(uintptr_t address, std::span<const std::byte> from, Reach reach);

  // What identifies a word for futexes: memory of an object by its place there, private memory by its
  // address.
  struct Location {
    Ref<MemoryObject> object;  // null: private to this space
    uint64_t position;         // byte in the object, or the address
  };
  Result<Location> locate(uintptr_t address);  // Fault when nothing is mapped

  // --- Layout, limits and counts ---
  Layout layout() const;
  void set_layout(const Layout& layout);  // before anything is mapped
  void set_limits(const SpaceLimits& limits);
  struct Heap {
    uintptr_t start, end;
  };
  Heap heap() const;
  RegionMap regions() const;  // a snapshot, to read without a lock
  uint64_t resident_pages() const { return tree_pages(); }
  uint64_t peak_resident_pages() const;
  uint64_t total_pages() const;
  uint64_t locked_pages() const;
  uint64_t resident_pages(uintptr_t start, uintptr_t end) const;

  // visit(space) for every address space; sleeping is allowed. One that a fork makes meanwhile is visited
  // too, unless its parent was visited before the fork.
  template <class Visit>
  static void for_each(Visit&& visit) {
    for (Ref<AddressSpace> space = next_after(nullptr); space; space = next_after(space.get())) visit(*space);
  }
  // Lets go of the pages [first, last) of an object. See MemoryObject::leave_mappings. `without`: a region map in which the
  // object is known not to be, as the last space had it; forked spaces often have one map.
  void discard_pages_of(MemoryObject& object, uint64_t first, uint64_t last, MemoryObject::Copies copies, RegionMap& without);

  // Checks the rules in all address spaces, and that no frame is lost. Exact when nothing else runs.
  static void audit(AuditReport& report);

 private:
  class Removal;  // a PageGather that knows whom to tell: vm/removal.h

  static Ref<AddressSpace> next_after(AddressSpace* space);  // null: the first
  Result<> inherit_from(AddressSpace& parent) REQUIRES(parent.lock_);
  Result<> apply_inheritance();  // inherit.cpp
  // Not inlined into each other: each has a Removal on the stack, half a KiB.
  [[gnu::noinline]] Result<> inherit(const Region& region) REQUIRES(lock_);
  [[gnu::noinline]] Result<> split_off(const Region& region) REQUIRES(lock_);

  uint64_t tree_pages() const NO_THREAD_SAFETY_ANALYSIS { return tree_.pages(); }  // an atomic
  // Before pages go.
  void note_peak() REQUIRES(lock_) { peak_resident_ = std::max(peak_resident_, tree_.pages()); }
  void flush(uintptr_t start, uintptr_t end) REQUIRES(lock_);

  // fault.cpp
  FaultResult resolve(uintptr_t page, Access access, Removal& removal) REQUIRES(lock_);
  FaultResult resolve_absent(uintptr_t page, Access access, Removal& removal) REQUIRES(lock_);
  FaultResult fill_anonymous(const Region& region, uintptr_t page, Access access, Removal& removal)
      REQUIRES(lock_);
  FaultResult fill_from_object(const Region& region, uintptr_t page, Access access, Removal& removal)
      REQUIRES(lock_);
  void fault_around(const Region& region, uintptr_t page, KernelPageTree::Slot slot) REQUIRES(lock_);
  Result<> copy_page(KernelPageTree::Slot slot, Removal& removal) REQUIRES(lock_);
  const Region* grow_stack(uintptr_t page) REQUIRES(lock_);
  FaultResult populate(uintptr_t start, uintptr_t end) REQUIRES(lock_);
  FaultResult populate(uintptr_t start, uintptr_t end, Access access) REQUIRES(lock_);

  // map.cpp
  Result<uintptr_t> place(const MapRequest& request, uint64_t size) REQUIRES(lock_);
  Result<> check_limits(uint64_t more, uint64_t more_data) const REQUIRES(lock_);
  Result<> check_cuts(uintptr_t start, uintptr_t end) const REQUIRES(lock_);
  template <class Change>
  Result<> change_regions(uintptr_t start, uintptr_t end, Change&& change) REQUIRES(lock_) {
    TRY(check_cuts(start, end));
    return regions_.update(start, end, change);
  }
  Result<> insert_region(const Region& region) REQUIRES(lock_);
  Result<> unmap_range(uintptr_t start, uintptr_t end) REQUIRES(lock_);
  uint64_t locked_in(uintptr_t start, uintptr_t end) const REQUIRES(lock_);

  // remap.cpp
  Result<bool> grow_in_place(const Region& region, uint64_t more, uint64_t lock_limit) REQUIRES(lock_);
  Result<uintptr_t> move_region(const Region& region, const RemapRequest& request) REQUIRES(lock_);

  // advise.cpp, inherit.cpp
  [[gnu::noinline]] Result<> discard(uintptr_t start, uintptr_t end) REQUIRES(lock_);
  [[gnu::noinline]] Result<> share_private(const Region& region) REQUIRES(lock_);

  // peek.cpp
  Result<> read_part(uintptr_t address, std::span<std::byte> into, Reach reach) REQUIRES(lock_);
  Result<> write_part(uintptr_t address, std::span<const std::byte> from, Reach reach) REQUIRES(lock_);
  Result<Frame*> private_page(const Region& region, uintptr_t page, Removal& removal) REQUIRES(lock_);

  mutable sync::Mutex lock_{"address space"};
  KernelPageTree tree_ GUARDED_BY(lock_);
  RegionMap regions_ GUARDED_BY(lock_);
  Layout layout_ GUARDED_BY(lock_) = Layout::fixed();
  SpaceLimits limits_ GUARDED_BY(lock_);
  Heap heap_ GUARDED_BY(lock_) = {};
  uint64_t locked_pages_ GUARDED_BY(lock_) = 0;
  bool lock_future_ GUARDED_BY(lock_) = false;
  uint64_t peak_resident_ GUARDED_BY(lock_) = 0;
  const uint64_t id_;  // never used again; what Region::locked_by refers to
  std::atomic<CpuSet> active_{0};

 public:
  boost::intrusive::list_member_hook<> all_hook;  // every address space, for the audit
};

}  // namespace tine::vm
