// SPDX-License-Identifier: BSD-2-Clause
// A CPU's copy of the user half that it runs on. The copy is written with interrupts off, by its own CPU, which touches no
// user memory meanwhile. What is dropped from the copy may stay in the TLB until whoever dropped it has it flushed. But when a
// range of 512 GiB gets another of the CPU's tables, its paging-structure caches must forget the one it had, which now holds
// another range (SDM vol. 3, 4.10.3 and 4.10.4.2).
#include "machine/user_top.h"

#include <algorithm>

#include "machine/x86_64/kernel_map.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

// Makes places for the words' slots and forgets those of before.
[[gnu::noinline]] void place(PerCpu& cpu, const UserTop& top) {
  CpuTables& tables = cpu_tables(cpu.id);
  for (unsigned i = 0; i < cpu.copied_end; i++) {
    if (cpu.copied_slots[i] == 0) continue;
    cpu.copied_to[i]->store(0, std::memory_order_relaxed);
    tables.top.set((cpu.copied_slots[i] - 1) / kEntriesPerTable, Entry());
    cpu.copied_slots[i] = 0;
  }
  std::array<unsigned, UserTop::kMostRanges> ranges;
  unsigned count = 0;
  cpu.copied_end = top.end();
  for (unsigned i = 0; i < cpu.copied_end; i++) {
    const uint64_t word = top.word_at(i);
    if (word == 0) continue;
    const unsigned slot = UserTop::slot_of_word(word), range = slot / kEntriesPerTable;
    const auto known = ranges.begin() + count;
    const auto found = std::find(ranges.begin(), known, range);
    const auto r = static_cast<unsigned>(found - ranges.begin());
    if (r == UserTop::kMostRanges) continue;   // some of the words have changed meanwhile, and the version tells
    if (found == known) {
      ranges[count++] = range;
      tables.top.set(range, Entry::table(address_of_cpu_table(tables.below[r])));
    }
    cpu.copied_slots[i] = slot + 1;
    cpu.copied_to[i] = &tables.below[r].slots[slot % kEntriesPerTable];
    cpu.copied_to[i]->store(UserTop::entry_of(word).bits(), std::memory_order_relaxed);
  }
}

// Copies a word into the place that is known for its slot. False: there is none.
bool copy_word(PerCpu& cpu, const UserTop& top, unsigned i) {
  const uint64_t word = top.word_at(i);
  if (cpu.copied_slots[i] != UserTop::mark_of_word(word)) return false;
  if (word != 0) cpu.copied_to[i]->store(UserTop::entry_of(word).bits(), std::memory_order_relaxed);
  return true;
}

struct Copied {
  PhysAddr table;   // the CPU is to load
  bool moved;       // ranges may have changed tables
};

// The version was read before: of a change that is missed, it will differ. Mostly the slots are those of before: of the same
// space, or one that a fork made.
Copied copy(PerCpu& cpu, const UserTop& top) {
  if (const Table* whole = top.whole()) [[unlikely]] return {virtual_to_physical(whole), true};
  const unsigned end = top.end();
  bool same = end == cpu.copied_end;
  for (unsigned i = 0; i < end && same; i++) same = copy_word(cpu, top, i);
  if (!same) [[unlikely]] place(cpu, top);
  return {address_of_cpu_table(cpu_tables(cpu.id).top), !same};
}

}  // namespace

void load_user_top(const UserTop* top) {
  PerCpu& cpu = this_per_cpu();
  cpu.user_top = top;
  if (top == nullptr) return load_kernel_top_table();
  cpu.user_top_version = top->version();
  write_cr3(copy(cpu, *top).table);
}

const UserTop* loaded_user_top() { return this_per_cpu().user_top; }

void take_over_user_top() {
  const BriefInterruptGuard guard;
  PerCpu& cpu = this_per_cpu();
  if (cpu.user_top == nullptr) return;
  const uint64_t before = cpu.user_top_version, now = cpu.user_top->version();
  if (now == before) [[likely]] return;
  cpu.user_top_version = now;
  const unsigned changed = UserTop::changed_between(before, now);
  if (changed != UserTop::kMany && copy_word(cpu, *cpu.user_top, changed)) return;
  const Copied copied = copy(cpu, *cpu.user_top);
  if (copied.moved) write_cr3(copied.table);
}

}  // namespace tine::machine
