// SPDX-License-Identifier: BSD-2-Clause
// The table of Linux x86-64 system calls.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

inline constexpr uint64_t kSystemCallCount = 512;
Handler system_call_handler(uint64_t number);    // null: not implemented
const char* system_call_name(uint64_t number);   // "?" where Linux has none

}  // namespace tine::abi::linux_abi
