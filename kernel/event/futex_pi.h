// SPDX-License-Identifier: BSD-2-Clause
// Futexes with an owner (FUTEX_LOCK_PI and its like): the word holds the owner's thread id, so the kernel can
// hand the lock over and notice that an owner has died. Waiters are served in order of arrival; the owner
// does not inherit their priority (the fair scheduler runs every thread in the end). Source: futex(2),
// pthread_mutexattr_setprotocol(3). Lock: each bucket's mutex, a sleeping one, since the word is changed
// under it; before vm's locks.
#pragma once

#include "event/futex.h"

namespace tine::event {

// The word: the owner's thread id and two flags.
inline constexpr uint32_t kFutexWaiters = 0x8000'0000, kFutexOwnerDied = 0x4000'0000,
                          kFutexTidMask = 0x3fff'ffff;

// Errors: TimedOut, RestartSys, Deadlk (the caller owns it), Srch (the owner does not exist or has ended), Fault.
Result<> futex_lock_pi(const FutexKey& key, uintptr_t address, FutexDeadline deadline);
Result<> futex_try_lock_pi(const FutexKey& key, uintptr_t address);  // Again when somebody else owns it
Result<> futex_unlock_pi(const FutexKey& key, uintptr_t address);    // Perm when the caller does not own it

// The owner has died and its word says so: lets the first waiter try again.
void futex_owner_died_pi(const FutexKey& key);
// At the end of a thread, or of its program: waiters of what it still owns try again and find it gone.
void release_pi_waiters(process::Thread& thread);

void init_pi_futexes();

}  // namespace tine::event
