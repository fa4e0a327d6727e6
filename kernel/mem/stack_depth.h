// SPDX-License-Identifier: BSD-2-Clause
// How deep kernel stacks are used, in debug kernels: a stack is filled with a pattern when it is made, and what has lost
// the pattern by the time it is freed was used. The audit complains when a stack was nearly used up.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tine::mem {

#if TINE_DEBUG
void fill_kernel_stack(uintptr_t top);      // a new one
void measure_kernel_stack(uintptr_t top);   // one that nobody uses any more; it has the pattern again
size_t deepest_kernel_stack();              // the most bytes that a freed stack had used
void register_stack_audit();                // boot
#else
inline void fill_kernel_stack(uintptr_t) {}
inline void measure_kernel_stack(uintptr_t) {}
inline void register_stack_audit() {}
#endif

}  // namespace tine::mem
