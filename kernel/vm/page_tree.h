// SPDX-License-Identifier: BSD-2-Clause
// PageTree: the hardware's four-level page table, used as a persistent tree so that fork costs the same
// for every size of process (DESIGN R1.1). Fork shares every entry of the top level with the child and
// takes W away from both; the first write through a shared table copies that table, one level at a time.
// The top itself is no table but a machine::UserTop, whose entries span 1 GiB; a large tree has a top table.
//
// The rules, all checked by verify() or by the unit test:
//  - A table's reference count is the number of entries that point to it; a page's, the same plus other
//    owners.
//  - An entry that points to a table with more than one reference has no W. So W all the way down means:
//    private.
//  - A leaf entry without kShared has W only while its page has one reference.
//  - A table that is reachable from two trees never changes, but for W bits being cleared. Two trees may
//    copy it at the same time under different locks: each references the children and clears W in the
//    original before it drops its own reference on it, and who drops the last one frees it.
//  - A page may be kept though no access is allowed (PROT_NONE): its entry then is not present, but not
//    zero.
//
// A Frame record of a table holds: which slots may be used (used_slots.h); reserved, the number of used
// slots. The caller serialises the calls for one tree (the address space's lock).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "base/result.h"
#include "base/units.h"
#include "machine/user_top.h"
#include "vm/page_gather.h"
#include "vm/used_slots.h"

namespace tine::vm {

// Software bit of a leaf entry without any rights, or without a page while that is replaced: keeps it from being zero.
inline constexpr uint64_t kHeld = uint64_t{1} << 11;

// What a write fault found.
enum class WriteFault : uint8_t {
  Resolved,   // the address can be written now
  NeedsCopy,  // a private page that others share: replace() it by a copy
  Denied,     // there is a page, but its entry does not allow writing
  Absent,     // no page
  NoMemory,
};

// What tally() found, each counted once: tables (top ones included) and pages of anonymous memory.
struct PageTally {
  uint64_t tables = 0;
  uint64_t pages = 0;
};

template <PagePolicy Policy>
class PageTree {
 public:
  using Gather = PageGather<Policy>;
  using Top = machine::UserTop;

  // A place for a page, in a leaf table that only this tree holds. Good until the next call that changes the
  // tree.
  struct Slot {
    Table* table = nullptr;
    unsigned index = 0;
    Entry get() const { return table->get(index); }
  };
  struct WriteResult {
    WriteFault kind;
    Slot slot;  // of NeedsCopy and Denied
  };

  PageTree() = default;
  PageTree(const PageTree&) = delete;
  PageTree& operator=(const PageTree&) = delete;
  ~PageTree() { clear(); }

  // Drops everything. No CPU may run on the tree any more, or hold it in its TLB. Stops at tables that other
  // trees hold.
  void clear();

  const Top& top() const { return top_; }
  uint64_t pages() const { return pages_.load(std::memory_order_relaxed); }

  // Shares everything in this tree with `child`, which is empty; the cost does not depend on how much that
  // is. The caller flushes this tree's user addresses from the TLBs before the child may run. Errors: NoMem, only
  // when the top level is a table.
  Result<> fork_into(PageTree& child);

  // The leaf entry; zero if there is no page. Its W says nothing about the tables above.
  Entry lookup(uintptr_t address) const;

  WriteResult resolve_write(uintptr_t address, Gather& gather);

  // A private slot for `address`, with the tables to it. Errors: NoMem (tables made by then stay, empty).
  Result<Slot> slot(uintptr_t address, Gather& gather);
  // Fills an empty slot. Takes over the caller's reference on `page`.
  void put(Slot slot, Frame& page, uint64_t flags);
  // The same for a used slot, whose page goes. Nobody can reach the new page until every CPU has forgotten the old one,
  // or one could still read the old after another has written the new. Who faults meanwhile waits for the caller's lock.
  void replace(Slot slot, Frame& page, uint64_t flags, Gather& gather);

