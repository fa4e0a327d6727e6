// SPDX-License-Identifier: BSD-2-Clause
#include "process/group.h"

#include "process/process.h"

namespace tine::process {

Session::~Session() { id->attach(static_cast<Session*>(nullptr)); }
ProcessGroup::~ProcessGroup() { id->attach(static_cast<ProcessGroup*>(nullptr)); }

namespace {

Result<Ref<ProcessGroup>> make_group(Ref<Pid> id, Ref<Session> session) {
  return mem::make_ref<ProcessGroup>(std::move(id), std::move(session));
}

// Moves a member; returns the group it leaves, to be released after tree_lock is dropped.
Ref<ProcessGroup> move_to_group(Process& process, Ref<ProcessGroup> group) REQUIRES(tree_lock) {
  process.group->members.erase(process.group->members.iterator_to(process));
  group->members.push_front(process);
  process.group.swap(group);
  return group;
}

}  // namespace

Result<> set_process_group(Process& caller, PidNumber pid, PidNumber group_number) {
  if (pid < 0 || group_number < 0) return Error(Errno::Inval);
  const Ref<Process> target = pid == 0 ? Ref<Process>(&caller) : find_process(pid);
  if (!target) return Error(find_thread(pid) ? Errno::Inval : Errno::Srch);
  if (group_number == 0) group_number = target->pid();

  Ref<ProcessGroup> group, left;   // released after the lock
  sync::SpinGuard guard(tree_lock);
  if (target->life.load() == LifeState::Reaped) return Error(Errno::Srch);   // one that is not yet reaped has a group
  if (target != &caller) {
    if (target->parent != &caller) return Error(Errno::Srch);
    if (target->has(kExecuted)) return Error(Errno::Acces);
    if (target->group->session != caller.group->session) return Error(Errno::Perm);
  }
  if (target->group->session->leader == target.get()) return Error(Errno::Perm);
  // Under the lock: a shell and its child both make the child's group, each in case that it is the first.
  group = find_group(group_number);
  if (group == target->group) return {};
  const bool is_own = group_number == target->pid();
  if (!is_own && group && group->members.empty()) return Error(Errno::Perm);
  const bool is_new = is_own && !group;
  if (is_new) group = TRY(make_group(target->pid_ref(), target->group->session));
  if (!group || group->session != caller.group->session) return Error(Errno::Perm);
  if (is_new) group->id->attach(group.get());
  left = move_to_group(*target, std::move(group));
  return {};
}

Result<PidNumber> make_session(Process& caller) {
  const Ref<Session> session = TRY(mem::make_ref<Session>(caller.pid_ref()));
  const Ref<ProcessGroup> group = TRY(make_group(caller.pid_ref(), session));
  Ref<ProcessGroup> namesake, left;
  sync::SpinGuard guard(tree_lock);
  // The caller leads a group, or one that it led lives on.
  namesake = find_group(caller.pid());
  if (namesake && !namesake->members.empty()) return Error(Errno::Perm);
  session->leader = &caller;
  session->id->attach(session.get());
  group->id->attach(group.get());
  left = move_to_group(caller, group);
  caller.clear(kControllingTerminal);
  return caller.pid();
}

Result<unsigned> signal_group(ProcessGroup& group, const SignalInfo& info, const Process* sender) {
  sync::SpinGuard guard(tree_lock);
  unsigned reached = 0;
  bool refused = false;
  for (GroupMember& member : group.members) {
    Process& process = static_cast<Process&>(member);
    if (process.life.load() == LifeState::Reaped) continue;
    if (sender != nullptr && !check_may_signal(*sender, process, info.signal)) {
      refused = true;
      continue;
    }
    ++reached;
    if (info.signal != 0) send_signal(process, info);
  }
  if (reached == 0) return Error(refused ? Errno::Perm : Errno::Srch);
  return reached;
}

// Orphaned: no member has a parent in another group of the same session. Source: setpgid(2), POSIX 3.264.
bool is_orphaned(const ProcessGroup& group) {
  for (const GroupMember& member : group.members) {
    const Process& process = static_cast<const Process&>(member);
    if (process.life.load() != LifeState::Alive || !process.parent) continue;
    const ProcessGroup& parents = *process.parent->group;
    if (&parents != &group && parents.session == group.session) return false;
  }
  return true;
}

}  // namespace tine::process
