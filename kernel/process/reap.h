// SPDX-License-Identifier: BSD-2-Clause
// From the end of a process to its disappearance: what exit.cpp and wait.cpp share.
#pragma once

#include "process/process.h"

namespace tine::process {

// The process, whose last thread calls this, becomes a zombie (or, where nobody wants one, is reaped at once); its
// children get a new parent; its own parent is signalled and woken.
void become_zombie(Process& process) EXCLUDES(tree_lock);

// A traced thread or process has ended with `status`: tells its tracer. False: that does not wait for anybody.
bool tell_of_end(Process& listener, const Process& process, PidNumber id, int status) REQUIRES(tree_lock);

// Nobody will wait for this child any more (pdfork(2): its last descriptor was closed): init becomes its parent, a
// zombie is reaped. `kill`: it does not outlive that. No effect on an embryo.
void disown(Process& process, bool kill) EXCLUDES(tree_lock);

// The process runs a new program: its end is told by SIGCHLD, and so is that of its children, whatever the old program
// and its creator wanted. Source: execve(2).
void reset_exit_signals(Process& process) EXCLUDES(tree_lock);

// Holds what a reaped process referred to until tree_lock is dropped, since last releases may take other locks.
class Reaped {
 public:
  Reaped() = default;
  // Takes a zombie out of every list and map and gives back its slots. The number is free when all references are gone.
  void take(Process& process) REQUIRES(tree_lock);
  // Takes a tracee from its tracer.
  void take(Tracee& tracee) REQUIRES(tree_lock);

 private:
  Ref<Tracee> tracee_;
  Ref<Process> process_;
  Ref<Process> parent_;
  Ref<ProcessGroup> group_;
  Ref<Thread> first_thread_;
};

// The tracer of a zombie has waited for it or let go of it: it is its parent's again.
void give_to_parent(Process& zombie, Reaped& reaped) REQUIRES(tree_lock);

}  // namespace tine::process
