// SPDX-License-Identifier: BSD-2-Clause
// Where the parts of a program lie. Each starts at a random place of its own, for security; and for fork, what most
// programs write lies below one entry of the top page table (512 GiB, here called a slot): then a process needs no tables of
// its own for the two upper levels (machine/user_top.h), or, if it is large, copies one of the second level after a fork, not
// one for each part.
//
// A program that can lie anywhere gets a random slot, in which it, its heap, its mappings and its stack have a zone each:
// 30 random bits of page number for program and mappings, 29 for the heap, 28 for the stack, and 8 more of its place in
// the page. Who learns one of these addresses knows the slot, and still lacks 25, 24 or 23 bits of each of the others. A
// program linked to low addresses has its heap behind it (18 bits). If it has no dynamic linker, its stack lies in its
// slot, too (25 bits and 8); otherwise far up, with the mappings: AddressSanitizer, which needs a dynamic linker, wants
// 0x7fff8000 to 0x10007fff8000 for itself. Linux has 28 bits for program and mappings, 22 and 9 for the stack, 18 for
// the heap.
#pragma once

#include <cstdint>

namespace tine::vm {

struct Layout {
  uintptr_t stack_top;     // exclusive end of the main thread's stack; a multiple of 16
  uintptr_t mapping_top;   // mmap looks for room downwards from here, a page boundary as the next two
  uintptr_t program_base;  // of a position-independent program
  uintptr_t heap_base;     // where brk starts

  static Layout for_movable();                                        // a position-independent program
  static Layout for_linked(uintptr_t start, uintptr_t end);           // one that fills [start, end) ...
  static Layout for_linked_alone(uintptr_t start, uintptr_t end);     // ... and has no dynamic linker
  static Layout fixed();                                              // no program yet; nothing random
};

}  // namespace tine::vm
