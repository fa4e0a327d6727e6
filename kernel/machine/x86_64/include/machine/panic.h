// SPDX-License-Identifier: BSD-2-Clause
// What other layers may know of and add to a panic; panic() itself is in base/assert.h.
#pragma once

#include <span>
#include <string_view>

namespace tine::machine {

bool panicking();

// Describes a thread (CpuLocal::current_thread) for the panic message, in `buffer` if it needs room. sched
// registers it. It may take no lock.
using DescribeThread = std::string_view (*)(const void* thread, std::span<char> buffer);
void set_thread_describer(DescribeThread describe);

}  // namespace tine::machine
