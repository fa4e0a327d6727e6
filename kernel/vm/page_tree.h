// SPDX-License-Identifier: BSD-2-Clause
// PageTree: the hardware's four-level page table, used as a persistent tree so that fork costs the same
// for every size of process (DESIGN R1.1). Fork shares every entry of the top table with the child and
// takes W away from both; the first write through a shared table copies that table, one level at a time.
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
// A Frame record of a table holds: low_used and high_used, between which all used slots lie; reserved,
// the number of used slots. The caller serialises the calls for one tree (the address space's lock).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/assert.h"
#include "base/result.h"
#include "base/units.h"
#include "vm/page_gather.h"

namespace tine::vm {

// Software bit of a leaf entry without any rights: keeps it from being zero.
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

  static Result<PageTree> make() {
    Frame* top = Policy::allocate_top();
    if (top == nullptr) return Error(Errno::NoMem);
    return PageTree(*top);
  }
  PageTree(PageTree&& other) noexcept
      : top_(std::exchange(other.top_, nullptr)), used_(other.used_), pages_(other.pages_.load()) {}
  PageTree& operator=(PageTree&&) = delete;
  // No CPU may run on the tree any more, or hold it in its TLB. Stops at the first table that other trees
  // hold.
  ~PageTree();

  PhysAddr root() const { return Policy::address_of(Policy::frame_of(*top_)); }
  uint64_t pages() const { return pages_.load(std::memory_order_relaxed); }

  // Shares everything in this tree with `child`, which is empty; the cost does not depend on how much that
  // is. The caller flushes this tree's user addresses from the TLBs before the child may run.
  void fork_into(PageTree& child);

  // The leaf entry; zero if there is no page. Its W says nothing about the tables above.
  Entry lookup(uintptr_t address) const;

  WriteResult resolve_write(uintptr_t address, Gather& gather);

  // A private slot for `address`, with the tables to it. Errors: NoMem (tables made by then stay, empty).
  Result<Slot> slot(uintptr_t address, Gather& gather);
  // Fills an empty slot. Takes over the caller's reference on `page`.
  void put(Slot slot, Frame& page, uint64_t flags);
  // The same for a used slot, whose page goes to `gather`.
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
    if (start < end) visit_in(*top_, machine::kTopLevel, 0, start, end, visit);
  }

  // The audit, in two passes over all trees while nothing changes them: tally() counts how often each table
  // and each anonymous page is referred to (in Frame::page.index, which is 0 between audits); verify(),
  // called after tally() of every tree, compares that with the reference counts, checks the rules above,
  // clears the tallies and returns the number of broken rules.
  void tally(PageTally& found) const { tally_in(*top_, machine::kTopLevel, found); }
  unsigned verify() const { return verify_in(*top_, machine::kTopLevel); }

 private:
  static constexpr uint64_t kWritable = Entry::kWritable;
  static constexpr unsigned kTop = machine::kTopLevel;

  explicit PageTree(Frame& top) : top_(&table_of(top)) { reset(top); }

  static Table& table_of(const Frame& record) { return Policy::table_at(Policy::address_of(record)); }
  static Table& table_at(Entry entry) { return Policy::table_at(entry.address()); }
  static Frame& frame_at(Entry entry) { return Policy::frame_at(entry.address()); }
  static bool is_private(Entry entry) { return mem::reference_count(frame_at(entry)) == 1; }
  // Whether nobody but the one leaf entry refers to this page of anonymous memory.
  static bool is_exclusive(const Frame& page) {
    return page.use == mem::FrameUse::User && mem::reference_count(page) == 1;
  }
  static void reset(Frame& record) {
    record.low_used = machine::kEntriesPerTable;
    record.high_used = 0;
    record.reserved = 0;
    record.page = {nullptr, 0};
  }

  // The top table spans a few used slots far apart, which a bitmap finds; the others' used slots lie close
  // together.
  template <class Visit>
  void for_each_used(Table& table, unsigned level, Visit&& visit) const {
    if (level == kTop) {
      for (unsigned word = 0; word < used_.size(); ++word)
        for (uint64_t bits = used_[word]; bits != 0; bits &= bits - 1) {
          const unsigned i = word * 64 + std::countr_zero(bits);
          visit(i, table.get(i));
        }
      return;
    }
    const Frame& record = Policy::frame_of(table);
    for (unsigned i = record.low_used; i < record.high_used; ++i)
      if (const Entry entry = table.get(i); entry.bits() != 0) visit(i, entry);
  }
  void fill(Table& table, unsigned level, unsigned i, Entry entry) {
    table.set(i, entry);
    Frame& record = Policy::frame_of(table);
    if (i < record.low_used) record.low_used = static_cast<uint16_t>(i);
    if (i >= record.high_used) record.high_used = static_cast<uint16_t>(i + 1);
    ++record.reserved;
    if (level == kTop) used_[i / 64] |= uint64_t{1} << (i % 64);
  }
  void empty(Table& table, unsigned level, unsigned i) {
    table.set(i, Entry());
    if (--Policy::frame_of(table).reserved == 0) {
      Policy::frame_of(table).low_used = machine::kEntriesPerTable;
      Policy::frame_of(table).high_used = 0;
    }
    if (level == kTop) used_[i / 64] &= ~(uint64_t{1} << (i % 64));
  }

  static Frame* new_table() {
    Frame* record = Policy::allocate_table();
    if (record != nullptr) reset(*record);
    return record;
  }
  static void share(Table& from, unsigned i, Entry entry, Table& to);
  Frame* copy_table(Frame& original, unsigned level);
  Table* own_child(Table& table, unsigned level, unsigned i, Entry entry, Gather& gather);
  Result<Table*> table_for(uintptr_t address, unsigned level, bool create, Gather& gather);

  void reclaim_tables(Table& table, unsigned level) const;
  void reclaim_pages(Table& table) const;
  static Entry with_rights(Entry entry, uint64_t flags);
  static bool loses_rights(Entry before, Entry after);

  uint64_t count_pages(const Frame& record, unsigned level) const;
  Result<> isolate_edge(uintptr_t address, Gather& gather);
  void unmap_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end, Gather& gather);
  void protect_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                  uint64_t flags, Gather& gather);
  Result<> own_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                  Gather& gather);
  template <class Visit>
  void visit_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                Visit& visit) const;

  // One step of move(): the pages up to the next boundary of a leaf table, or a whole leaf table.
  struct Step {
    uintptr_t from, to;
    uint64_t size;
    bool whole() const { return size == machine::span_of(1); }
  };
  static Step step_at(uintptr_t from, uintptr_t to, uint64_t left);
  Result<> prepare(const Step& step, Gather& gather);
  void commit(const Step& step, Gather& gather);

  void tally_in(Table& table, unsigned level, PageTally& found) const;
  unsigned verify_in(Table& table, unsigned level) const;

  void add_pages(int64_t change) {
    pages_.store(pages() + static_cast<uint64_t>(change), std::memory_order_relaxed);
  }

  Table* top_;
  std::array<uint64_t, machine::kUserTopEntries / 64> used_{};
  std::atomic<uint64_t> pages_{0};
};

}  // namespace tine::vm

#include "vm/page_tree_inline.h"
