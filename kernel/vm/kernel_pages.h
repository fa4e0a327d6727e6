// SPDX-License-Identifier: BSD-2-Clause
// KernelPages: the page tree's view of the real machine, and the pools of zero tables that make copying a
// table cheap. A freed table is zero (vm/page_gather.h), so that it can be used again without being cleared;
// a freed top table keeps the kernel's half. Each CPU has a small pool, reached with interrupts off.
#pragma once

#include "machine/paging.h"
#include "mem/frame.h"
#include "vm/page_tree.h"

namespace tine::vm {

struct KernelPages {
  static Frame& frame_at(PhysAddr address) { return mem::frame_of(address); }
  static Frame& frame_of(Table& table) { return mem::frame_of(machine::virtual_to_physical(&table)); }
  static PhysAddr address_of(const Frame& frame) { return mem::address_of(frame); }
  static Table& table_at(PhysAddr address) { return *machine::physical_to_virtual<Table>(address); }

  static Frame* allocate_table();
  static void free_table(Frame& table);
  static Frame* allocate_top();
  static void free_top(Frame& top);

  static void release_page(Frame& page) { mem::release(page); }
  static void pause();
};

using KernelPageTree = PageTree<KernelPages>;
using KernelPageGather = PageGather<KernelPages>;

// A page of anonymous memory with one reference. Errors: NoMem.
Result<Frame*> allocate_user_page(mem::Contents contents);
// The same with the contents of `original`.
Result<Frame*> copy_for_user(const Frame& original);

// Returns this CPU's pooled tables to the frame allocator; see sched::on_every_cpu.
void drain_table_pool();
// How many tables wait in the pools of all CPUs. Exact when nothing else runs.
uint64_t pooled_tables();

}  // namespace tine::vm
