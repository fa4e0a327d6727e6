// SPDX-License-Identifier: BSD-2-Clause
// Tracepoints: the last forks, starts, execs and exits of the system, in a ring that /proc/tine/trace shows. The setting
// kern.trace_events says how many it keeps (64 to 32768; 0, as at first: tracing is off); to set it begins anew.
// Seed row T3. A line is TIME (ns of uptime), the event and its fields:
//   proc:fork pid= tid= child= how= name=     how: fork, vfork, rfork, kernel
//   proc:thread pid= tid= child= name=        a thread of a process
//   sched:fork tid= pid= cpu=                 a new thread got its CPU
//   proc:exec pid= tid= name=
//   proc:exit pid= tid= status=               as wait4(2) tells it
//   proc:thread_end pid= tid=                 a thread that is not its process's first
// The first line, "# events= dropped= cpus= now=", says how many older ones had no room.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace tine::trace {

// Boot. `capacity`: as kern.trace_events; the text of 32768 events fits into one file of /proc.
Result<> init_tracepoints(uint32_t capacity);

}  // namespace tine::trace
