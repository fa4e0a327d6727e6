// SPDX-License-Identifier: BSD-2-Clause
// profil(2): a histogram of where a process's threads are. Each CPU has a profiling clock, which ticks only while a
// thread of a profiled process runs there. A tick, under the interrupt, notes the program counter; the counter in user
// memory is advanced on a thread's way back to user mode. Time in the kernel counts where the program called it.
// Inherited by fork (seed row C5), ended by exec. A process that is not profiled pays one test of kProfiling for each
// switch and each fork. Source: profil(2) of FreeBSD and OpenBSD.
// Lock: profiled_lock guards the list of profiled processes and their notes; a leaf, also taken under interrupts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace tine::process {

class Process;
class Thread;

inline constexpr unsigned kProfileFrequency = 1000;   // ticks per second
inline constexpr uint32_t kWorkProfile = 8;           // in user_work, beside the bits of sched::UserWork

// The 16-bit counter for a program counter is the one at byte (pc - offset) * scale / 65536, rounded down to even.
struct Profile {
  uintptr_t counters = 0;
  size_t size = 0;         // bytes
  uintptr_t offset = 0;    // the lowest program counter
  uint32_t scale = 0;      // at most 65536: a counter for each two bytes of program; 0: not profiled
};

Result<> init_profiling();   // boot

// Begins, changes or (scale 0) ends the profiling of a process. Inval: the scale. Fault: no user memory. NoMem.
Result<> set_profile(Process& process, const Profile& profile);

// A thread of a profiled process got this CPU: its clock runs from here on. Interrupts off.
void start_profile_clock();
// On the way back to user mode: advances the user's counters by the ticks that have come.
void add_profile_ticks(Thread& thread);

}  // namespace tine::process
