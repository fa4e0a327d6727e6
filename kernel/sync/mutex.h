// SPDX-License-Identifier: BSD-2-Clause
// Mutex and RwLock: sleeping locks, for sections that may sleep or touch user memory. Never taken in interrupts or with
// a spinlock held. Waiters are served in order of arrival. The scheduler supplies the sleeping (sync/park.h).
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>

#include "base/thread_annotations.h"
#include "sync/lock_order.h"
#include "sync/spinlock.h"

namespace tine::sync {

struct ParkedThread : boost::intrusive::list_base_hook<> {
  void* thread = nullptr;
  bool wants_shared = false;
  bool granted = false;
};

class CAPABILITY("mutex") Mutex {
 public:
  constexpr explicit Mutex(const char* name) : class_(name), queue_lock_("mutex queue") {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() ACQUIRE();
  void unlock() RELEASE();
  bool try_lock() TRY_ACQUIRE(true);
  bool is_held() const;                                          // by anyone
  void assert_held() const ASSERT_CAPABILITY(this);              // by this thread; debug kernels check

 private:
  std::atomic<uintptr_t> owner_{0};   // thread; bit 0: somebody waits
  [[no_unique_address]] LockClass class_;
  Spinlock queue_lock_;
  ParkedThread* first_waiter_ = nullptr;
  ParkedThread* last_waiter_ = nullptr;
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
