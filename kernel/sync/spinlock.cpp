// SPDX-License-Identifier: BSD-2-Clause
#include "sync/spinlock.h"

namespace tine::sync {

// Waits on a plain read, so that the holder keeps the cache line until it lets go.
void Spinlock::lock_contended() {
  note_contention(class_);
  do {
    while (held_.load(std::memory_order_relaxed) != 0) machine::spin_pause();
  } while (held_.exchange(1, std::memory_order_acquire) != 0);
}

bool Spinlock::try_lock() {
  machine::push_interrupts_off();
  before_lock(class_, this, LockKind::Spin, Attempt::Try);
  if (held_.exchange(1, std::memory_order_acquire) != 0) {
    machine::pop_interrupts_off();
    return false;
  }
  after_lock(class_, this);
  return true;
}

}  // namespace tine::sync
