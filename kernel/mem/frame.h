// SPDX-License-Identifier: BSD-2-Clause
// Physical frames. Each 4 KiB frame of RAM has a 32-byte Frame record; a record counts references to its frame.
// Frames come from a buddy allocator (buddy.h) through per-CPU caches. RAM is opened a block at a time when it is first
// needed, so that boot time does not depend on the size of memory.
// The record of a frame means something while the frame is allocated or pinned. Of a block of several frames, only the
// first one's does.
// Lock: frame allocator lock, a leaf lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "machine/paging.h"

namespace tine::mem {

using machine::kPageSize;
using machine::PhysAddr;

enum class FrameUse : uint8_t {
  Unusable,   // no RAM here, or not handed out yet; must be 0
  Free,       // in the allocator
  Kernel,     // kernel memory: object caches, stacks
  Table,      // a node of a page tree
  User,       // a page of anonymous memory
  File,       // a page of a memory object
  Pinned,     // the zero page, initrd contents: references are not counted
};

struct Frame {
  std::atomic<uint32_t> refs;   // number of owners: page-table entries, objects, page-tree roots
  FrameUse use;
  uint8_t order;                // allocator: log2 of the block's size in frames
  uint16_t low_used;            // Table: no used slot below this one ...
  uint16_t high_used;           // ... nor at or above this one (vm/used_slots.h)
  uint16_t reserved;
  union {
    struct { Frame* next; Frame* previous; } free;  // allocator
    struct {
      union {
        void* owner;            // File: memory object; Kernel: cache
        uint64_t groups;        // Table: bit n: slots of group n may be used (vm/used_slots.h)
      };
      uint64_t index;           // File: page number; Table, User: the audit's count
    } page;
  };
};
static_assert(sizeof(Frame) == 32);

namespace detail {
extern Frame* frame_records;  // indexed by frame number
extern Frame* frame_of_zeros;
void end_use(Frame& frame, uint32_t references);  // of which there were so many before the last release
}  // namespace detail

inline Frame& frame_of(PhysAddr address) { return detail::frame_records[address >> machine::kPageShift]; }
inline PhysAddr address_of(const Frame& frame) {
  return static_cast<PhysAddr>(&frame - detail::frame_records) << machine::kPageShift;
}
template <class T = std::byte>
T* contents_of(const Frame& frame) { return machine::physical_to_virtual<T>(address_of(frame)); }

enum class Contents : uint8_t { Undefined, Zeroed };

// One frame with one reference, or NoMem. Any context; does not sleep.
Result<Frame*> allocate_frame(FrameUse use, Contents contents);

// 2^order physically contiguous frames; the first one's record stands for all. Freed by free_block.
Result<Frame*> allocate_block(FrameUse use, unsigned order, Contents contents);
void free_block(Frame& first);        // the caller's must be the only reference

// The same, but never failed by the fault injector: for allocators built on this one, which ask the injector
// themselves. Whether they need a new block depends on what ran before, and counting sites must not.
Result<Frame*> allocate_block_uninjected(FrameUse use, unsigned order, Contents contents);

inline void reference(Frame& frame) {
  if (frame.use != FrameUse::Pinned) frame.refs.fetch_add(1, std::memory_order_relaxed);
}
// Drops one reference; frees the frame with the last one. Table frames are released by the page tree instead.
inline void release(Frame& frame) {
  if (frame.use == FrameUse::Pinned) return;
  const uint32_t references = frame.refs.fetch_sub(1, std::memory_order_acq_rel);
  if (references <= 1) detail::end_use(frame, references);
}
inline uint32_t reference_count(const Frame& frame) { return frame.refs.load(std::memory_order_acquire); }

// A frame of zeros for read faults; Pinned, never written.
inline Frame& zero_frame() { return *detail::frame_of_zeros; }

// Makes the records of an address range outside the allocator (the initrd) usable as Pinned frames.
void pin_range(PhysAddr start, PhysAddr end);

// Returns a Pinned range to the allocator (initrd pages that no file refers to).
void give_range(PhysAddr start, PhysAddr end);

// Boot: takes BootInfo.usable. Fails with NoMem if there is too little to run at all.
Result<> init_frames();

struct FrameCounts {
  uint64_t total;      // usable frames of RAM
  uint64_t free;       // allocator, its per-CPU caches and sections not yet opened
  uint64_t kernel;     // by use, records included
  uint64_t table;
  uint64_t user;
  uint64_t file;
};
FrameCounts count_frames();          // sums per-CPU counters; exact when nothing runs
uint64_t count_free_frames();        // the same number as .free, found by walking the allocator's lists, for the audit
void drain_frame_caches();           // this CPU's cache back to the allocator; see sched::on_every_cpu

}  // namespace tine::mem
