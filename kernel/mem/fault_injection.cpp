// SPDX-License-Identifier: BSD-2-Clause
#include "mem/fault_injection.h"

#if TINE_DEBUG

namespace tine::mem {

namespace {
constinit FailNth* (*find_countdown)() = nullptr;
}

bool should_fail() {
  FailNth* countdown = find_countdown != nullptr ? find_countdown() : nullptr;
  if (countdown == nullptr || countdown->remaining == 0) return false;
  if (--countdown->remaining != 0) return false;
  countdown->fired = true;
  return true;
}

void set_fail_nth_finder(FailNth* (*find)()) { find_countdown = find; }

}  // namespace tine::mem

#endif
