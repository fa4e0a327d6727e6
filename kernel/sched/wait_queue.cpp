// SPDX-License-Identifier: BSD-2-Clause
#include "sched/wait_queue.h"

#include "base/assert.h"

namespace tine::sched {

WaitQueue::~WaitQueue() { ASSERT(!has_waiters()); }

void WaitQueue::add(Waiter& waiter) {
  sync::SpinGuard guard(lock_);
  DEBUG_ASSERT(waiter.next_ == nullptr);
  Waiter* first = first_.load(std::memory_order_relaxed);
  if (first == nullptr) {
    Ring::init_header(&waiter);
    first_.store(&waiter, std::memory_order_relaxed);
  } else {
    Ring::link_before(first, &waiter);
  }
}

void WaitQueue::remove(Waiter& waiter) {
  sync::SpinGuard guard(lock_);
  if (waiter.next_ == nullptr) return;
  if (first_.load(std::memory_order_relaxed) == &waiter)
    first_.store(waiter.next_ == &waiter ? nullptr : waiter.next_, std::memory_order_relaxed);
  Ring::unlink(&waiter);
  Ring::init(&waiter);
}

unsigned WaitQueue::wake(unsigned most, uint32_t events) {
  sync::SpinGuard guard(lock_);
  Waiter* const first = first_.load(std::memory_order_relaxed);
  if (first == nullptr) return 0;
  unsigned woken = 0;
  Waiter* waiter = first;
  do {
    if (waiter->on_wake(events)) woken++;
    waiter = waiter->next_;
  } while (woken < most && waiter != first);
  return woken;
}

}  // namespace tine::sched
