// SPDX-License-Identifier: BSD-2-Clause
// RwLock: a sleeping lock with many shared holders or one exclusive holder. Waiters are served in order of arrival,
// neighbouring shared ones together; a new shared request waits behind an exclusive one that waits already. So neither
// kind starves. The rules of Mutex apply. Not recursive, not even for shared holders: a writer between the two would
// deadlock them.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/thread_annotations.h"
#include "sync/lock_order.h"
#include "sync/parked_threads.h"
#include "sync/spinlock.h"

namespace tine::sync {

class CAPABILITY("rwlock") RwLock {
 public:
  constexpr explicit RwLock(const char* name) : name_(name), class_(name) {}
  RwLock(const RwLock&) = delete;
  RwLock& operator=(const RwLock&) = delete;

  void lock() ACQUIRE() { acquire_exclusive(Attempt::Blocking); }
  void lock_nested() ACQUIRE() { acquire_exclusive(Attempt::Nested); }
  void unlock() RELEASE();
  bool try_lock() TRY_ACQUIRE(true);

  void lock_shared() ACQUIRE_SHARED();
  void unlock_shared() RELEASE_SHARED();

  void assert_held() const ASSERT_CAPABILITY(this);   // exclusively, by anyone; debug kernels check

 private:
  // state_: shared holders * kOneShared, + kExclusive, + kWaiters.
  static constexpr uint32_t kWaiters = 1, kExclusive = 2, kOneShared = 4;

  void acquire_exclusive(Attempt attempt);
  bool try_take(bool shared);
  bool spin_for(bool shared);
  void wait(bool shared);
  void grant_next() REQUIRES(queue_lock_);

  std::atomic<uint32_t> state_{0};
  const char* name_;
  [[no_unique_address]] LockClass class_;
  Spinlock queue_lock_{"rwlock queue"};
  ParkedThreads waiters_ GUARDED_BY(queue_lock_);
};

class SCOPED_CAPABILITY ExclusiveGuard {
 public:
  explicit ExclusiveGuard(RwLock& lock) ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~ExclusiveGuard() RELEASE() { lock_.unlock(); }
  ExclusiveGuard(const ExclusiveGuard&) = delete;
  ExclusiveGuard& operator=(const ExclusiveGuard&) = delete;

 private:
  RwLock& lock_;
};

class SCOPED_CAPABILITY SharedGuard {
 public:
  explicit SharedGuard(RwLock& lock) ACQUIRE_SHARED(lock) : lock_(lock) { lock_.lock_shared(); }
  ~SharedGuard() RELEASE_GENERIC() { lock_.unlock_shared(); }
  SharedGuard(const SharedGuard&) = delete;
  SharedGuard& operator=(const SharedGuard&) = delete;

 private:
  RwLock& lock_;
};

}  // namespace tine::sync
