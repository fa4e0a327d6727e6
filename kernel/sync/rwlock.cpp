// SPDX-License-Identifier: BSD-2-Clause
#include "sync/rwlock.h"

#include "base/assert.h"
#include "sync/park.h"

namespace tine::sync {

// Takes the lock if nobody is in the way. The waiters bit counts as being in the way, which keeps the order of arrival.
bool RwLock::try_take(bool shared) {
  uint32_t state = state_.load(std::memory_order_relaxed);
  while (shared ? (state & (kExclusive | kWaiters)) == 0 : state == 0) {
    const uint32_t taken = shared ? state + kOneShared : kExclusive;
    if (state_.compare_exchange_weak(state, taken, std::memory_order_acquire)) return true;
  }
  return false;
}

// While nobody sleeps for it yet, the holders probably run on other CPUs and are about to let go.
bool RwLock::spin_for(bool shared) {
  if (machine::cpu_count() == 1) return false;
  for (unsigned i = 0; i < kSpinsBeforePark; i++) {
    if ((state_.load(std::memory_order_relaxed) & kWaiters) != 0) return false;
    if (try_take(shared)) return true;
    machine::spin_pause();
  }
  return false;
}

void RwLock::wait(bool shared) {
  note_contention(class_);
  if (spin_for(shared)) return;
  ParkedThread waiter{.thread = machine::current_thread(), .wants_shared = shared};
  {
    SpinGuard guard(queue_lock_);
    state_.fetch_or(kWaiters, std::memory_order_relaxed);
    waiters_.push_back(waiter);
    // The holders may all have gone before the bit was seen: then nobody else would grant.
    if (state_.load(std::memory_order_acquire) == kWaiters) grant_next();
  }
  while (true) {
    park(name_);
    SpinGuard guard(queue_lock_);
    if (waiter.granted) return;
  }
}

// The lock is free but for its waiters: gives it to the first, and to the shared ones right behind a shared one.
void RwLock::grant_next() {
  const bool shared = waiters_.first().wants_shared;
  uint32_t state = 0;
  do {
    ParkedThread& waiter = waiters_.pop_front();
    state += shared ? kOneShared : kExclusive;
    const uint32_t rest = waiters_.empty() ? 0 : kWaiters;
    state_.store(state | rest, std::memory_order_release);
    waiter.granted = true;
    unpark(waiter.thread);
  } while (shared && !waiters_.empty() && waiters_.first().wants_shared);
}

void RwLock::acquire_exclusive(Attempt attempt) {
  before_lock(class_, this, LockKind::Sleeping, attempt);
  if (!try_take(false)) [[unlikely]] wait(false);
  after_lock(class_, this, LockKind::Sleeping);
}

bool RwLock::try_lock() {
  before_lock(class_, this, LockKind::Sleeping, Attempt::Try);
  if (!try_take(false)) return false;
  after_lock(class_, this, LockKind::Sleeping);
  return true;
}

void RwLock::unlock() {
  before_unlock(class_, this, LockKind::Sleeping);
  uint32_t expected = kExclusive;
  if (state_.compare_exchange_strong(expected, 0, std::memory_order_release)) [[likely]] return;
  SpinGuard guard(queue_lock_);
  grant_next();
}

void RwLock::lock_shared() {
  before_lock(class_, this, LockKind::Sleeping);
  if (!try_take(true)) [[unlikely]] wait(true);
  after_lock(class_, this, LockKind::Sleeping);
}

void RwLock::unlock_shared() {
  before_unlock(class_, this, LockKind::Sleeping);
  uint32_t state = state_.load(std::memory_order_relaxed);
  // Without waiters: one step, after which the lock may be gone.
  while ((state & kWaiters) == 0)
    if (state_.compare_exchange_weak(state, state - kOneShared, std::memory_order_release)) return;
  SpinGuard guard(queue_lock_);
  if (state_.fetch_sub(kOneShared, std::memory_order_acq_rel) == (kOneShared | kWaiters)) grant_next();
}

void RwLock::assert_held() const { DEBUG_ASSERT((state_.load(std::memory_order_relaxed) & kExclusive) != 0); }

}  // namespace tine::sync
