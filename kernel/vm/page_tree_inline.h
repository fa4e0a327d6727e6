// SPDX-License-Identifier: BSD-2-Clause
// The page tree's algorithms; the rules that they keep are in page_tree.h, which includes this file at its
// end.
#pragma once

namespace tine::vm {

// --- Sharing ---

// One more reference to what the entry points to, from another table; neither entry can write from here on.
template <PagePolicy Policy>
void PageTree<Policy>::share(Table& from, unsigned i, Entry entry, Table& to) {
  mem::reference(frame_at(entry));
  if (entry.writable() && !entry.shared()) {
    from.clear_bits(i, kWritable);
    entry = entry.without(kWritable);
  }
  to.set(i, entry);
}

// Puts what the top holds into a table, with one below it for each range of 512 GiB.
template <PagePolicy Policy>
Result<> PageTree<Policy>::make_top_table() {
  constexpr unsigned kSlots = machine::kEntriesPerTable;
  std::array<Frame*, Top::kMostRanges> below{};
  std::array<unsigned, Top::kMostRanges> ranges{};
  unsigned count = 0;
  for_each_used(top_, [&](unsigned i, Entry) {
    const auto known = ranges.begin() + count;
    if (std::find(ranges.begin(), known, i / kSlots) == known) ranges[count++] = i / kSlots;
  });
  Frame* top = Policy::allocate_top();
  bool complete = top != nullptr;
  for (unsigned r = 0; r < count && complete; ++r) complete = (below[r] = new_table()) != nullptr;
  if (!complete) {
    for (Frame* table : below)
      if (table != nullptr) Policy::free_table(*table);
    if (top != nullptr) Policy::free_top(*top);
    return Error(Errno::NoMem);
  }
  reset(*top);
  for (unsigned r = 0; r < count; ++r) fill(table_of(*top), ranges[r], Entry::table(Policy::address_of(*below[r])));
  for_each_used(top_, [&](unsigned i, Entry entry) {
    fill(table_at(table_of(*top).get(i / kSlots)), i % kSlots, entry);
  });
  top_.become(table_of(*top));
  return {};
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::fork_into(PageTree& child) {
  DEBUG_ASSERT(child.pages() == 0);
  if (Table* table = top_.whole()) [[unlikely]] {
    TRY(child.make_top_table());
    Table& copy = *child.top_.whole();
    Frame &record = Policy::frame_of(*table), &copy_record = Policy::frame_of(copy);
    for_each_used(*table, [&](unsigned i, Entry entry) { share(*table, i, entry, copy); });
    note_same_slots(copy_record, record);
    copy_record.reserved = record.reserved;
  } else {
    top_.share_with(child.top_, [](Entry entry) { mem::reference(frame_at(entry)); });
  }
  child.add_pages(static_cast<int64_t>(pages()));
  return {};
}

template <PagePolicy Policy>
Frame* PageTree<Policy>::copy_table(Frame& original) {
  Frame* copy = new_table();
  if (copy == nullptr) return nullptr;
  Table& to = table_of(*copy);
  Table& from = table_of(original);
  for_each_used(from, [&](unsigned i, Entry entry) { share(from, i, entry, to); });
  note_same_slots(*copy, original);
  copy->reserved = original.reserved;
  return copy;
}

template <PagePolicy Policy>
void PageTree<Policy>::clear() {
  at_top([&](auto& top, unsigned level) {
    for_each_used(top, [&](unsigned i, Entry entry) {
      empty(top, i);
      Gather::drop_table(frame_at(entry), level - 1);
    });
  });
  if (Table* table = top_.give_back()) Policy::free_top(Policy::frame_of(*table));
}

// --- Becoming private ---

// When a table turns out to be shared no longer, its siblings mostly are not either: a child process has
// gone. Giving W back to all of them now saves a fault for each later.
template <PagePolicy Policy>
template <class Node>
void PageTree<Policy>::reclaim_tables(Node& node) {
  for_each_used(node, [&](unsigned i, Entry entry) {
    if (!entry.writable() && is_private(entry)) node.set_bits(i, kWritable);
  });
}

template <PagePolicy Policy>
void PageTree<Policy>::reclaim_pages(Table& table) {
  for_each_used(table, [&](unsigned i, Entry entry) {
    if (!entry.writable() && entry.may_write() && is_exclusive(frame_at(entry))) table.set_bits(i, kWritable);
  });
}

// The table that a used slot of the top or a private table points to, made private; nullptr: out of memory.
template <PagePolicy Policy>
template <class Node>
Table* PageTree<Policy>::make_private(Node& node, unsigned level, unsigned i, Entry entry, Gather& gather) {
  Frame& child = frame_at(entry);
  if (mem::reference_count(child) == 1) {
    reclaim_tables(node);
    return &table_at(entry);
  }
  Frame* copy = copy_table(child);
  if (copy == nullptr) return nullptr;
  node.set(i, Entry::table(Policy::address_of(*copy)));
  gather.add_table(child, level - 1);
  return &table_of(*copy);
}

// The private table below `node` that spans `address`. Without `create`: nullptr where there is none.
template <PagePolicy Policy>
template <class Node>
Result<Table*> PageTree<Policy>::child_for(Node& node, unsigned level, uintptr_t address, bool create, Gather& gather) {
  const unsigned i = slot_in(node, level, address);
  if (const Entry entry = node.get(i); entry.bits() != 0) [[likely]] {
    Table* child = own_child(node, level, i, entry, gather);
    if (child == nullptr) return Error(Errno::NoMem);
    return child;
  }
  if (!create) return nullptr;
  if constexpr (std::same_as<Node, Top>)
    if (!node.has_room_for(i)) {
      TRY(make_top_table());
      return table_for(address, level - 1, true, gather);
    }
  Frame* made = new_table();
  if (made == nullptr) return Error(Errno::NoMem);
  fill(node, i, Entry::table(Policy::address_of(*made)));
  return &table_of(*made);
}

// The same at `level`, which is below the top.
template <PagePolicy Policy>
Result<Table*> PageTree<Policy>::table_for(uintptr_t address, unsigned level, bool create, Gather& gather) {
  return at_top([&](auto& top, unsigned top_level) -> Result<Table*> {
    Table* table = TRY(child_for(top, top_level, address, create, gather));
    for (unsigned at = top_level - 1; at > level && table != nullptr; --at)
      table = TRY(child_for(*table, at, address, create, gather));
    return table;
  });
}

// --- One page ---

template <PagePolicy Policy>
Entry PageTree<Policy>::lookup(uintptr_t address) const {
  return at_top([&](auto& top, unsigned top_level) {
    Entry entry = top.get(slot_in(top, top_level, address));
    for (unsigned level = top_level; level > 0 && entry.bits() != 0; --level)
      entry = table_at(entry).get(machine::index_at(level - 1, address));
    return entry;
  });
}

template <PagePolicy Policy>
auto PageTree<Policy>::resolve_write(uintptr_t address, Gather& gather) -> WriteResult {
  Table* table = nullptr;
  const bool present = at_top([&](auto& top, unsigned top_level) {
    const unsigned in_top = slot_in(top, top_level, address);
    Entry entry = top.get(in_top);
    if (entry.bits() == 0) return false;
    table = own_child(top, top_level, in_top, entry, gather);
    for (unsigned level = top_level - 1; level > 0 && table != nullptr; --level) {
      const unsigned i = machine::index_at(level, address);
      entry = table->get(i);
      if (entry.bits() == 0) return false;
      table = own_child(*table, level, i, entry, gather);
    }
    return true;
  });
  if (!present) return {WriteFault::Absent, {}};
  if (table == nullptr) [[unlikely]]
    return {WriteFault::NoMemory, {}};
  const Slot slot{table, machine::index_at(0, address)};
  const Entry leaf = slot.get();
  if (leaf.writable()) return {WriteFault::Resolved, slot};
  if (leaf.bits() == 0) return {WriteFault::Absent, {}};
  if (!leaf.may_write()) return {WriteFault::Denied, slot};
  if (!is_exclusive(frame_at(leaf))) return {WriteFault::NeedsCopy, slot};
  reclaim_pages(*table);
  return {WriteFault::Resolved, slot};
}

template <PagePolicy Policy>
auto PageTree<Policy>::slot(uintptr_t address, Gather& gather) -> Result<Slot> {
  return Slot{TRY(table_for(address, 0, true, gather)), machine::index_at(0, address)};
}

template <PagePolicy Policy>
void PageTree<Policy>::put(Slot slot, Frame& page, uint64_t flags) {
  DEBUG_ASSERT(slot.get().bits() == 0);
  fill(*slot.table, slot.index, Entry(Policy::address_of(page) | flags));
  add_pages(1);
}

template <PagePolicy Policy>
void PageTree<Policy>::replace(Slot slot, Frame& page, uint64_t flags, Gather& gather) {
  Frame& old = frame_at(slot.get());
  slot.table->set(slot.index, Entry(kHeld));
  gather.add_page(old);
  gather.finish();
  slot.table->set(slot.index, Entry(Policy::address_of(page) | flags));
}

// --- Ranges ---

template <PagePolicy Policy>
template <class Node, class Visit>
void PageTree<Policy>::visit_in(const Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                                Visit& visit) {
  for_each_used_in(node, level, base, start, end, [&](unsigned, Entry entry, uintptr_t address) {
    if (level == 0) {
      visit(address, entry);
      return;
    }
    visit_in(table_at(entry), level - 1, address, start, end, visit);
    if (level == 1) Policy::pause();
  });
}

template <PagePolicy Policy>
uint64_t PageTree<Policy>::count_pages(const Frame& record, unsigned level) const {
  if (level == 0) return record.reserved;
  uint64_t pages = 0;
  for_each_used(table_of(record), [&](unsigned, Entry entry) { pages += count_pages(frame_at(entry), level - 1); });
  return pages;
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::isolate_edge(uintptr_t address, Gather& gather) {
  // The tables whose span has `address` strictly inside are those above the level that it is aligned to.
  unsigned level = kTop;
  while (level > 0 && !is_aligned(address, machine::span_of(level))) --level;
  const unsigned top_level = top_.whole() != nullptr ? kTop : Top::kLevel;
  if (level < top_level) TRY(table_for(address, level, false, gather));
  return {};
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::isolate(uintptr_t start, uintptr_t end, Gather& gather) {
  TRY(isolate_edge(start, gather));
  return isolate_edge(end, gather);
}

template <PagePolicy Policy>
uint64_t PageTree<Policy>::unmap(uintptr_t start, uintptr_t end, Gather& gather) {
  const uint64_t before = pages();
  if (start < end)
    at_top([&](auto& top, unsigned level) { unmap_in(top, level, 0, start, end, gather); });
  return before - pages();
}

template <PagePolicy Policy>
template <class Node>
void PageTree<Policy>::unmap_in(Node& node, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                                Gather& gather) {
  const uint64_t span = machine::span_of(level);
  for_each_used_in(node, level, base, start, end, [&](unsigned i, Entry entry, uintptr_t address) {
    Frame& child = frame_at(entry);
    if (level == 0) {
      empty(node, i);
      add_pages(-1);
      gather.add_page(child);
      return;
    }
    if (address >= start && address + span <= end) {
      add_pages(-static_cast<int64_t>(count_pages(child, level - 1)));
    } else {
      DEBUG_ASSERT(is_private(entry));
      unmap_in(table_at(entry), level - 1, address, start, end, gather);
      if (level == 1) Policy::pause();
      if (child.reserved != 0) return;
    }
    empty(node, i);
    gather.add_table(child, level - 1);
  });
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::own(uintptr_t start, uintptr_t end, Gather& gather) {
  if (start >= end) return {};
  return at_top([&](auto& top, unsigned level) { return own_in(top, level, 0, start, end, gather); });
}

template <PagePolicy Policy>
template <class Node>
Result<> PageTree<Policy>::own_in(Node& node, unsigned level, uintptr_t base, uintptr_t start,
                                  uintptr_t end, Gather& gather) {
  Result<> result;
  for_each_used_in(node, level, base, start, end, [&](unsigned i, Entry, uintptr_t address) {
    if (!result) return;
    Table* child = own_child(node, level, i, node.get(i), gather);
    if (child == nullptr)
      result = Error(Errno::NoMem);
    else if (level > 1)
      result = own_in(*child, level - 1, address, start, end, gather);
    else
      Policy::pause();
  });
  return result;
}

template <PagePolicy Policy>
Entry PageTree<Policy>::with_rights(Entry entry, uint64_t flags) {
  constexpr uint64_t kRights = Entry::kPresent | Entry::kUser | Entry::kMayWrite | Entry::kNoExec | kHeld;
  const bool writable = (flags & Entry::kMayWrite) != 0 && (entry.shared() || entry.writable());
  return entry.without(kRights | kWritable).with((flags & kRights) | (writable ? kWritable : 0));
}

// Whether a CPU that remembers `before` would allow what `after` does not.
template <PagePolicy Policy>
bool PageTree<Policy>::loses_rights(Entry before, Entry after) {
  return before.present() && (!after.present() || (before.writable() && !after.writable()) ||
                              (before.executable() && !after.executable()));
}

template <PagePolicy Policy>
void PageTree<Policy>::protect(uintptr_t start, uintptr_t end, uint64_t flags, Gather& gather) {
  if (start < end)
    at_top([&](auto& top, unsigned level) { protect_in(top, level, 0, start, end, flags, gather); });
}

template <PagePolicy Policy>
template <class Node>
void PageTree<Policy>::protect_in(Node& node, unsigned level, uintptr_t base, uintptr_t start,
                                  uintptr_t end, uint64_t flags, Gather& gather) {
  for_each_used_in(node, level, base, start, end, [&](unsigned i, Entry entry, uintptr_t address) {
    if (level > 0) {
      DEBUG_ASSERT(is_private(entry));
      protect_in(table_at(entry), level - 1, address, start, end, flags, gather);
      if (level == 1) Policy::pause();
      return;
    }
    const Entry now = with_rights(entry, flags);
    node.set(i, now);
    if (loses_rights(entry, now)) gather.require_flush();
  });
}

// --- Moving ---

// How far there is nothing from `address` on, as the tables above the leaf tables show it.
template <PagePolicy Policy>
uint64_t PageTree<Policy>::gap_at(uintptr_t address) const {
  return at_top([&](auto& top, unsigned level) -> uint64_t {
    Entry entry = top.get(slot_in(top, level, address));
    for (; level > 0 && entry.bits() != 0; --level) entry = table_at(entry).get(machine::index_at(level - 1, address));
    return level == 0 ? 0 : machine::span_of(level) - address % machine::span_of(level);
  });
}

// visit(step) for the steps of a move that have anything to move, until one fails.
template <PagePolicy Policy>
template <class Visit>
Result<> PageTree<Policy>::for_each_step(uintptr_t from, uintptr_t to, uint64_t size, Visit&& visit) {
  constexpr uint64_t kSpan = machine::span_of(1);
  for (const uintptr_t end = from + size; from < end;) {
    uint64_t done = gap_at(from);
    if (done == 0) {
      done = std::min({kSpan - from % kSpan, kSpan - to % kSpan, end - from});
      TRY(visit(Step{from, to, done}));
      Policy::pause();
    }
    from += done;
    to += done;
  }
  return {};
}

// Private tables on both ends of the step.
template <PagePolicy Policy>
Result<> PageTree<Policy>::prepare(const Step& step, Gather& gather) {
  const unsigned level = step.whole() ? 1 : 0;
  TRY(table_for(step.from, level, false, gather));
  TRY(table_for(step.to, level, true, gather));
  return {};
}

template <PagePolicy Policy>
void PageTree<Policy>::commit(const Step& step, Gather& gather) {
  const unsigned level = step.whole() ? 1 : 0;
  Table* source = *table_for(step.from, level, false, gather);
  Table* target = *table_for(step.to, level, false, gather);
  const unsigned from = machine::index_at(level, step.from);
  const unsigned to = machine::index_at(level, step.to);
  const unsigned count = level == 1 ? 1 : static_cast<unsigned>(step.size >> machine::kPageShift);
  for (unsigned i = 0; i < count; ++i) {
    const Entry entry = source->get(from + i);
    if (entry.bits() == 0) continue;
    if (const Entry stale = target->get(to + i);
        stale.bits() != 0) {  // a leaf table that has lost all its pages
      ASSERT(level == 1 && frame_at(stale).reserved == 0);
      empty(*target, to + i);
      gather.add_table(frame_at(stale), 0);
    }
    empty(*source, from + i);
    fill(*target, to + i, entry);
  }
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::move(uintptr_t from, uintptr_t to, uint64_t size, Gather& gather) {
  TRY(isolate(from, from + size, gather));
  TRY(for_each_step(from, to, size, [&](const Step& step) { return prepare(step, gather); }));
  (void)for_each_step(from, to, size, [&](const Step& step) -> Result<> {
    commit(step, gather);
    return {};
  });
  gather.require_flush();
  unmap(from, from + size, gather);  // the tables that are empty now
  return {};
}

// --- Audit ---

template <PagePolicy Policy>
template <class Node>
void PageTree<Policy>::tally_in(const Node& node, unsigned level, PageTally& found) {
  if constexpr (!std::same_as<Node, Top>) ++found.tables;
  for_each_used(node, [&](unsigned, Entry entry) {
    Frame& child = frame_at(entry);
    if (level == 0) {
      if (child.use == mem::FrameUse::User) found.pages += ++child.page.index == 1;
    } else if (++child.page.index == 1) {
      tally_in(table_at(entry), level - 1, found);
    }
  });
}

template <PagePolicy Policy>
template <class Node>
unsigned PageTree<Policy>::verify_in(const Node& node, unsigned level) {
  unsigned broken = 0;
  unsigned used = 0;
  const auto verify_entry = [&](Entry entry) {
    ++used;
    Frame& child = frame_at(entry);
    const bool counted = level > 0 || child.use == mem::FrameUse::User;
    if (entry.writable() && !entry.shared() && (!counted || mem::reference_count(child) != 1)) ++broken;
    if (!counted || child.page.index == 0) return;  // not ours to count, or seen before
    broken += child.page.index != mem::reference_count(child);
    child.page.index = 0;
    if (level > 0) broken += verify_in(table_at(entry), level - 1);
  };
  if constexpr (std::same_as<Node, Top>) {
    for_each_used(node, [&](unsigned, Entry entry) { verify_entry(entry); });
    return broken;
  } else {
    const Frame& record = record_of(node);
    for (unsigned i = 0; i < (level == kTop ? machine::kUserTopEntries : machine::kEntriesPerTable); ++i)
      if (const Entry entry = node.get(i); entry.bits() != 0) {
        broken += !is_noted(record, i);
        verify_entry(entry);
      }
    return broken + (used != record.reserved);
  }
}

}  // namespace tine::vm
