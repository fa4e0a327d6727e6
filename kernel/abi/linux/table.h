// SPDX-License-Identifier: BSD-2-Clause
// The table of Linux x86-64 system calls.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

inline constexpr uint64_t kSystemCallCount = 512;
struct SystemCallTable {
  Handler handlers[kSystemCallCount] = {};
};
extern const SystemCallTable system_calls;

// Null: not implemented.
inline Handler system_call_handler(uint64_t number) {
  return number < kSystemCallCount ? system_calls.handlers[number] : nullptr;
}
const char* system_call_name(uint64_t number);   // "?" where Linux has none

}  // namespace tine::abi::linux_abi
