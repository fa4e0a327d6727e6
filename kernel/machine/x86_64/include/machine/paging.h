// SPDX-License-Identifier: BSD-2-Clause
// Page-table entries and the TLB. The entry type is plain bits and compiles on the host, where the page tree is
// tested. Source: Intel SDM vol. 3, chapter 4.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tine::machine {

using PhysAddr = uint64_t;

inline constexpr unsigned kPageShift = 12;
inline constexpr size_t kPageSize = size_t{1} << kPageShift;
inline constexpr unsigned kTableShift = 9;
inline constexpr unsigned kEntriesPerTable = 1u << kTableShift;
inline constexpr unsigned kTopLevel = 3;                                        // levels 3 (top) to 0 (leaf)
inline constexpr unsigned kUserTopEntries = kEntriesPerTable / 2;
inline constexpr uintptr_t kUserEnd = (uintptr_t{1} << 47) - kPageSize;          // exclusive end of user addresses
inline constexpr PhysAddr kMemoryEnd = PhysAddr{1} << 40;                        // no frame that is used lies behind it
inline constexpr uintptr_t kUserStart = 0x10000;                                 // lowest mappable (mmap_min_addr)

// Bytes that one entry of a table at `level` spans.
constexpr uint64_t span_of(unsigned level) { return uint64_t{1} << (kPageShift + kTableShift * level); }
constexpr unsigned index_at(unsigned level, uintptr_t address) {
  return (address >> (kPageShift + kTableShift * level)) & (kEntriesPerTable - 1);
}

// One entry of a page table at any level. A value; the table holds atomics of its bits.
class Entry {
 public:
  static constexpr uint64_t kPresent = 1u << 0, kWritable = 1u << 1, kUser = 1u << 2, kAccessed = 1u << 5,
                            kDirty = 1u << 6, kLarge = 1u << 7, kGlobal = 1u << 8,
                            kShared = 1u << 9,      // software: MAP_SHARED, keeps W when its table is copied
                            kMayWrite = 1u << 10,   // software: the region allows writing; W may be off for copy on write
                            kNoExec = uint64_t{1} << 63;
  static constexpr uint64_t kFrameMask = 0x000f'ffff'ffff'f000;

  constexpr Entry() = default;
  constexpr explicit Entry(uint64_t bits) : bits_(bits) {}
  // An entry that points to a table: all permissions, the leaf decides.
  static constexpr Entry table(PhysAddr table) { return Entry(table | kPresent | kWritable | kUser); }
  static constexpr Entry leaf(PhysAddr frame, uint64_t flags) { return Entry(frame | kPresent | kUser | flags); }

  constexpr uint64_t bits() const { return bits_; }
  constexpr bool present() const { return bits_ & kPresent; }
  constexpr bool writable() const { return bits_ & kWritable; }
  constexpr bool may_write() const { return bits_ & kMayWrite; }
  constexpr bool shared() const { return bits_ & kShared; }
  constexpr bool accessed() const { return bits_ & kAccessed; }
  constexpr bool dirty() const { return bits_ & kDirty; }
  constexpr bool executable() const { return !(bits_ & kNoExec); }
  constexpr PhysAddr address() const { return bits_ & kFrameMask; }
  constexpr Entry with(uint64_t flags) const { return Entry(bits_ | flags); }
  constexpr Entry without(uint64_t flags) const { return Entry(bits_ & ~flags); }
  constexpr bool operator==(const Entry&) const = default;

 private:
  uint64_t bits_ = 0;
};

// A page table: the hardware's. The CPU sets accessed and dirty bits behind the kernel's back, hence atomics.
struct alignas(kPageSize) Table {
  std::atomic<uint64_t> slots[kEntriesPerTable];
  Entry get(unsigned i) const { return Entry(slots[i].load(std::memory_order_relaxed)); }
  void set(unsigned i, Entry entry) { slots[i].store(entry.bits(), std::memory_order_release); }
  void clear_bits(unsigned i, uint64_t bits) { slots[i].fetch_and(~bits, std::memory_order_acq_rel); }
  void set_bits(unsigned i, uint64_t bits) { slots[i].fetch_or(bits, std::memory_order_acq_rel); }
};
static_assert(sizeof(Table) == kPageSize);

// Everything below exists only in the kernel.

// All physical memory is mapped, writable and never executable, from this address on. Chosen at boot, never changed.
extern uintptr_t physical_map_start;
template <class T = std::byte>
T* physical_to_virtual(PhysAddr address) { return reinterpret_cast<T*>(physical_map_start + address); }
inline PhysAddr virtual_to_physical(const void* in_physical_map) {
  return reinterpret_cast<uintptr_t>(in_physical_map) - physical_map_start;
}

// Fills the kernel's half of a new top table. Those entries never change afterwards.
void init_kernel_half(Table& top);

// This CPU's address space: the user half `top`, or none (null). Both drop the CPU's user TLB entries and are called with
// interrupts off. Whoever loads a top sees to it that another is loaded before it ends.
class UserTop;
void load_user_top(const UserTop* top);
const UserTop* loaded_user_top();
// What has changed in the loaded top since this CPU copied it. A CPU that lacks an entry, or the right to write through
// one, faults; so this follows each fault on user memory that has been resolved.
void take_over_user_top();

void flush_local_tlb();                   // this CPU, user entries; takes over the loaded top first
void flush_local_tlb_page(uintptr_t address);

// A set of CPUs, by id.
using CpuSet = uint32_t;

// Makes the CPUs in `cpus` (this one included if named) drop their TLB entries for [start, end), or everything of the
// user half when the range is large; waits until they have. Interrupts must be on, no spinlock held, unless `cpus`
// names at most this CPU.
void shoot_down_tlb(CpuSet cpus, uintptr_t start, uintptr_t end);

// Kernel mappings outside the physical map: kernel stacks with guard pages. Page granular, never executable.
// `allocate_table` gives zeroed page-table memory or 0. False: out of memory. Caller serialises.
using AllocateTable = PhysAddr (*)();
extern uintptr_t kernel_virtual_start;                           // chosen at boot, never changed
inline constexpr size_t kKernelVirtualSize = size_t{8} << 30;    // lies below one entry of the top table
bool map_kernel_page(uintptr_t address, PhysAddr frame, AllocateTable allocate_table);
PhysAddr unmap_kernel_page(uintptr_t address);  // returns the frame that was mapped; flushes this CPU only

}  // namespace tine::machine
