// SPDX-License-Identifier: BSD-2-Clause
#include "sync/park.h"

#include "sched/scheduler.h"

namespace tine::sync {

void park(const char* reason) {
  sched::Thread& thread = sched::current();
  while (true) {
    sched::set_sleeping(sched::Sleep::Uninterruptible, reason);
    if (thread.park_token.exchange(false)) break;
    sched::block(kForever);
  }
  sched::cancel_sleeping();
}

void unpark(void* parked) {
  auto& thread = *static_cast<sched::Thread*>(parked);
  thread.park_token.store(true);
  sched::wake(thread);
}

}  // namespace tine::sync
