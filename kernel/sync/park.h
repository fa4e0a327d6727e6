// SPDX-License-Identifier: BSD-2-Clause
// How the sleeping locks sleep: declared here, defined by sched.
#pragma once

namespace tine::sync {

// Blocks the running thread until unpark() was called for it since its last park(); an unpark that comes first is
// remembered. Not interruptible by signals. `reason` is what ps shows.
void park(const char* reason);
void unpark(void* thread);

// How often a contender looks before it parks: about the length of a short critical section on another CPU.
inline constexpr unsigned kSpinsBeforePark = 200;

}  // namespace tine::sync
