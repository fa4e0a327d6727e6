// SPDX-License-Identifier: BSD-2-Clause
// The lock-order checker: in debug kernels each lock belongs to a class, named when it is made. The checker learns in
// which order classes are taken and panics, naming both chains, at the first lock that closes a cycle: a deadlock that
// could happen is reported, not only one that did. It also refuses a sleeping lock, or sleeping at all, with a spinlock
// held or in an interrupt.
//
// Two locks of one class may nest only in ascending order of their addresses (the run queues do, by CPU number), or
// where the code says lock_nested(), which promises that some other order (parent before child) excludes a deadlock.
//
// A release kernel compiles all of this to nothing. Source: BSD's witness(4).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

#if TINE_DEBUG
#include <array>
#include <atomic>

#include "machine/clock.h"
#endif

namespace tine::sync {

enum class LockKind : uint8_t { Spin, Sleeping };
enum class Attempt : uint8_t { Blocking, Nested, Try };  // Try never waits, so it never orders its lock after others

// What the checker has measured about one class of locks.
struct LockStatistics {
  const char* name;
  uint64_t acquisitions;
  uint64_t contentions;
  Nanoseconds longest_hold;   // of sleeping locks: on a CPU
};

#if TINE_DEBUG

class LockClass {
 public:
  constexpr explicit LockClass(const char* name) : name_(name) {}
  const char* name() const { return name_; }

 private:
  friend class LockChecker;
  const char* name_;
  mutable std::atomic<uint16_t> id_{0};  // 0: not met yet
};

// The locks that one thread, or one CPU, holds now.
struct HeldLocks {
  static constexpr size_t kMost = 24;
  struct Entry {
    const void* lock;
    Nanoseconds since;   // by clock()
    uintptr_t at;        // the code that took it
    uint16_t id;
  };
  std::array<Entry, kMost> entries{};
  size_t count = 0;

  // Time as the holder has it: a thread's clock stands still while it has no CPU, so that what a sleeping lock is charged
  // with is what its holder did. The scheduler says when.
  Nanoseconds clock() const { return machine::now() - without_cpu; }
  void switched_out() { left_at = machine::now(); }
  void switched_in() { without_cpu += machine::now() - left_at; }
  Nanoseconds without_cpu = 0, left_at = 0;
};

void before_lock(const LockClass& lock_class, const void* lock, LockKind kind = LockKind::Spin,
                 Attempt attempt = Attempt::Blocking);
void after_lock(const LockClass& lock_class, const void* lock, LockKind kind = LockKind::Spin);
void before_unlock(const LockClass& lock_class, const void* lock, LockKind kind = LockKind::Spin);
void note_contention(const LockClass& lock_class);
bool holds(const void* lock, LockKind kind);

// Panics if the caller holds a spinlock or is in an interrupt.
void assert_may_sleep();

// sched registers where the running thread's held sleeping locks are; nullptr before there are threads.
void set_held_locks_finder(HeldLocks* (*find)());

// Calls function(const LockStatistics&) for each class that has been locked.
size_t lock_class_count();
LockStatistics lock_class_statistics(size_t index);
template <class Function>
void for_each_lock_class(Function&& function) {
  for (size_t i = 0; i < lock_class_count(); i++) function(lock_class_statistics(i));
}

#else

class LockClass {
 public:
  constexpr explicit LockClass(const char*) {}
};
struct HeldLocks {
  void switched_out() {}
  void switched_in() {}
};

inline void before_lock(const LockClass&, const void*, LockKind = LockKind::Spin, Attempt = Attempt::Blocking) {}
inline void after_lock(const LockClass&, const void*, LockKind = LockKind::Spin) {}
inline void before_unlock(const LockClass&, const void*, LockKind = LockKind::Spin) {}
inline void note_contention(const LockClass&) {}
inline void assert_may_sleep() {}
inline void set_held_locks_finder(HeldLocks* (*)()) {}
template <class Function>
void for_each_lock_class(Function&&) {}

#endif

}  // namespace tine::sync
