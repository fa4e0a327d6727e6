// SPDX-License-Identifier: BSD-2-Clause
// Atomic access to 32-bit words of user memory, for futexes and robust lists. The word must be 4-byte
// aligned.
#pragma once

#include "base/result.h"
#include "machine/user_access.h"
#include "vm/user_ptr.h"

namespace tine::event {

inline Result<uint32_t> load_word(uintptr_t address) {
  uint32_t value;
  if (address % sizeof value != 0) return Error(Errno::Inval);
  if (!vm::is_user_range(address, sizeof value) || !machine::load_user_word(value, address))
    return Error(Errno::Fault);
  return value;
}

// Stores `desired` if the word is `expected`; returns what it was.
inline Result<uint32_t> compare_exchange_word(uintptr_t address, uint32_t expected, uint32_t desired) {
  uint32_t seen;
  if (address % sizeof seen != 0) return Error(Errno::Inval);
  if (!vm::is_user_range(address, sizeof seen) ||
      !machine::compare_exchange_user_word(address, expected, desired, seen))
    return Error(Errno::Fault);
  return seen;
}

}  // namespace tine::event
