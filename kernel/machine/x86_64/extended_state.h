// SPDX-License-Identifier: BSD-2-Clause
// The x87 and vector registers, in memory at the top of kernel stacks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tine::machine {

void init_extended_state();  // boot CPU: finds how, and the size of the image
void save_extended_state(std::byte* image);
void load_extended_state(const std::byte* image);  // interrupts off, or the running thread's own image
void load_initial_extended_state();                // as at a program's start
bool is_valid_mxcsr(uint32_t value);               // loading any other is a general protection fault

}  // namespace tine::machine
