// SPDX-License-Identifier: BSD-2-Clause
// PageGather: what a change took out of a page tree. A CPU may reach a removed page or table through its
// TLB until it has been told to forget it, so nothing is released before the flush: gather, flush,
// release.
// PagePolicy: what the page tree needs to know about frames; the kernel's is vm/kernel_pages.h, the host
// tests have one with a fake arena.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "machine/paging.h"
#include "mem/frame.h"
#include "vm/used_slots.h"

namespace tine::vm {

using machine::Entry;
using machine::PhysAddr;
using machine::Table;
using mem::Frame;

template <class P>
concept PagePolicy = requires(Frame& frame, Table& table, PhysAddr address) {
  { P::frame_at(address) } -> std::same_as<Frame&>;
  { P::frame_of(table) } -> std::same_as<Frame&>;
  { P::address_of(frame) } -> std::same_as<PhysAddr>;
  { P::table_at(address) } -> std::same_as<Table&>;
  {
    P::allocate_table()
  } -> std::same_as<Frame*>;  // one reference, every slot zero; nullptr when out of memory
  { P::free_table(frame) };   // no reference left, every slot zero again
  { P::allocate_top() } -> std::same_as<Frame*>;  // the kernel's half in place, the user's zero
  { P::free_top(frame) };
  { P::release_page(frame) };  // drops one reference
  { P::pause() };              // between tables of long loops: may let others run
};

template <PagePolicy Policy>
class PageGather {
 public:
  // flush(context) makes every CPU that runs on the tree forget the addresses concerned. It may sleep.
  using Flush = void (*)(void* context);
  PageGather(Flush flush, void* context) : flush_(flush), context_(context) {}
  ~PageGather() { finish(); }
  PageGather(const PageGather&) = delete;
  PageGather& operator=(const PageGather&) = delete;

  // Takes over one reference that the tree held.
  void add_page(Frame& page) { add(reinterpret_cast<uintptr_t>(&page)); }
  void add_table(Frame& table, unsigned level) { add(reinterpret_cast<uintptr_t>(&table) | (level + 1)); }

  // An entry lost a permission: flush even if nothing is to be released.
  void require_flush() { must_flush_ = true; }

  void finish() {
    if (!must_flush_) return;
    must_flush_ = false;
    flush_(context_);
    for (unsigned i = 0; i < count_; ++i) {
      Frame& frame = *reinterpret_cast<Frame*>(removed_[i] & ~kLevelMask);
      const unsigned tag = removed_[i] & kLevelMask;
      if (tag == 0)
        Policy::release_page(frame);
      else
        drop_table(frame, tag - 1);
    }
    count_ = 0;
  }

  // Drops one reference on a table; with the last one its entries go too. A freed table is zero again,
  // because each entry is cleared as it is released: no pool ever has to clear 512 words.
  static void drop_table(Frame& record, unsigned level) {
    if (record.refs.load(std::memory_order_acquire) != 1 &&
        record.refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
      return;
    Table& table = Policy::table_at(Policy::address_of(record));
    for_each_used_slot(record, table, [&](unsigned i, Entry entry) {
      table.set(i, Entry());
      Frame& child = Policy::frame_at(entry.address());
      if (level == 0)
        Policy::release_page(child);
      else
        drop_table(child, level - 1);
    });
    Policy::free_table(record);
    if (level == 0) Policy::pause();
  }

 private:
  static constexpr uintptr_t kLevelMask = 7;
  static_assert(alignof(Frame) > kLevelMask);
  static constexpr unsigned kCapacity = 64;

  void add(uintptr_t tagged) {
    if (count_ == kCapacity) finish();
    removed_[count_++] = tagged;
    must_flush_ = true;
  }

  Flush flush_;
  void* context_;
  bool must_flush_ = false;
  unsigned count_ = 0;
  uintptr_t removed_[kCapacity];
};

}  // namespace tine::vm
