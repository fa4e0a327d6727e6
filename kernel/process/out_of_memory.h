// SPDX-License-Identifier: BSD-2-Clause
// What happens when a program needs a page and no memory is left: of the user who holds most, what the kernel keeps for it
// included, the process whose end gives back most is killed, and the thread that needed the page tries again. Programs cannot be told, as no system call fails. So too for system calls of which
// Linux's cannot fail for want of memory, as close(2), where the kernel's way of doing them takes some.
#pragma once

#include "base/result.h"

namespace tine::process {

class Thread;

// For the running thread, which holds no spinlock and may hold mutexes: sleeps a while. True: memory was given back, or
// may have been; try again. False: it was not short (the failure was injected), or the thread itself has to end.
bool make_room(Thread& caller);

// As make_room, for one that has no other answer than to try again: sleeps in any case. False: the thread has to end.
bool wait_for_room(Thread& caller);

// Does `work`, which returns a Result, until it does not lack memory. NoMem all the same: the thread has to end.
template <class Work>
auto until_there_is_room(Thread& caller, Work&& work) {
  auto result = work();
  while (!result && result.error() == Errno::NoMem && wait_for_room(caller)) result = work();
  return result;
}

}  // namespace tine::process
