// SPDX-License-Identifier: BSD-2-Clause
// Which slots of a page table may be used, in its frame record, so that nobody looks at all 512: a range that holds them,
// and a bit for each group of 8. Both only grow until the table is empty; `reserved` is the exact number. Parts of a
// program often lie far apart in a table of the second level; the bits skip what is between them. Lock: whoever may
// change the table.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "machine/paging.h"
#include "mem/frame.h"

namespace tine::vm {

inline constexpr unsigned kSlotsPerGroup = machine::kEntriesPerTable / 64;
inline constexpr unsigned kShortRange = 32;  // within which looking at each slot costs least

inline void note_no_slot(mem::Frame& record) {
  record.low_used = machine::kEntriesPerTable;
  record.high_used = 0;
  record.page.groups = 0;
}

inline void note_used_slot(mem::Frame& record, unsigned i) {
  if (i < record.low_used) record.low_used = static_cast<uint16_t>(i);
  if (i >= record.high_used) record.high_used = static_cast<uint16_t>(i + 1);
  record.page.groups |= uint64_t{1} << i / kSlotsPerGroup;
}

inline void note_same_slots(mem::Frame& record, const mem::Frame& original) {
  record.low_used = original.low_used;
  record.high_used = original.high_used;
  record.page.groups = original.page.groups;
}

inline bool is_noted(const mem::Frame& record, unsigned i) {
  return i >= record.low_used && i < record.high_used && (record.page.groups >> i / kSlotsPerGroup & 1) != 0;
}

// visit(i) for each slot from `first` on and before `after` that may be used.
template <class Visit>
[[gnu::always_inline]] inline void for_each_noted_slot(const mem::Frame& record, unsigned first, unsigned after, Visit&& visit) {
  first = std::max<unsigned>(first, record.low_used);
  after = std::min<unsigned>(after, record.high_used);
  if (after <= first + kShortRange) {
    for (unsigned i = first; i < after; ++i) visit(i);
    return;
  }
  const unsigned first_group = first / kSlotsPerGroup, last_group = (after - 1) / kSlotsPerGroup;
  uint64_t groups = record.page.groups >> first_group << first_group & ~uint64_t{0} >> (63 - last_group);
  for (; groups != 0; groups &= groups - 1) {
    const unsigned group = static_cast<unsigned>(std::countr_zero(groups)) * kSlotsPerGroup;
    const unsigned end = std::min(group + kSlotsPerGroup, after);
    for (unsigned i = std::max(group, first); i < end; ++i) visit(i);
  }
}

// visit(i, entry) for each used slot, in order.
template <class Visit>
[[gnu::always_inline]] inline void for_each_used_slot(const mem::Frame& record, const machine::Table& table, Visit&& visit) {
  using machine::Entry;
  if (record.reserved == 2) {  // mostly the two ends: a program and its stack
    const unsigned first = record.low_used, last = record.high_used - 1u;
    const Entry at_first = table.get(first), at_last = table.get(last);
    if (at_first.bits() != 0 && at_last.bits() != 0 && first != last) {
      visit(first, at_first);
      return visit(last, at_last);
    }
  }
  for_each_noted_slot(record, 0, machine::kEntriesPerTable, [&](unsigned i) {
    if (const Entry entry = table.get(i); entry.bits() != 0) visit(i, entry);
  });
}

}  // namespace tine::vm
