// SPDX-License-Identifier: BSD-2-Clause
#include "vm/layout.h"

#include "base/random.h"
#include "base/units.h"
#include "machine/paging.h"

namespace tine::vm {
namespace {

using machine::kPageSize;

constexpr uint64_t kTopSpan = machine::span_of(machine::kTopLevel);
constexpr uintptr_t top_entry(unsigned i) { return i * kTopSpan; }

// The entries; 0 holds programs that are linked to fixed addresses.
constexpr uintptr_t kHeaps = top_entry(64);
constexpr uintptr_t kPrograms = top_entry(170);     // 0x55..., as users of Linux expect it
constexpr uintptr_t kMappingsEnd = top_entry(255);  // downwards, into further entries when one does not do
constexpr uintptr_t kStacksEnd = machine::kUserEnd;

}  // namespace

Layout Layout::fixed() {
  return {
      .stack_top = kStacksEnd, .mapping_top = kMappingsEnd, .program_base = kPrograms, .heap_base = kHeaps};
}

Layout Layout::randomised() {
  // 22 bits for the stack and 26 for the others: half of an entry stays free for growth.
  const auto pages = [](uint64_t range) { return random_below(range / kPageSize) * kPageSize; };
  const Layout base = fixed();
  return {.stack_top = base.stack_top - pages(16_GiB),
          .mapping_top = base.mapping_top - pages(kTopSpan / 2),
          .program_base = base.program_base + pages(kTopSpan / 2),
          .heap_base = base.heap_base + pages(kTopSpan / 2)};
}

}  // namespace tine::vm
