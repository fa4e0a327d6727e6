// SPDX-License-Identifier: BSD-2-Clause
#include "sched/wait_queue.h"

#include "base/assert.h"

namespace tine::sched {

WaitQueue::~WaitQueue() { ASSERT(!has_waiters()); }

void WaitQueue::insert(Waiter& waiter) {
  DEBUG_ASSERT(waiter.next_ == nullptr);
  Waiter* first = first_.load(std::memory_order_relaxed);
  if (first == nullptr) {
    Ring::init_header(&waiter);
    first_.store(&waiter, std::memory_order_relaxed);
  } else {
    Ring::link_before(first, &waiter);
  }
}

void WaitQueue::take_out(Waiter& waiter) {
  if (first_.load(std::memory_order_relaxed) == &waiter)
    first_.store(waiter.next_ == &waiter ? nullptr : waiter.next_, std::memory_order_relaxed);
  Ring::unlink(&waiter);
  Ring::init(&waiter);
}

void WaitQueue::add(Waiter& waiter, bool exclusive) {
  sync::SpinGuard guard(lock_);
  waiter.exclusive_ = exclusive;
  insert(waiter);
}

void WaitQueue::remove(Waiter& waiter) {
  sync::SpinGuard guard(lock_);
  if (waiter.next_ != nullptr) take_out(waiter);
}

// What one call has done so far.
struct WaitQueue::Pass {
  const Whom whom;
  const uint32_t events;
  unsigned woken = 0;
  bool exclusive_woken = false;

  // True: nobody else is to be woken.
  bool visit(Waiter& waiter) {
    if (waiter.exclusive_ && exclusive_woken) return false;
    if (!waiter.on_wake(events)) return false;
    woken++;
    if (whom == Whom::All) return false;
    if (whom == Whom::OneExclusive && !waiter.exclusive_) return false;
    waiter.owes_look_.store(true, std::memory_order_release);
    exclusive_woken = true;
    return whom == Whom::One;
  }
};

unsigned WaitQueue::wake(Whom whom, uint32_t events) {
  sync::SpinGuard guard(lock_);
  Waiter* const first = first_.load(std::memory_order_relaxed);
  if (first == nullptr) return 0;
  Pass pass{whom, events};
  Waiter* waiter = first;
  for (unsigned i = 0; i < kPiece; i++) {
    if (pass.visit(*waiter)) return pass.woken;
    waiter = waiter->next_;
    if (waiter == first) return pass.woken;
  }
  wake_rest(pass, *waiter);
  return pass.woken;
}

// The end is marked too: those that come meanwhile need not be woken.
void WaitQueue::wake_rest(Pass& pass, Waiter& from) {
  Bookmark place, end;
  insert(end);
  Waiter* waiter = &from;
  for (unsigned i = 0; waiter != &end; i++) {
    if (i % kPiece == 0) {
      Ring::link_before(waiter, &place);
      lock_.unlock();
      lock_.lock();
      waiter = place.next_;
      take_out(place);
      if (waiter == &end) break;
    }
    if (pass.visit(*waiter)) break;
    waiter = waiter->next_;
  }
  take_out(end);
}

}  // namespace tine::sched
