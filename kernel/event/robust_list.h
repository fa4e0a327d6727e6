// SPDX-License-Identifier: BSD-2-Clause
// What user memory is told when a thread ends: its robust futexes and its thread id. Source:
// set_robust_list(2), set_tid_address(2), Documentation/locking/robust-futex-ABI in the Linux sources.
#pragma once

namespace tine::process {
class Thread;
}

namespace tine::event {

// Marks each robust futex that the thread still owns as left behind (kFutexOwnerDied) and wakes one waiter of
// it. The list is the program's: it may be malformed, endless or unmapped, so the walk is bounded and stops
// at a fault.
void release_robust_list(process::Thread& thread);

// CLONE_CHILD_CLEARTID: stores 0 there and wakes one waiter: how pthread_join hears of the end.
void clear_child_tid(process::Thread& thread);

}  // namespace tine::event
