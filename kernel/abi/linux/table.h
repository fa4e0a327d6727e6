// SPDX-License-Identifier: BSD-2-Clause
// The table of Linux x86-64 system calls. A null handler: ENOSYS.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

inline constexpr uint64_t kSystemCallCount = 512;
extern const Handler system_call_handlers[kSystemCallCount];
const char* system_call_name(uint64_t number);   // "?" where Linux has none

}  // namespace tine::abi::linux_abi
