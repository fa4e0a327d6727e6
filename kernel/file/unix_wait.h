// SPDX-License-Identifier: BSD-2-Clause
// Waiting as SO_RCVTIMEO and SO_SNDTIMEO say. Source: socket(7), signal(7).
#pragma once

#include "sched/wait_queue.h"

namespace tine::file {

// Sleeps until condition() is true, see sched::wait_until. Again after `timeout`. With a timeout, a signal ends the wait for
// good: Intr.
template <class Condition>
Result<> wait_with_timeout(sched::WaitQueue& queue, const char* name, Nanoseconds timeout, Condition&& condition) {
  const Nanoseconds now = machine::now();
  const Nanoseconds deadline = timeout < kForever - now ? now + timeout : kForever;
  const Result<> result = sched::wait_until(queue, {.name = name, .deadline = deadline}, condition);
  if (result) return {};
  if (result.error() == Errno::TimedOut) return Error(Errno::Again);
  if (result.error() == Errno::RestartSys && timeout != kForever) return Error(Errno::Intr);
  return result;
}

}  // namespace tine::file