  // Makes every table that [start, end) covers only in part private, after which unmap() cannot fail. Errors:
  // NoMem.
  Result<> isolate(uintptr_t start, uintptr_t end, Gather& gather);
  // Removes all pages of an isolated range; a subtree as a whole where the range covers it. Returns how many
  // there were.
  uint64_t unmap(uintptr_t start, uintptr_t end, Gather& gather);

  // Makes every table of [start, end) private, after which protect() cannot fail. Errors: NoMem.
  Result<> own(uintptr_t start, uintptr_t end, Gather& gather);
  // Gives each page of an owned range the rights in `flags` (kPresent, kUser, kMayWrite, kNoExec, kHeld). W
  // follows from kMayWrite: at once for shared pages and for those that had it, for others at the next write.
  void protect(uintptr_t start, uintptr_t end, uint64_t flags, Gather& gather);

  // Moves the pages of [from, from + size) to `to`, where there are none. Errors: NoMem, and nothing has
  // moved.
  Result<> move(uintptr_t from, uintptr_t to, uint64_t size, Gather& gather);

  // visit(address, entry) for each page of [start, end).
  template <class Visit>
  void for_each(uintptr_t start, uintptr_t end, Visit&& visit) const {
    if (start < end)
      at_top([&](auto& top, unsigned level) { visit_in(top, level, 0, start, end, visit); });
  }

  // The audit, in two passes over all trees while nothing changes them: tally() counts how often each table
  // and each anonymous page is referred to (in Frame::page.index, which is 0 between audits); verify(),
  // called after tally() of every tree, compares that with the reference counts, checks the rules above,
  // clears the tallies and returns the number of broken rules.
  void tally(PageTally& found) const {
    at_top([&](auto& top, unsigned level) { tally_in(top, level, found); });
  }
  unsigned verify() const {
    return at_top([&](auto& top, unsigned level) { return verify_in(top, level); });
  }

 private:
  static constexpr uint64_t kWritable = Entry::kWritable;
  static constexpr unsigned kTop = machine::kTopLevel;

  static Table& table_of(const Frame& record) { return Policy::table_at(Policy::address_of(record)); }
  static Table& table_at(Entry entry) { return Policy::table_at(entry.address()); }
  static Frame& frame_at(Entry entry) { return Policy::frame_at(entry.address()); }
  static bool is_private(Entry entry) { return mem::reference_count(frame_at(entry)) == 1; }
  // Whether nobody but the one leaf entry refers to this page of anonymous memory.
  static bool is_exclusive(const Frame& page) {
    return page.use == mem::FrameUse::User && mem::reference_count(page) == 1;
  }
  static void reset(Frame& record) {
    record.page = {};
    note_no_slot(record);
    record.reserved = 0;
  }

  // function(node, level) with the top, of whichever kind it is. What is the same for the top and for tables takes either
  // as `Node`.
  auto at_top(auto&& function) const {
    if (Table* table = top_.whole()) [[unlikely]] return function(std::as_const(*table), kTop);
    return function(top_, Top::kLevel);
  }
  auto at_top(auto&& function) {
    if (Table* table = top_.whole()) [[unlikely]] return function(*table, kTop);
    return function(top_, Top::kLevel);
  }

  static unsigned slot_in(const Top&, unsigned, uintptr_t address) { return Top::slot_of(address); }
  static unsigned slot_in(const Table&, unsigned level, uintptr_t address) { return machine::index_at(level, address); }

