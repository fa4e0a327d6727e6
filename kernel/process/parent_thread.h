// SPDX-License-Identifier: BSD-2-Clause
// Linux's processes are children of a thread, not of a process: wait(2) with __WNOTHREAD finds the caller's own, and a
// child's parent-death signal comes when that thread ends, though its process lives on. Source: wait(2), prctl(2)
// PR_SET_PDEATHSIG.
#pragma once

#include "process/process.h"

namespace tine::process {

// The thread of its parent that a child belongs to: the one that made it, or after that one's end the parent's main thread, or
// what comes first of its threads when that has ended too.
PidNumber parent_thread_of(const Process& child) REQUIRES(tree_lock);

// 0: none. Inval: there is no such signal.
Result<> set_parent_death_signal(Process& process, int signal);
int parent_death_signal(const Process& process);

// A thread has left its process, where others go on: children that it made hear of it if they asked.
void tell_of_thread_end(Process& process, PidNumber thread);
// The same of a child whose parent has ended, once it has a new one.
void tell_of_parent_death(Process& child) REQUIRES(tree_lock);

}  // namespace tine::process
