// SPDX-License-Identifier: BSD-2-Clause
#include "sync/mutex.h"

#include "base/assert.h"
#include "sync/park.h"

namespace tine::sync {

namespace {

// Before there are threads the boot CPU owns mutexes under this name; nobody can contend then.
constinit char boot_owner[2] = {};

uintptr_t self() {
  void* thread = machine::current_thread();
  return reinterpret_cast<uintptr_t>(thread != nullptr ? thread : boot_owner) & ~uintptr_t{1};
}

}  // namespace

void Mutex::acquire(Attempt attempt) {
  before_lock(class_, this, LockKind::Sleeping, attempt);
  uintptr_t expected = 0;
  const uintptr_t me = self();
  if (!owner_.compare_exchange_strong(expected, me, std::memory_order_acquire)) [[unlikely]] lock_contended(me);
  after_lock(class_, this, LockKind::Sleeping);
}

bool Mutex::try_lock() {
  before_lock(class_, this, LockKind::Sleeping, Attempt::Try);
  uintptr_t expected = 0;
  if (!owner_.compare_exchange_strong(expected, self(), std::memory_order_acquire)) return false;
  after_lock(class_, this, LockKind::Sleeping);
  return true;
}

// While nobody sleeps for it yet, the owner probably runs on another CPU and is about to let go.
bool Mutex::spin_for(uintptr_t me) {
  if (machine::cpu_count() == 1) return false;
  for (unsigned i = 0; i < kSpinsBeforePark; i++) {
    uintptr_t owner = owner_.load(std::memory_order_relaxed);
    if (owner == 0 && owner_.compare_exchange_strong(owner, me, std::memory_order_acquire)) return true;
    if ((owner & kWaiters) != 0) return false;
    machine::spin_pause();
  }
  return false;
}

void Mutex::lock_contended(uintptr_t me) {
  note_contention(class_);
  ASSERT((owner_.load(std::memory_order_relaxed) & ~kWaiters) != me);
  if (spin_for(me)) return;

  ParkedThread waiter{.thread = machine::current_thread()};
  {
    SpinGuard guard(queue_lock_);
    // Under the queue lock the waiters bit only goes on here, so an unlock that misses it has freed the mutex.
    uintptr_t owner = owner_.load(std::memory_order_relaxed);
    while (true) {
      if (owner == 0) {
        if (owner_.compare_exchange_weak(owner, me, std::memory_order_acquire)) return;
      } else if (owner_.compare_exchange_weak(owner, owner | kWaiters, std::memory_order_relaxed)) {
        break;
      }
    }
    waiters_.push_back(waiter);
  }
  while (true) {
    park(name_);
    SpinGuard guard(queue_lock_);
    if (waiter.granted) return;
  }
}

void Mutex::unlock() {
  before_unlock(class_, this, LockKind::Sleeping);
  uintptr_t expected = self();
  DEBUG_ASSERT((owner_.load(std::memory_order_relaxed) & ~kWaiters) == expected);
  if (!owner_.compare_exchange_strong(expected, 0, std::memory_order_release)) [[unlikely]] unlock_contended();
}

void Mutex::unlock_contended() {
  SpinGuard guard(queue_lock_);
  ParkedThread& next = waiters_.pop_front();
  const uintptr_t rest = waiters_.empty() ? 0 : kWaiters;
  owner_.store(reinterpret_cast<uintptr_t>(next.thread) | rest, std::memory_order_release);
  next.granted = true;
  unpark(next.thread);
}

void Mutex::assert_held() const { DEBUG_ASSERT((owner_.load(std::memory_order_relaxed) & ~kWaiters) == self()); }

}  // namespace tine::sync