  static void for_each_used(const Top& top, auto&& visit) { top.for_each(visit); }
  static void for_each_used(const Table& table, auto&& visit) { for_each_used_slot(record_of(table), table, visit); }
  // The same for those whose span, with slot 0 at address `base`, meets [start, end), which the node spans in part
  // or whole: visit(slot, entry, address).
  static void for_each_used_in(const Top& top, unsigned level, uintptr_t, uintptr_t start, uintptr_t end, auto&& visit) {
    const unsigned first = Top::slot_of(start), last = Top::slot_of(end - 1);
    top.for_each([&](unsigned i, Entry entry) {
      if (i >= first && i <= last) visit(i, entry, i * machine::span_of(level));
    });
  }
  static void for_each_used_in(const Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                               auto&& visit) {
    const unsigned shift = machine::kPageShift + level * machine::kTableShift;
    const uintptr_t first = start > base ? (start - base) >> shift : 0;
    const uintptr_t last = (end - 1 - base) >> shift;
    if (first >= machine::kEntriesPerTable) return;
    const auto after = static_cast<unsigned>(std::min<uintptr_t>(machine::kEntriesPerTable, last + 1));
    for_each_noted_slot(record_of(table), static_cast<unsigned>(first), after, [&](unsigned i) {
      if (const Entry entry = table.get(i); entry.bits() != 0) visit(i, entry, base + (uintptr_t{i} << shift));
    });
  }
  static Frame& record_of(const Table& table) { return Policy::frame_of(const_cast<Table&>(table)); }

  static void fill(Top& top, unsigned i, Entry entry) { top.set(i, entry); }
  static void fill(Table& table, unsigned i, Entry entry) {
    table.set(i, entry);
    Frame& record = Policy::frame_of(table);
    note_used_slot(record, i);
    ++record.reserved;
  }
  static void empty(Top& top, unsigned i) { top.set(i, Entry()); }
  static void empty(Table& table, unsigned i) {
    table.set(i, Entry());
    if (Frame& record = Policy::frame_of(table); --record.reserved == 0) note_no_slot(record);
  }

  static Frame* new_table() {
    Frame* record = Policy::allocate_table();
    if (record != nullptr) reset(*record);
    return record;
  }
  static void share(Table& from, unsigned i, Entry entry, Table& to);
  static Frame* copy_table(Frame& original);
  Result<> make_top_table();
  template <class Node>
  [[gnu::always_inline]] Table* own_child(Node& node, unsigned level, unsigned i, Entry entry, Gather& gather) {
    return entry.writable() ? &table_at(entry) : make_private(node, level, i, entry, gather);
  }
  template <class Node>
  Table* make_private(Node& node, unsigned level, unsigned i, Entry entry, Gather& gather);
  template <class Node>
  [[gnu::always_inline]] Result<Table*> child_for(Node& node, unsigned level, uintptr_t address, bool create, Gather& gather);
  Result<Table*> table_for(uintptr_t address, unsigned level, bool create, Gather& gather);

  template <class Node>
  static void reclaim_tables(Node& node);
  static void reclaim_pages(Table& table);
  static Entry with_rights(Entry entry, uint64_t flags);
  static bool loses_rights(Entry before, Entry after);

  uint64_t count_pages(const Frame& record, unsigned level) const;
  Result<> isolate_edge(uintptr_t address, Gather& gather);
  template <class Node>
  void unmap_in(Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end, Gather& gather);
  template <class Node>
  void protect_in(Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                  uint64_t flags, Gather& gather);
  template <class Node>
  Result<> own_in(Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                  Gather& gather);
  template <class Node, class Visit>
  static void visit_in(const Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end, Visit& visit);

  // One step of move(): the pages up to the next boundary of a leaf table, or a whole leaf table.
  struct Step {
    uintptr_t from, to;
    uint64_t size;
    bool whole() const { return size == machine::span_of(1); }
  };
  uint64_t gap_at(uintptr_t address) const;
  template <class Visit>
  Result<> for_each_step(uintptr_t from, uintptr_t to, uint64_t size, Visit&& visit);
  Result<> prepare(const Step& step, Gather& gather);
  void commit(const Step& step, Gather& gather);

  template <class Node>
  static void tally_in(const Node& node, unsigned level, PageTally& found);
  template <class Node>
  static unsigned verify_in(const Node& node, unsigned level);

  void add_pages(int64_t change) {
    pages_.store(pages() + static_cast<uint64_t>(change), std::memory_order_relaxed);
  }

  Top top_;
  std::atomic<uint64_t> pages_{0};
};

}  // namespace tine::vm

#include "vm/page_tree_inline.h"
