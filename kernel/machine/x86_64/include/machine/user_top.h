// SPDX-License-Identifier: BSD-2-Clause
// UserTop: the top of an address space's page table. Most programs use a handful of the GiB that there are, for which a top
// table and a table below it in each process would be much. So the entries of the used GiB are kept here, and a CPU copies
// them into tables of its own when it comes to the space (load_user_top). A space that uses more of them than kFew, or in more
// than kMostRanges ranges of 512 GiB, gets a whole table, which CPUs load as it is; then nothing is kept here.
//
// Who changes it holds the address space's lock. A CPU that runs on the space meanwhile knows by the version that its copy is
// old, and which word is if it missed but one change; it looks after each page fault, which an entry that is missing or not writable in the copy causes, and in each flush of
// its TLB, which the removal of anything causes (take_over_user_top). Compiles on the host, where the page tree is tested.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>

#include "base/assert.h"
#include "machine/paging.h"

namespace tine::machine {

class UserTop {
 public:
  static constexpr unsigned kFew = 8;
  static constexpr unsigned kMostRanges = 2;
  static constexpr unsigned kLevel = kTopLevel - 1;  // an entry here is one of a table at this level
  // The number of a GiB: slot_of(address); of the range of 512 GiB that it lies in: slot / kEntriesPerTable.
  static constexpr unsigned slot_of(uintptr_t address) { return static_cast<unsigned>(address / span_of(kLevel)); }

  UserTop() = default;
  UserTop(const UserTop&) = delete;
  UserTop& operator=(const UserTop&) = delete;

  // Zero: the slot is not used.
  Entry get(unsigned slot) const {
    const std::atomic<uint64_t>* place = find(slot);
    return place != nullptr ? entry_of(place->load(std::memory_order_relaxed)) : Entry();
  }
  // For a slot that is not used yet there must be room. A zero entry gives the slot up.
  void set(unsigned slot, Entry entry) {
    std::atomic<uint64_t>* place = find(slot);
    if (place == nullptr) place = find_free();
    place->store(entry.bits() != 0 ? word_of(slot, entry) : 0, std::memory_order_release);
    note_change(static_cast<unsigned>(place - words_.data()));
  }
  void set_bits(unsigned slot, uint64_t bits) { set(slot, get(slot).with(bits)); }
  void clear_bits(unsigned slot, uint64_t bits) { set(slot, get(slot).without(bits)); }

  // visit(slot, entry) for each used slot, in no particular order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (unsigned i = 0; i < end(); ++i)
      if (const uint64_t word = word_at(i); word != 0) visit(slot_of_word(word), entry_of(word));
  }
  bool has_room_for(unsigned slot) const;

  // Takes the right to write from every entry and gives all of them to `child`, which is empty, in the same places: so
  // what a CPU has copied of one serves the other. visit(entry) for each.
  template <class Visit>
  void share_with(UserTop& child, Visit&& visit) {
    const unsigned count = end();
    for (unsigned i = 0; i < count; ++i) {
      const uint64_t word = words_[i].load(std::memory_order_relaxed) & ~Entry::kWritable;
      if (word == 0) continue;
      visit(entry_of(word));
      words_[i].store(word, std::memory_order_release);
      child.words_[i].store(word, std::memory_order_release);
    }
    child.end_.store(count, std::memory_order_release);
    note_change(kMany);
    child.note_change(kMany);
  }

  // Gives up everything here for a table that holds the same, which the owner frees at the end.
  void become(Table& table) {
    whole_.store(&table, std::memory_order_release);
    for (auto& word : words_) word.store(0, std::memory_order_relaxed);
    note_change(kMany);
  }
  Table* whole() const { return whole_.load(std::memory_order_acquire); }  // null: all is here
  Table* give_back() { return whole_.exchange(nullptr, std::memory_order_relaxed); }

  // For copies, which are made without a lock: the version before, then the words up to the end, or the one that makes the
  // difference between two versions (kMany: it may be any). A word is 0 or an entry with the number of its slot.
  static constexpr unsigned kMany = 0xff;
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  static unsigned changed_between(uint64_t earlier, uint64_t later) {
    return (later >> kChangeShift) - (earlier >> kChangeShift) == 1 ? static_cast<unsigned>(later & kMany) : kMany;
  }
  unsigned end() const { return end_.load(std::memory_order_acquire); }
  uint64_t word_at(unsigned i) const { return words_[i].load(std::memory_order_acquire); }
  static uint32_t mark_of_word(uint64_t word) { return static_cast<uint32_t>(word >> kSlotShift); }  // slot + 1; 0: no entry
  static unsigned slot_of_word(uint64_t word) { return mark_of_word(word) - 1; }
  static Entry entry_of(uint64_t word) { return Entry(word & kEntryMask); }

 private:
  // From bit 0 on: the entry; the slot + 1.
  static constexpr unsigned kSlotShift = std::countr_zero(kMemoryEnd);
  static constexpr uint64_t kEntryMask = kMemoryEnd - 1;
  static uint64_t word_of(unsigned slot, Entry entry) {
    DEBUG_ASSERT((entry.bits() & ~kEntryMask) == 0);
    return entry.bits() | uint64_t{slot + 1} << kSlotShift;
  }

  const std::atomic<uint64_t>* find(unsigned slot) const {
    for (unsigned i = 0; i < end(); ++i)
      if (mark_of_word(words_[i].load(std::memory_order_relaxed)) == slot + 1) return &words_[i];
    return nullptr;
  }
  std::atomic<uint64_t>* find(unsigned slot) {
    return const_cast<std::atomic<uint64_t>*>(std::as_const(*this).find(slot));
  }
  std::atomic<uint64_t>* find_free() {
    unsigned i = 0;
    while (words_[i].load(std::memory_order_relaxed) != 0) {
      ++i;
      ASSERT(i < kFew);
    }
    if (i >= end()) end_.store(i + 1, std::memory_order_release);
    return &words_[i];
  }
  void note_change(unsigned word) {
    const uint64_t changes = version_.load(std::memory_order_relaxed) >> kChangeShift;
    version_.store((changes + 1) << kChangeShift | word, std::memory_order_release);
  }

  std::array<std::atomic<uint64_t>, kFew> words_{};
  std::atomic<Table*> whole_{nullptr};
  static constexpr unsigned kChangeShift = 8;
  std::atomic<uint64_t> version_{0};  // how many changes there were, and the word of the last
  std::atomic<uint32_t> end_{0};  // all words from here on are 0
};

inline bool UserTop::has_room_for(unsigned slot) const {
  std::array<unsigned, kMostRanges> ranges{slot / kEntriesPerTable};
  unsigned count = 1, used = 0;
  bool room = true;
  for_each([&](unsigned other, Entry) {
    ++used;
    const unsigned range = other / kEntriesPerTable;
    const auto known = ranges.begin() + count;
    if (std::find(ranges.begin(), known, range) != known) return;
    if (count == kMostRanges) room = false;
    else ranges[count++] = range;
  });
  return room && used < kFew;
}

}  // namespace tine::machine
