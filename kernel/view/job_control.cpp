// SPDX-License-Identifier: BSD-2-Clause
// Terminals and sessions: which session a terminal controls, which of its groups is in the foreground, and what happens
// to the others when they read or write. Source: POSIX 11.1, tty_ioctl(4), credentials(7). Lock: process::tree_lock;
// references that it guards are released after it, since a last release may go a long way.
#include "view/tty.h"

namespace tine::view {

using process::Process;
using process::ProcessGroup;
using process::Session;
using process::tree_lock;

Ref<process::ControllingTerminal> controlling_terminal(const Process& process) {
  sync::SpinGuard guard(tree_lock);
  if (!process.group || !process.has(process::kControllingTerminal)) return {};
  return process.group->session->terminal;
}

bool Tty::controls(const Process& process) const {
  return process.has(process::kControllingTerminal) && session_ && process.group->session == session_;
}

// Exchanges what is there with the arguments, which the caller releases after tree_lock.
void Tty::set_session_locked(Ref<Session>& session, Ref<ProcessGroup>& foreground) {
  session_.swap(session);
  foreground_.swap(foreground);
  foreground_number_.store(foreground_ ? foreground_->id->number() : 0, std::memory_order_relaxed);
}

void Tty::signal_foreground(int signal) {
  Ref<ProcessGroup> group;
  {
    sync::SpinGuard guard(tree_lock);
    group = foreground_;
  }
  if (group) (void)process::signal_group(*group, process::kernel_signal(signal), nullptr);   // it may be empty by now
}

// May the running thread use this terminal like a foreground process? One in the background gets `signal` (SIGTTIN to
// read, SIGTTOU to change something), and does the call again when it is continued. Where the signal could not stop it, a
// read fails and a change is allowed; in an orphaned group, which nobody would continue, both fail.
Result<> Tty::check_background(int signal) {
  process::Thread& thread = process::current();
  Process& process = thread.process();
  Ref<ProcessGroup> group;
  bool orphaned = false;
  {
    sync::SpinGuard guard(tree_lock);
    if (!controls(process) || !foreground_ || process.group == foreground_) return {};
    group = process.group;
    orphaned = process::is_orphaned(*group);
  }
  if (thread.mask.has(signal) || process.actions()->ignored().has(signal)) {
    if (signal == process::kSigTtin) return Error(Errno::Io);
    return {};
  }
  if (orphaned) return Error(Errno::Io);
  (void)process::signal_group(*group, process::kernel_signal(signal), nullptr);
  return Error(Errno::RestartSys);
}

Result<> Tty::take_as_controlling_terminal(Process& process, bool steal) {
  const bool may_steal = steal && process.credentials()->capable(identity::Capability::SysAdmin);
  Ref<Session> session;
  Ref<ProcessGroup> group;
  Ref<process::ControllingTerminal> self;
  sync::SpinGuard guard(tree_lock);
  session = process.group->session;
  if (session->leader == &process && session_ == session) return {};
  if (session->leader != &process || session->terminal) return Error(Errno::Perm);
  if (session_) {
    if (!may_steal) return Error(Errno::Perm);
    session_->terminal.swap(self);
  }
  // `self` leaves with the old session's reference, or is a new one for the new session.
  if (!self) self = Ref<process::ControllingTerminal>(this);
  session->terminal.swap(self);
  process.set(process::kControllingTerminal);
  group = process.group;
  set_session_locked(session, group);
  return {};
}

void Tty::attach_on_open(Process& process) {
  {
    sync::SpinGuard guard(tree_lock);
    if (session_ || process.group->session->leader != &process || process.group->session->terminal) return;
  }
  (void)take_as_controlling_terminal(process, false);   // somebody else may just have taken it: then this one does without
}

// TIOCNOTTY. When the leader gives it up, the whole session loses it.
Result<> Tty::give_up_controlling_terminal(Process& process) {
  Ref<Session> session;
  Ref<ProcessGroup> foreground;
  Ref<process::ControllingTerminal> self;
  {
    sync::SpinGuard guard(tree_lock);
    if (!controls(process)) return Error(Errno::NotTty);
    process.clear(process::kControllingTerminal);
    if (session_->leader != &process) return {};
    session_->terminal.swap(self);
    set_session_locked(session, foreground);
  }
  if (foreground) {
    (void)process::signal_group(*foreground, process::kernel_signal(process::kSigHup), nullptr);
    (void)process::signal_group(*foreground, process::kernel_signal(process::kSigCont), nullptr);
  }
  return {};
}

// The leader of a session has ended: its terminal is free for another one.
void Tty::session_leader_exited(Session& session) {
  Ref<Session> old_session;
  Ref<ProcessGroup> foreground;
  Ref<process::ControllingTerminal> self;
  {
    sync::SpinGuard guard(tree_lock);
    if (session_ != &session) return;
    session.terminal.swap(self);
    set_session_locked(old_session, foreground);
  }
  if (hangs_up_with_leader()) hang_ups_.fetch_add(1, std::memory_order_acq_rel);
  if (foreground) (void)process::signal_group(*foreground, process::kernel_signal(process::kSigHup), nullptr);
  wake_readers();
  wake_writers();
}

void Tty::hang_up() {
  Ref<Session> session;
  Ref<ProcessGroup> foreground;
  Ref<process::ControllingTerminal> self;
  {
    sync::SpinGuard guard(tree_lock);
    if (session_) {
      session_->terminal.swap(self);
      if (Process* leader = session_->leader; leader != nullptr) {
        process::send_signal(*leader, process::kernel_signal(process::kSigHup));
        process::send_signal(*leader, process::kernel_signal(process::kSigCont));
      }
    }
    set_session_locked(session, foreground);
  }
  hang_ups_.fetch_add(1, std::memory_order_acq_rel);
  {
    sync::SpinGuard guard(lock_);
    discipline_.flush_input();
    discipline_.set_stopped(false);
  }
  input_taken();
  wake_readers();
  wake_writers();
}

Result<process::PidNumber> Tty::foreground_of(Process& process) {
  sync::SpinGuard guard(tree_lock);
  if (!controls(process)) return Error(Errno::NotTty);
  return foreground_ ? foreground_->id->number() : 0;
}

Result<process::PidNumber> Tty::session_of(Process& process) {
  sync::SpinGuard guard(tree_lock);
  if (!controls(process)) return Error(Errno::NotTty);
  return session_->id->number();
}

Result<> Tty::set_foreground(Process& process, process::PidNumber number) {
  if (number < 0) return Error(Errno::Inval);
  Ref<ProcessGroup> group = process::find_group(number);
  Ref<Session> session;
  sync::SpinGuard guard(tree_lock);
  if (!controls(process)) return Error(Errno::NotTty);
  if (!group) return Error(Errno::Srch);
  if (group->session != session_) return Error(Errno::Perm);
  session = session_;
  set_session_locked(session, group);
  return {};
}

}  // namespace tine::view
