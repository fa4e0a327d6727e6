// SPDX-License-Identifier: BSD-2-Clause
// The announcing side of life_events.h: what fork, exec, exit and signal delivery call. Only process/ includes this.
#pragma once

#include "process/life_events.h"

namespace tine::process {

// What subscribers took for one fork; gives it back unless the fork is announced.
class LifeReservation {
 public:
  LifeReservation() = default;
  LifeReservation(const LifeReservation&) = delete;
  LifeReservation& operator=(const LifeReservation&) = delete;
  ~LifeReservation();
  Result<> take(Process& parent, const ForkRequest& request);
  void announce(Process& parent, Process& child, const ForkRequest& request) &&;

 private:
  struct Place {
    LifeSubscriber* subscriber;
    uintptr_t token;
  };
  Place places_[kMaxLifeSubscribers];
  unsigned count_ = 0;
};

void announce_thread(Thread& creator, Thread& made);
void announce_thread_end(Thread& thread);
void announce_started(Thread& thread, uint32_t cpu);
void announce_first_return(Thread& thread);
void announce_signal_taken(Thread& thread, const SignalInfo& info, uintptr_t handler);
void announce_exec(Process& process);
void announce_exit(Process& process);
void announce_signal(Process& process, int signal);

}  // namespace tine::process
