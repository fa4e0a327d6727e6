// SPDX-License-Identifier: BSD-2-Clause
// The x87 and vector registers, in memory at the top of kernel stacks.
#pragma once

#include <cstddef>

namespace tine::machine {

void init_extended_state();  // boot CPU: finds the size of the image
void save_extended_state(std::byte* image);
void load_extended_state(const std::byte* image);

}  // namespace tine::machine
