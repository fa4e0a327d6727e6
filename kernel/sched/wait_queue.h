// SPDX-License-Identifier: BSD-2-Clause
// WaitQueue: where threads, pollers and event filters wait for something to change. The waiter re-checks its condition
// after each wake-up. Source: sleep queues of BSD, wait queues of Linux. Lock: each queue's spinlock, before the
// run-queue locks. wake* may be called from interrupts.
//
// A wake-up of one waiter is a debt: that waiter has to look once more before it leaves, and if it leaves without what it
// waited for (a signal, a time-out), it wakes the next one. A long queue is woken in pieces, with the lock released in
// between, so that interrupts do not stay off for as long as programs like.
#pragma once

#include <boost/intrusive/circular_list_algorithms.hpp>

#include "machine/clock.h"
#include "sched/scheduler.h"
#include "sync/spinlock.h"

namespace tine::sched {

// Something that waits. on_wake runs under the queue's lock and may not sleep; true: counts as one woken.
class Waiter {
 public:
  virtual bool on_wake(uint32_t events) = 0;

 protected:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() = default;

  // Whether this one alone was woken since the last call. What it was woken for is visible to the caller then.
  bool take_debt() {
    if (!owes_look_.load(std::memory_order_acquire)) return false;
    owes_look_.store(false, std::memory_order_relaxed);
    return true;
  }

 private:
  friend class WaitQueue;
  Waiter* next_ = nullptr;       // nullptr: in no queue
  Waiter* previous_ = nullptr;
  bool exclusive_ = false;
  std::atomic<bool> owes_look_{false};  // set under the queue's lock
};

class WaitQueue {
 public:
  constexpr explicit WaitQueue(const char* name) : lock_(name) {}
  ~WaitQueue();                    // nobody may still wait
  // At the tail. Of the exclusive ones wake() wakes but one.
  void add(Waiter& waiter, bool exclusive = false);
  void remove(Waiter& waiter);     // no effect if it is not queued
  // Each returns how many count as woken.
  unsigned wake_all(uint32_t events = ~0u) { return wake(Whom::All, events); }  // for a state that stays: the end, an error
  unsigned wake(uint32_t events) { return wake(Whom::OneExclusive, events); }   // for something that can be taken
  unsigned wake_one(uint32_t events = ~0u) { return wake(Whom::One, events); }  // the first that counts
  // Racy without the caller's own lock.
  bool has_waiters() const { return first_.load(std::memory_order_relaxed) != nullptr; }

 private:
  // A ring without a head node, so that a queue is constant-initialised.
  struct RingTraits {
    using node = Waiter;
    using node_ptr = Waiter*;
    using const_node_ptr = const Waiter*;
    static node_ptr get_next(const_node_ptr n) { return n->next_; }
    static void set_next(node_ptr n, node_ptr next) { n->next_ = next; }
    static node_ptr get_previous(const_node_ptr n) { return n->previous_; }
    static void set_previous(node_ptr n, node_ptr previous) { n->previous_ = previous; }
  };
  using Ring = boost::intrusive::circular_list_algorithms<RingTraits>;

  // A place in the queue, while its lock is not held.
  class Bookmark final : public Waiter {
   public:
    bool on_wake(uint32_t) override { return false; }
  };
  enum class Whom : uint8_t { All, OneExclusive, One };
  static constexpr unsigned kPiece = 32;

  struct Pass;
  unsigned wake(Whom whom, uint32_t events);
  void wake_rest(Pass& pass, Waiter& from) REQUIRES(lock_);
  void insert(Waiter& waiter) REQUIRES(lock_);
  void take_out(Waiter& waiter) REQUIRES(lock_);

  sync::Spinlock lock_;
  std::atomic<Waiter*> first_{nullptr};   // written under the lock
};

// Wakes the thread that made it.
class ThreadWaiter final : public Waiter {
 public:
  ThreadWaiter() : thread_(current()) {}
  bool on_wake(uint32_t) override { return wake(thread_); }
  using Waiter::take_debt;

 private:
  Thread& thread_;
};

struct WaitOptions {
  const char* name;                            // what ps shows
  Sleep sleep = Sleep::Interruptible;
  Nanoseconds deadline = kForever;             // uptime
};

// Sleeps until condition() is true. It is called with the thread already marked as sleeping, so it must not sleep (it
// may take spinlocks). Errors: RestartSys when a signal came (interruptible only), TimedOut at the deadline.
template <class Condition>
Result<> wait_until(WaitQueue& queue, WaitOptions options, Condition&& condition) {
  if (condition()) return {};
  ThreadWaiter waiter;
  queue.add(waiter);
  Result<> result;
  while (true) {
    (void)waiter.take_debt();  // the look that is owed follows
    set_sleeping(options.sleep, options.name);
    if (condition()) break;
    if (options.sleep == Sleep::Interruptible && interrupt_pending()) {
      result = Error(Errno::RestartSys);
      break;
    }
    if (options.deadline != kForever && machine::now() >= options.deadline) {
      result = Error(Errno::TimedOut);
      break;
    }
    block(options.deadline);
  }
  cancel_sleeping();
  queue.remove(waiter);
  if (waiter.take_debt()) [[unlikely]] {
    // Woken after its last look.
    if (!result && condition()) return {};
    queue.wake_one();
  }
  return result;
}

}  // namespace tine::sched
