// SPDX-License-Identifier: BSD-2-Clause
// Where the kernel lies in this boot's address space.
#pragma once

#include <cstddef>

#include "machine/paging.h"
#include "machine/x86_64/layout.h"

namespace tine::machine {

extern "C" const std::byte kernel_base[];  // what was linked at KERNEL_BASE: moves with the kernel

// How far above its linked address the kernel runs; a multiple of 2 MiB, 0 with `nokaslr`.
inline uintptr_t kernel_offset() { return reinterpret_cast<uintptr_t>(kernel_base) - KERNEL_BASE; }

// The physical address of something in the kernel's image.
inline PhysAddr image_address(const void* symbol) {
  return reinterpret_cast<uintptr_t>(symbol) - reinterpret_cast<uintptr_t>(kernel_base);
}

}  // namespace tine::machine
