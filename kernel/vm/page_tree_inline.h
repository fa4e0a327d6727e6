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

template <PagePolicy Policy>
void PageTree<Policy>::fork_into(PageTree& child) {
  DEBUG_ASSERT(child.pages() == 0);
  for_each_used(*top_, kTop, [&](unsigned i, Entry entry) { share(*top_, i, entry, *child.top_); });
  Policy::frame_of(*child.top_).reserved = Policy::frame_of(*top_).reserved;
  child.used_ = used_;
  child.add_pages(static_cast<int64_t>(pages()));
}

template <PagePolicy Policy>
Frame* PageTree<Policy>::copy_table(Frame& original, unsigned level) {
  Frame* copy = new_table();
  if (copy == nullptr) return nullptr;
  Table& to = table_of(*copy);
  Table& from = table_of(original);
  for_each_used(from, level, [&](unsigned i, Entry entry) { share(from, i, entry, to); });
  copy->low_used = original.low_used;
  copy->high_used = original.high_used;
  copy->reserved = original.reserved;
  return copy;
}

template <PagePolicy Policy>
PageTree<Policy>::~PageTree() {
  if (top_ == nullptr) return;
  for_each_used(*top_, kTop, [&](unsigned i, Entry entry) {
    top_->set(i, Entry());
    Gather::drop_table(frame_at(entry), kTop - 1);
  });
  Policy::free_top(Policy::frame_of(*top_));
}

// --- Becoming private ---

// When a table turns out to be shared no longer, its siblings mostly are not either: a child process has
// gone. Giving W back to all of them now saves a fault for each later.
template <PagePolicy Policy>
void PageTree<Policy>::reclaim_tables(Table& table, unsigned level) const {
  for_each_used(table, level, [&](unsigned i, Entry entry) {
    if (!entry.writable() && is_private(entry)) table.set_bits(i, kWritable);
  });
}

template <PagePolicy Policy>
void PageTree<Policy>::reclaim_pages(Table& table) const {
  for_each_used(table, 0, [&](unsigned i, Entry entry) {
    if (!entry.writable() && entry.may_write() && is_exclusive(frame_at(entry))) table.set_bits(i, kWritable);
  });
}

// The table that a used slot of a private table points to, made private; nullptr: out of memory.
template <PagePolicy Policy>
Table* PageTree<Policy>::own_child(Table& table, unsigned level, unsigned i, Entry entry, Gather& gather) {
  if (entry.writable()) [[likely]]
    return &table_at(entry);
  Frame& child = frame_at(entry);
  if (mem::reference_count(child) == 1) {
    reclaim_tables(table, level);
    return &table_at(entry);
  }
  Frame* copy = copy_table(child, level - 1);
  if (copy == nullptr) return nullptr;
  table.set(i, Entry::table(Policy::address_of(*copy)));
  gather.add_table(child, level - 1);
  return &table_of(*copy);
}

// The private table at `level` that spans `address`. Without `create`: nullptr where there is none.
template <PagePolicy Policy>
Result<Table*> PageTree<Policy>::table_for(uintptr_t address, unsigned level, bool create, Gather& gather) {
  Table* table = top_;
  for (unsigned at = kTop; at > level; --at) {
    const unsigned i = machine::index_at(at, address);
    const Entry entry = table->get(i);
    if (entry.bits() != 0) [[likely]] {
      table = own_child(*table, at, i, entry, gather);
      if (table == nullptr) return Error(Errno::NoMem);
    } else if (create) {
      Frame* made = new_table();
      if (made == nullptr) return Error(Errno::NoMem);
      fill(*table, at, i, Entry::table(Policy::address_of(*made)));
      table = &table_of(*made);
    } else {
      return nullptr;
    }
  }
  return table;
}

// --- One page ---

template <PagePolicy Policy>
Entry PageTree<Policy>::lookup(uintptr_t address) const {
  const Table* table = top_;
  for (unsigned level = kTop; level > 0; --level) {
    const Entry entry = table->get(machine::index_at(level, address));
    if (entry.bits() == 0) return Entry();
    table = &table_at(entry);
  }
  return table->get(machine::index_at(0, address));
}

