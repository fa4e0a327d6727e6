// SPDX-License-Identifier: BSD-2-Clause
#include "process/parent_thread.h"

namespace tine::process {

PidNumber parent_thread_of(const Process& child) {
  const Process& parent = *child.parent;
  if (child.parent_thread != parent.pid())
    if (const Ref<Thread> thread = find_thread(child.parent_thread); thread && &thread->process() == &parent)
      return child.parent_thread;
  sync::SpinGuard guard(parent.lock);
  for (const Thread& thread : parent.threads)
    if (thread.is_first()) return parent.pid();
  return parent.threads.empty() ? parent.pid() : parent.threads.front().shown_id();
}

Result<> set_parent_death_signal(Process& process, int signal) {
  if (signal < 0 || signal > kSignalCount) return Error(Errno::Inval);
  sync::SpinGuard tree(tree_lock);
  if (signal != 0 && process.parent) process.parent->set(kTellsOfThreadsEnd);
  sync::SpinGuard guard(process.lock);
  process.parent_death_signal = signal;
  return {};
}

int parent_death_signal(const Process& process) {
  sync::SpinGuard guard(process.lock);
  return process.parent_death_signal;
}

void tell_of_parent_death(Process& child) {
  const int signal = parent_death_signal(child);
  if (signal == 0) return;
  child.parent->set(kTellsOfThreadsEnd);
  send_signal(child, kernel_signal(signal));
}

void tell_of_thread_end(Process& process, PidNumber thread) {
  if (!process.has(kTellsOfThreadsEnd)) return;
  sync::SpinGuard guard(tree_lock);
  for (Process& child : process.children) {
    if (child.parent_thread != thread) continue;
    child.parent_thread = process.pid();
    tell_of_parent_death(child);
  }
}

}  // namespace tine::process
