// SPDX-License-Identifier: BSD-2-Clause
// Futexes: threads that sleep on a word of user memory. Source: futex(2).
//
// A futex is named by where its word is stored, not by its address: a word in memory that is shared between
// processes (MAP_SHARED) by memory object and offset, any other by address space and address.
//
// No wake-up is lost: a waiter queues itself first and reads the word then, so a waker that changed the word
// before looking at the queue either finds the waiter or has made it see the change. (User memory may not be
// touched under a spinlock, so the word cannot be checked under the bucket's lock as other kernels do.) Lock:
// each bucket's spinlock, two in order of address, before the run-queue locks.
#pragma once

#include "base/ref.h"
#include "base/result.h"
#include "base/units.h"
#include "vm/memory_object.h"

namespace tine::process {
class Thread;
}

namespace tine::event {

class FutexKey {
 public:
  // Private says that only this address space uses the word (FUTEX_PRIVATE_FLAG): no lookup is needed then.
  enum class Scope : uint8_t { Private, Shared };
  // The key of a word of the running thread's memory. A shared one must be readable. Errors: Inval (not 4-byte
  // aligned), Fault.
  static Result<FutexKey> of(uintptr_t address, Scope scope);

  size_t hash() const;
  bool operator==(const FutexKey& other) const { return space_ == other.space_ && offset_ == other.offset_; }

 private:
  const void* space_ = nullptr;  // the address space, or the memory object
  uint64_t offset_ = 0;
  Ref<vm::MemoryObject> object_;  // keeps the object's address its own while somebody waits
};

inline constexpr uint32_t kAnyBits = ~0u;

// A time of the uptime clock, or of the wall clock, which may be set meanwhile.
struct FutexDeadline {
  Nanoseconds time = kForever;
  bool on_wall_clock = false;
  Nanoseconds uptime() const;
};

// The urgency of the running thread: its real-time priority, 0 for others. Waiters are woken by urgency, those of the
// same in order of arrival.
unsigned urgency_of_running();

// Sleeps while the word is `expected`, until a wake whose bits meet `bits`, or `deadline`. Errors:
// Again (the word differs), TimedOut, RestartSys (a signal), Fault, Inval.
Result<> futex_wait(const FutexKey& key, uintptr_t address, uint32_t expected, uint32_t bits,
                    FutexDeadline deadline);

// Wakes at most `most` waiters whose bits meet `bits`, the most urgent first; returns how many.
unsigned futex_wake(const FutexKey& key, unsigned most, uint32_t bits = kAnyBits);

// Wakes at most `wake` waiters of `from` and moves at most `move` others to `to`. With `expected`, only if
// the word at `address` (of `from`) is that: Again otherwise. Returns how many were woken, plus those moved
// with `expected`.
struct FutexRequeue {
  unsigned wake = 0;
  unsigned move = 0;
  const uint32_t* expected = nullptr;
};
Result<unsigned> futex_requeue(const FutexKey& from, uintptr_t address, const FutexKey& to,
                               FutexRequeue request);

// FUTEX_WAKE_OP: changes the second word as `operation` says, wakes waiters of the first, and those of the
// second if its old value meets the operation's comparison.
Result<unsigned> futex_wake_op(const FutexKey& first, unsigned wake_first, const FutexKey& second,
                               uintptr_t second_address, unsigned wake_second, uint32_t operation);

void init_futexes();

}  // namespace tine::event