template <PagePolicy Policy>
auto PageTree<Policy>::resolve_write(uintptr_t address, Gather& gather) -> WriteResult {
  Table* table = top_;
  for (unsigned level = kTop; level > 0; --level) {
    const unsigned i = machine::index_at(level, address);
    const Entry entry = table->get(i);
    if (entry.bits() == 0) return {WriteFault::Absent, {}};
    table = own_child(*table, level, i, entry, gather);
    if (table == nullptr) [[unlikely]]
      return {WriteFault::NoMemory, {}};
  }
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
  fill(*slot.table, 0, slot.index, Entry(Policy::address_of(page) | flags));
  add_pages(1);
}

template <PagePolicy Policy>
void PageTree<Policy>::replace(Slot slot, Frame& page, uint64_t flags, Gather& gather) {
  Frame& old = frame_at(slot.get());
  slot.table->set(slot.index, Entry(Policy::address_of(page) | flags));
  gather.add_page(old);
}

// --- Ranges ---

template <PagePolicy Policy>
template <class Visit>
void PageTree<Policy>::visit_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                                Visit& visit) const {
  const uint64_t span = machine::span_of(level);
  for_each_used(table, level, [&](unsigned i, Entry entry) {
    const uintptr_t address = base + i * span;
    if (address >= end || address + span <= start) return;
    if (level == 0)
      visit(address, entry);
    else
      visit_in(table_at(entry), level - 1, address, start, end, visit);
  });
}

