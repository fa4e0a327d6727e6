// SPDX-License-Identifier: BSD-2-Clause
// Mutex: a sleeping lock, for sections that may sleep or touch user memory. Never taken in interrupts or with a
// spinlock held. Waiters are served in order of arrival: unlock() hands the mutex to the first. The scheduler supplies
// the sleeping (sync/park.h). For shared and exclusive holders see rwlock.h.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/thread_annotations.h"
#include "sync/lock_order.h"
#include "sync/parked_threads.h"
#include "sync/spinlock.h"

namespace tine::sync {

class CAPABILITY("mutex") Mutex {
 public:
  // `name` is the class for the lock-order checker, and what ps shows of a thread that waits.
  constexpr explicit Mutex(const char* name) : name_(name), class_(name) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() { acquire(Attempt::Blocking); }
  // With another mutex of the same class held, in an order that the caller guarantees; see lock_order.h.
  void lock_nested() ACQUIRE() { acquire(Attempt::Nested); }
  void unlock() RELEASE();
  bool try_lock() TRY_ACQUIRE(true);
  bool is_held() const { return owner_.load(std::memory_order_relaxed) != 0; }   // by anyone
  void assert_held() const ASSERT_CAPABILITY(this);              // by this thread; debug kernels check

 private:
  static constexpr uintptr_t kWaiters = 1;

  void acquire(Attempt attempt);
  void lock_contended(uintptr_t self);
  void unlock_contended();
  bool spin_for(uintptr_t self);

  std::atomic<uintptr_t> owner_{0};   // thread; kWaiters: somebody waits
  const char* name_;
  [[no_unique_address]] LockClass class_;
  Spinlock queue_lock_{"mutex queue"};
  ParkedThreads waiters_ GUARDED_BY(queue_lock_);
};

class SCOPED_CAPABILITY MutexGuard {
 public:
  explicit MutexGuard(Mutex& lock) ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~MutexGuard() RELEASE() { lock_.unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

 private:
  Mutex& lock_;
};

}  // namespace tine::sync
