// SPDX-License-Identifier: BSD-2-Clause
#include "process/reap.h"

#include "process/exit.h"
#include "process/parent_thread.h"
#include "process/reaper.h"
#include "process/tracing.h"

namespace tine::process {

namespace {

// The nearest ancestor that adopts orphans, else init. Source: prctl(2) PR_SET_CHILD_SUBREAPER. Seed row K1.
Process& reaper_of(Process& process) REQUIRES(tree_lock) {
  for (Process* ancestor = process.parent.get(); ancestor != nullptr; ancestor = ancestor->parent.get())
    if (is_reaper(*ancestor) && ancestor->life.load() == LifeState::Alive && !ancestor->has(kExiting)) return *ancestor;
  return init_process();
}

// `id`: the process, or the thread of it that has ended with `status`.
SignalInfo end_signal(const Process& child, PidNumber id, int status) {
  SignalInfo info;
  const int by_signal = status & 0x7f;
  info.signal = kSigChld;
  info.code = by_signal == 0 ? 1 : (status & 0x80) != 0 ? 3 : 2;   // CLD_EXITED, CLD_DUMPED, CLD_KILLED
  info.sender.pid = id;
  info.sender.uid = child.credentials()->ruid;
  info.sender.status = by_signal == 0 ? status >> 8 & 0xff : by_signal;
  info.sender.utime = static_cast<int64_t>(child.usage.user_time / (kSecond / 100));
  info.sender.stime = static_cast<int64_t>(child.usage.system_time / (kSecond / 100));
  return info;
}

// Whoever ignores SIGCHLD, or has SA_NOCLDWAIT, does not wait. Source: wait(2), NOTES.
bool does_not_wait(const Process& process) {
  const Ref<SignalActions> actions = process.actions();
  if (!actions) return true;
  const SignalAction action = actions->get(kSigChld);
  return action.handler == SignalAction::kIgnore || (action.flags & SignalAction::kNoChildWait) != 0;
}

// What tells the parent of a child's end; 0: nothing. A new program has not asked for what the old one wanted, and may be
// one that the user who chose that signal could not send it to.
int end_signal_of(const Process& child) REQUIRES(tree_lock) {
  const bool is_wanted = child.parents_program == child.parent->program || child.has(kByDescriptor);
  return is_wanted ? child.exit_signal : kSigChld;
}

// Tells the parent of a zombie; true: nobody will wait for it, reap it.
bool notify_parent(Process& child) REQUIRES(tree_lock) {
  Process& parent = *child.parent;
  const int signal = end_signal_of(child);
  const bool reap = child.has(kNoZombie) || (signal == kSigChld && does_not_wait(parent));
  if (signal != 0 && !child.has(kNoZombie)) {
    SignalInfo info = end_signal(child, child.pid(), child.exit_status);
    info.signal = signal;
    send_signal(parent, info);
  }
  parent.child_wait.wake_all();
  return reap;
}

// Tells those who wait for a zombie on its parent's list; one that nobody waits for is reaped. Its tracer comes first: as
// long as that has not waited, the parent hears nothing (K4).
void tell_or_reap(Process& zombie, Reaped& reaped) REQUIRES(tree_lock) {
  Tracee* tracee = tracee_of_zombie(zombie);
  if (tracee != nullptr && tracee->tracer != zombie.parent) {
    if (tell_of_end(*tracee->tracer, zombie, zombie.pid(), zombie.exit_status)) return;
    reaped.take(*tracee);
    tracee = nullptr;
  }
  if (!notify_parent(zombie)) return;
  if (tracee != nullptr) reaped.take(*tracee);
  reaped.take(zombie);
}

// Whatever its creator wanted, the new parent waits for it among all, and hears of its end in the usual way.
void give_to(Process& reaper, Process& child) REQUIRES(tree_lock) {
  child.set_parent(reaper);
  child.parent_thread = reaper.pid();
  child.exit_signal = kSigChld;
  child.clear(kByDescriptor);
}

void adopt(Process& child, Process& reaper) REQUIRES(tree_lock) {
  give_to(reaper, child);
  tell_of_parent_death(child);
}

// Is `child` what links its group to its parent's in the same session?
bool is_link(const Process& child, const Process& parent) REQUIRES(tree_lock) {
  return child.group != parent.group && child.group->session == parent.group->session;
}

// A group that loses its last link to the rest of the session, with members stopped, would never be continued. One
// that had no link to lose is left alone. Source: POSIX _exit(), "orphaned process group".
void release_orphaned_group(ProcessGroup& group) REQUIRES(tree_lock) {
  if (stopped_processes.load() == 0 || !is_orphaned(group)) return;
  bool any_stopped = false;
  for (GroupMember& member : group.members)
    any_stopped |= static_cast<Process&>(member).stop_state != StopState::Running;
  if (!any_stopped) return;
  for (GroupMember& member : group.members) {
    send_signal(static_cast<Process&>(member), kernel_signal(kSigHup));
    send_signal(static_cast<Process&>(member), kernel_signal(kSigCont));
  }
}

}  // namespace

void Reaped::take(Tracee& tracee) { tracee_ = unlink(tracee); }

void Reaped::take(Process& process) {
  set_life_state(process, LifeState::Reaped);
  process.parent->zombies.erase(process.parent->zombies.iterator_to(process));
  process_ = Ref<Process>(&process, /*add_ref=*/false);   // the tree's
  process.group->members.erase(process.group->members.iterator_to(process));
  all_processes().erase(all_processes().iterator_to(process));
  process.pid_ref()->attach(static_cast<Process*>(nullptr));
  process.give_back_slot();
  parent_.swap(process.parent);
  group_.swap(process.group);
  sync::SpinGuard guard(process.lock);
  first_thread_.swap(process.first_thread);
}

void become_zombie(Process& process) {
  // Children first, one at a time: an adopted zombie may have to be reaped, which releases things outside the lock.
  while (true) {
    Reaped reaped;
    Ref<Process> former_parent;
    sync::SpinGuard guard(tree_lock);
    Process& reaper = reaper_of(process);
    if (!process.children.empty()) {
      Process& child = process.children.front();
      former_parent = child.parent;
      process.children.pop_front();
      keep_branch(child, process, reaper);
      adopt(child, reaper);
      reaper.children.push_back(child);
      if (is_link(child, process)) release_orphaned_group(*child.group);
      continue;
    }
    if (!process.zombies.empty()) {
      Process& child = process.zombies.front();
      former_parent = child.parent;
      process.zombies.pop_front();
      keep_branch(child, process, reaper);
      give_to(reaper, child);
      reaper.zombies.push_back(child);
      if (tracee_of_zombie(child) == nullptr) tell_or_reap(child, reaped);
      continue;
    }
    // None left, and under this hold of the lock none can come: the process makes no more.
    Process& parent = *process.parent;
    set_life_state(process, LifeState::Zombie);
    parent.children.erase(parent.children.iterator_to(process));
    if (is_link(process, parent)) release_orphaned_group(*process.group);
    parent.zombies.push_back(process);
    tell_or_reap(process, reaped);
    process.end_wait.wake_all();
    return;
  }
}

void give_to_parent(Process& zombie, Reaped& reaped) { tell_or_reap(zombie, reaped); }

void reset_exit_signals(Process& process) {
  sync::SpinGuard guard(tree_lock);
  ++process.program;
  if (!process.has(kByDescriptor)) process.exit_signal = kSigChld;
}

bool tell_of_end(Process& listener, const Process& process, PidNumber id, int status) {
  send_signal(listener, end_signal(process, id, status));
  listener.child_wait.wake_all();
  return !does_not_wait(listener);
}

void disown(Process& process, bool kill) {
  Reaped reaped;
  Ref<Process> former_parent;
  sync::SpinGuard guard(tree_lock);
  switch (process.life.load()) {
    case LifeState::Embryo:
    case LifeState::Reaped: return;
    case LifeState::Zombie:
      if (Tracee* tracee = tracee_of_zombie(process)) reaped.take(*tracee);
      reaped.take(process);
      return;
    case LifeState::Alive:
      former_parent = process.parent;
      former_parent->children.erase(former_parent->children.iterator_to(process));
      adopt(process, init_process());
      init_process().children.push_back(process);
      if (kill) send_signal(process, kernel_signal(kSigKill));
      return;
  }
}

}  // namespace tine::process
