// SPDX-License-Identifier: BSD-2-Clause
// WaitQueue: where threads, pollers and event filters wait for something to change. The waiter re-checks its condition
// after each wake-up. Source: sleep queues of BSD, wait queues of Linux. Lock: each queue's spinlock, before the
// run-queue locks. wake_* may be called from interrupts.
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

 private:
  friend class WaitQueue;
  Waiter* next_ = nullptr;       // nullptr: in no queue
  Waiter* previous_ = nullptr;
};

class WaitQueue {
 public:
  constexpr explicit WaitQueue(const char* name) : lock_(name) {}
  ~WaitQueue();                    // nobody may still wait
  void add(Waiter& waiter);        // at the tail
  void remove(Waiter& waiter);     // no effect if it is not queued
  unsigned wake_all(uint32_t events = ~0u) { return wake(~0u, events); }
  unsigned wake_one(uint32_t events = ~0u) { return wake(1, events); }
  unsigned wake(unsigned most, uint32_t events);
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

  sync::Spinlock lock_;
  std::atomic<Waiter*> first_{nullptr};   // written under the lock
};

// Wakes the thread that made it.
class ThreadWaiter final : public Waiter {
 public:
  ThreadWaiter() : thread_(current()) {}
  bool on_wake(uint32_t) override { return wake(thread_); }

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
  return result;
}

}  // namespace tine::sched
