// SPDX-License-Identifier: BSD-2-Clause
// Makes chosen allocations and reservations fail, as Linux's /proc/self/fail-nth does: a thread arms the injector with
// n, and the n-th site that it passes fails. Compiled to nothing in release kernels. Seed row A1.
#pragma once

#include <cstdint>

namespace tine::mem {

// A countdown of the running thread; 0: not armed. sched::Thread holds one.
struct FailNth {
  uint32_t remaining = 0;
  bool fired = false;
};

#if TINE_DEBUG
// Every allocation and reservation asks; true: fail now.
bool should_fail();
// sched registers how to find the running thread's countdown (nullptr: none, as in interrupts and early boot).
void set_fail_nth_finder(FailNth* (*find)());
#else
inline bool should_fail() { return false; }
inline void set_fail_nth_finder(FailNth* (*)()) {}
#endif

}  // namespace tine::mem
