// SPDX-License-Identifier: BSD-2-Clause
// Where the parts of a program lie. Each part that grows or is big - heap, mappings, stack, a
// position-independent program - starts at a random place in a 512 GiB range (one entry of the top page
// table) of its own. Randomness is for security; separate entries are for fork: after a fork, the first write
// to the stack copies tables below the stack's entry only, and a heap that nobody writes stays shared, and is
// given back, as a whole.
#pragma once

#include <cstdint>

namespace tine::vm {

struct Layout {
  uintptr_t stack_top;     // exclusive end of the main thread's stack
  uintptr_t mapping_top;   // mmap looks for room downwards from here
  uintptr_t program_base;  // of a position-independent program
  uintptr_t heap_base;     // where brk starts

  static Layout randomised();
  static Layout fixed();  // personality(ADDR_NO_RANDOMIZE)
};

}  // namespace tine::vm