template <PagePolicy Policy>
uint64_t PageTree<Policy>::count_pages(const Frame& record, unsigned level) const {
  if (level == 0) return record.reserved;
  uint64_t pages = 0;
  for_each_used(table_of(record), level,
                [&](unsigned, Entry entry) { pages += count_pages(frame_at(entry), level - 1); });
  return pages;
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::isolate_edge(uintptr_t address, Gather& gather) {
  // The tables whose span has `address` strictly inside are those above the level that it is aligned to.
  unsigned level = kTop;
  while (level > 0 && !is_aligned(address, machine::span_of(level))) --level;
  TRY(table_for(address, level, false, gather));
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
  if (start < end) unmap_in(*top_, kTop, 0, start, end, gather);
  return before - pages();
}

template <PagePolicy Policy>
void PageTree<Policy>::unmap_in(Table& table, unsigned level, uintptr_t base, uintptr_t start, uintptr_t end,
                                Gather& gather) {
  const uint64_t span = machine::span_of(level);
  for_each_used(table, level, [&](unsigned i, Entry entry) {
    const uintptr_t address = base + i * span;
    if (address >= end || address + span <= start) return;
    Frame& child = frame_at(entry);
    if (level == 0) {
      empty(table, 0, i);
      add_pages(-1);
      gather.add_page(child);
      return;
    }
    if (address >= start && address + span <= end) {
      add_pages(-static_cast<int64_t>(count_pages(child, level - 1)));
    } else {
      DEBUG_ASSERT(is_private(entry));
      unmap_in(table_at(entry), level - 1, address, start, end, gather);
      if (child.reserved != 0) return;
    }
    empty(table, level, i);
    gather.add_table(child, level - 1);
  });
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::own(uintptr_t start, uintptr_t end, Gather& gather) {
  return start < end ? own_in(*top_, kTop, 0, start, end, gather) : Result<>();
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::own_in(Table& table, unsigned level, uintptr_t base, uintptr_t start,
                                  uintptr_t end, Gather& gather) {
  const uint64_t span = machine::span_of(level);
  Result<> result;
  for_each_used(table, level, [&](unsigned i, Entry) {
    const uintptr_t address = base + i * span;
    if (!result || address >= end || address + span <= start) return;
    Table* child = own_child(table, level, i, table.get(i), gather);
    if (child == nullptr)
      result = Error(Errno::NoMem);
    else if (level > 1)
      result = own_in(*child, level - 1, address, start, end, gather);
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
  if (start < end) protect_in(*top_, kTop, 0, start, end, flags, gather);
}

template <PagePolicy Policy>
void PageTree<Policy>::protect_in(Table& table, unsigned level, uintptr_t base, uintptr_t start,
                                  uintptr_t end, uint64_t flags, Gather& gather) {
  const uint64_t span = machine::span_of(level);
  for_each_used(table, level, [&](unsigned i, Entry entry) {
    const uintptr_t address = base + i * span;
    if (address >= end || address + span <= start) return;
    if (level > 0) {
      DEBUG_ASSERT(is_private(entry));
      return protect_in(table_at(entry), level - 1, address, start, end, flags, gather);
    }
    const Entry now = with_rights(entry, flags);
    table.set(i, now);
    if (loses_rights(entry, now)) gather.require_flush();
  });
}

// --- Moving ---

template <PagePolicy Policy>
auto PageTree<Policy>::step_at(uintptr_t from, uintptr_t to, uint64_t left) -> Step {
  constexpr uint64_t kSpan = machine::span_of(1);
  const uint64_t size = std::min({kSpan - from % kSpan, kSpan - to % kSpan, left});
  return {from, to, size};
}

// Private tables on both ends of the step.
template <PagePolicy Policy>
Result<> PageTree<Policy>::prepare(const Step& step, Gather& gather) {
  const unsigned level = step.whole() ? 1 : 0;
  Table* source = TRY(table_for(step.from, level, false, gather));
  if (source == nullptr || (level == 1 && source->get(machine::index_at(1, step.from)).bits() == 0))
    return {};
  TRY(table_for(step.to, level, true, gather));
  return {};
}

template <PagePolicy Policy>
void PageTree<Policy>::commit(const Step& step, Gather& gather) {
  const unsigned level = step.whole() ? 1 : 0;
  Table* source = *table_for(step.from, level, false, gather);
  Table* target = *table_for(step.to, level, false, gather);
  if (source == nullptr || target == nullptr) return;
  const unsigned from = machine::index_at(level, step.from);
  const unsigned to = machine::index_at(level, step.to);
  const unsigned count = level == 1 ? 1 : static_cast<unsigned>(step.size >> machine::kPageShift);
  for (unsigned i = 0; i < count; ++i) {
    const Entry entry = source->get(from + i);
    if (entry.bits() == 0) continue;
    if (const Entry stale = target->get(to + i);
        stale.bits() != 0) {  // a leaf table that has lost all its pages
      ASSERT(level == 1 && frame_at(stale).reserved == 0);
      empty(*target, level, to + i);
      gather.add_table(frame_at(stale), 0);
    }
    empty(*source, level, from + i);
    fill(*target, level, to + i, entry);
  }
}

template <PagePolicy Policy>
Result<> PageTree<Policy>::move(uintptr_t from, uintptr_t to, uint64_t size, Gather& gather) {
  for (uint64_t done = 0; done < size;) {
    const Step step = step_at(from + done, to + done, size - done);
    TRY(prepare(step, gather));
    done += step.size;
  }
  for (uint64_t done = 0; done < size;) {
    const Step step = step_at(from + done, to + done, size - done);
    commit(step, gather);
    done += step.size;
  }
  gather.require_flush();
  unmap(from, from + size, gather);  // the tables that are empty now
  return {};
}

// --- Audit ---

template <PagePolicy Policy>
void PageTree<Policy>::tally_in(Table& table, unsigned level, PageTally& found) const {
  ++found.tables;
  for_each_used(table, level, [&](unsigned, Entry entry) {
    Frame& child = frame_at(entry);
    if (level == 0) {
      if (child.use == mem::FrameUse::User) found.pages += ++child.page.index == 1;
    } else if (++child.page.index == 1) {
      tally_in(table_at(entry), level - 1, found);
    }
  });
}

template <PagePolicy Policy>
unsigned PageTree<Policy>::verify_in(Table& table, unsigned level) const {
  const Frame& record = Policy::frame_of(table);
  const unsigned slots = level == kTop ? machine::kUserTopEntries : machine::kEntriesPerTable;
  unsigned broken = 0;
  unsigned used = 0;
  for (unsigned i = 0; i < slots; ++i) {
    const Entry entry = table.get(i);
    if (entry.bits() == 0) continue;
    ++used;
    if (i < record.low_used || i >= record.high_used) broken += level != kTop;
    Frame& child = frame_at(entry);
    const bool counted = level > 0 || child.use == mem::FrameUse::User;
    if (entry.writable() && !entry.shared() && (!counted || mem::reference_count(child) != 1)) ++broken;
    if (!counted || child.page.index == 0) continue;  // not ours to count, or seen before
    broken += child.page.index != mem::reference_count(child);
    child.page.index = 0;
    if (level > 0) broken += verify_in(table_at(entry), level - 1);
  }
  return broken + (used != record.reserved);
}

}  // namespace tine::vm
