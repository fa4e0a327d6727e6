// SPDX-License-Identifier: BSD-2-Clause
// Jitter: the scheduler of a debug kernel decides by chance, to bring out races of the kernel and of programs that an
// even machine hides: slices of 31 us to 4 ms, preemption at wake-ups, a thread other than the first of the fair queue,
// any CPU that is allowed. Real-time threads keep their order. On with `sched.jitter` on the command line.
#pragma once

#include "base/log.h"

namespace tine::sched {

#if TINE_DEBUG
void set_jitter(bool on);  // during boot
// True once in `odds` times on average; always false without jitter. Any context.
bool jitter(unsigned odds);
#else
inline void set_jitter(bool on) {
  if (on) log(LogLevel::Warning, "command line: sched.jitter is for debug kernels; ignored\n");
}
inline bool jitter(unsigned) { return false; }
#endif

}  // namespace tine::sched
