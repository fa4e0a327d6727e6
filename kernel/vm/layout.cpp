// SPDX-License-Identifier: BSD-2-Clause
#include "vm/layout.h"

#include "base/random.h"
#include "base/units.h"
#include "machine/paging.h"

namespace tine::vm {
namespace {

using machine::kPageSize;

constexpr uint64_t kSlot = machine::span_of(machine::kTopLevel);

// The slots to choose from, 0x7000'0000'0000 to 0x7f80'0000'0000: sanitizers take these addresses for a program's own.
constexpr uint64_t kFirstSlot = 224, kSlots = 31;

// A part of a slot, in which something starts that grows upwards or ends what grows downwards. Mappings come first: they
// can go on below the slot, however large, and nothing but the stack is in the heap's way.
struct Zone {
  uint64_t start, size;
  uintptr_t random_page() const { return start + random_below(size / kPageSize) * kPageSize; }
  uintptr_t random_stack_top() const { return start + random_below(size / 16) * 16; }
};
constexpr Zone kMappingZone{32_GiB, 128_GiB};
constexpr Zone kProgramZone{160_GiB, 128_GiB};
constexpr Zone kHeapZone{304_GiB, 64_GiB};
constexpr Zone kStackZone{480_GiB, 32_GiB};
static_assert(kStackZone.start + kStackZone.size == kSlot);

// Of a program that was linked to low addresses, in the first slot.
constexpr uintptr_t kLowProgramsEnd = 128_GiB;
constexpr Zone kLowStackZone{384_GiB, 128_GiB};
constexpr uint64_t kLinkedHeapRange = 1_GiB;

uintptr_t random_slot() { return (kFirstSlot + random_below(kSlots)) * kSlot; }

Layout within(uintptr_t slot) {
  return {.stack_top = slot + kStackZone.random_stack_top(),
          .mapping_top = slot + kMappingZone.random_page(),
          .program_base = slot + kProgramZone.random_page(),
          .heap_base = slot + kHeapZone.random_page()};
}

}  // namespace

Layout Layout::fixed() {
  const uintptr_t slot = (kFirstSlot + kSlots - 1) * kSlot;
  return {.stack_top = slot + kSlot,
          .mapping_top = slot + kProgramZone.start,
          .program_base = slot + kProgramZone.start,
          .heap_base = slot + kHeapZone.start};
}

Layout Layout::for_movable() { return within(random_slot()); }

Layout Layout::for_linked(uintptr_t start, uintptr_t end) {
  uintptr_t slot = random_slot();
  while (start < slot + kSlot && slot < end) slot -= kSlot;  // at worst down to where it begins
  Layout layout = within(slot);
  if (end <= kLowProgramsEnd) layout.heap_base = end + Zone{0, kLinkedHeapRange}.random_page();
  return layout;
}

Layout Layout::for_linked_alone(uintptr_t start, uintptr_t end) {
  Layout layout = for_linked(start, end);
  if (end <= kLowProgramsEnd) layout.stack_top = kLowStackZone.random_stack_top();
  return layout;
}

}  // namespace tine::vm
