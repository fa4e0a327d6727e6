// SPDX-License-Identifier: BSD-2-Clause
// Spinlock: for sections of a few hundred instructions at most. Holding one keeps this CPU's interrupts off, so every
// spinlock may be taken in interrupt handlers. Not recursive. Debug kernels check the order in which locks of
// different classes (names) are taken, and keep statistics of contention and hold times.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/thread_annotations.h"
#include "machine/cpu.h"
#include "sync/lock_order.h"

namespace tine::sync {

class CAPABILITY("spinlock") Spinlock {
 public:
  // `name` identifies the lock's class: locks with equal names are of one class.
  constexpr explicit Spinlock(const char* name) : class_(name) {}
  Spinlock(const Spinlock&) = delete;
  Spinlock& operator=(const Spinlock&) = delete;

  void lock() ACQUIRE() { acquire(Attempt::Blocking); }
  // With another lock of the same class held, in an order that the caller guarantees; see lock_order.h.
  void lock_nested() ACQUIRE() { acquire(Attempt::Nested); }
  void unlock() RELEASE() {
    before_unlock(class_, this);
    held_.store(0, std::memory_order_release);
    machine::pop_interrupts_off();
  }
  bool try_lock() TRY_ACQUIRE(true);
  bool is_held() const { return held_.load(std::memory_order_relaxed) != 0; }
  void assert_held() const ASSERT_CAPABILITY(this) { DEBUG_ASSERT(is_held()); }

 private:
  void acquire(Attempt attempt) NO_THREAD_SAFETY_ANALYSIS {
    machine::push_interrupts_off();
    before_lock(class_, this, LockKind::Spin, attempt);
    if (held_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]] lock_contended();
    after_lock(class_, this);
  }
  void lock_contended();

  std::atomic<uint32_t> held_{0};
  [[no_unique_address]] LockClass class_;
};

class SCOPED_CAPABILITY SpinGuard {
 public:
  explicit SpinGuard(Spinlock& lock) ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~SpinGuard() RELEASE() { lock_.unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  Spinlock& lock_;
};

}  // namespace tine::sync
