// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/signal.h"

#include <algorithm>

#include "abi/linux/timespec.h"
#include "process/signal_frame.h"
#include "sched/clock.h"

namespace tine::abi::linux_abi {

using process::AlternateStack;
using process::PidNumber;
using process::Process;
using process::SignalAction;
using process::SignalInfo;
using process::SignalSet;
using process::Thread;
using process::tree_lock;

namespace {

struct UserSignalAction {  // struct kernel_sigaction
  uint64_t handler, flags, restorer, mask;
};

struct UserStack {  // stack_t
  uint64_t base;
  uint32_t flags, padding;
  uint64_t size;
};

constexpr uint64_t kKnownActionFlags = SignalAction::kNoChildStop | SignalAction::kNoChildWait |
                                       SignalAction::kSigInfo | SignalAction::kRestorer |
                                       SignalAction::kOnStack | SignalAction::kRestart |
                                       SignalAction::kNoDefer | SignalAction::kResetHand;

// 0 asks only whether the signal could be sent.
Result<> check_signal_number(int signal) {
  return signal == 0 || process::is_signal(signal) ? Result<>() : Error(Errno::Inval);
}

// kill(-1): everybody but init and the caller, in one step as for a group: none of those that fork as fast as they can
// slips through.
Result<> signal_everybody(Process& sender, const SignalInfo& info) {
  sync::SpinGuard guard(tree_lock);
  Errno why = Errno::Srch;
  bool reached = false;
  for (Process& target : process::all_processes()) {
    if (&target == &sender || target.pid() <= 1 || target.has(process::kSystem)) continue;
    if (!process::check_may_signal(sender, target, info.signal)) {
      why = Errno::Perm;
      continue;
    }
    reached = true;
    if (info.signal != 0) process::send_signal(target, info);
  }
  return reached ? Result<>() : Error(why);
}

Result<> kill_thread(const Call& call, PidNumber group, PidNumber id, int signal) {
  if (id <= 0) return Error(Errno::Inval);
  TRY(check_signal_number(signal));
  const Ref<Thread> target = process::find_thread(id);
  if (target == nullptr || (group != 0 && target->process().pid() != group)) return Error(Errno::Srch);
  SignalInfo info = process::user_signal(signal, call.process());
  info.code = process::kFromThreadKill;
  return process::signal_from(call.process(), *target, info);
}

// What sigqueue(3) may claim about the sender: to others, only that it is a program.
Result<SignalInfo> load_queued_info(int signal, uint64_t address, bool to_itself) {
  TRY(check_signal_number(signal));
  SignalInfo info = TRY(vm::UserPtr<const SignalInfo>(address).load());
  info.signal = signal;
  if ((info.code >= 0 || info.code == process::kFromThreadKill) && !to_itself) return Error(Errno::Perm);
  return info;
}

// Sleeps until a signal has to be handled; the call ends only by a handler.
CallResult wait_for_signal(Thread& thread, const char* name) {
  (void)sched::wait_until(thread.signal_wait, {name}, [] { return false; });
  return Error(Errno::RestartNoHandler);
}

}  // namespace

Result<SignalSet> load_signal_set(vm::UserPtr<const uint64_t> set, uint64_t size) {
  if (size != sizeof(uint64_t)) return Error(Errno::Inval);
  return SignalSet(TRY(set.load())) & ~process::kUnblockable;
}

CallResult sys_rt_sigaction(const Call& call) {
  const int signal = call.as_int(0);
  const auto wanted = call.pointer<const UserSignalAction>(1);
  const auto previous = call.pointer<UserSignalAction>(2);
  if (call.args[3] != sizeof(uint64_t) || !process::is_signal(signal)) return Error(Errno::Inval);
  SignalAction action;
  if (wanted) {
    if (process::kUnblockable.has(signal)) return Error(Errno::Inval);
    const UserSignalAction given = TRY(wanted.load());
    action = {given.handler, given.flags & kKnownActionFlags, given.restorer,
              SignalSet(given.mask) & ~process::kUnblockable};
  }
  const SignalAction old =
      TRY(process::set_signal_action(call.process(), signal, wanted ? &action : nullptr));
  if (previous) TRY(previous.store({old.handler, old.flags, old.restorer, old.mask.bits()}));
  return 0;
}

CallResult sys_rt_sigprocmask(const Call& call) {
  enum : int { kBlock = 0, kUnblock = 1, kSetMask = 2 };
  const auto wanted = call.pointer<const uint64_t>(1);
  const auto previous = call.pointer<uint64_t>(2);
  if (call.args[3] != sizeof(uint64_t)) return Error(Errno::Inval);
  const SignalSet old = call.thread.mask;
  if (wanted) {
    const SignalSet set(TRY(wanted.load()));
    switch (call.as_int(0)) {
      case kBlock:
        process::set_signal_mask(call.thread, old | set);
        break;
      case kUnblock:
        process::set_signal_mask(call.thread, old & ~set);
        break;
      case kSetMask:
        process::set_signal_mask(call.thread, set);
        break;
      default:
        return Error(Errno::Inval);
    }
  }
  if (previous) TRY(previous.store(old.bits()));
  return 0;
}

CallResult sys_rt_sigpending(const Call& call) {
  if (call.args[1] > sizeof(uint64_t)) return Error(Errno::Inval);
  const uint64_t pending = (process::pending_signals(call.thread) & call.thread.mask).bits();
  TRY(vm::copy_out(call.args[0], &pending, call.args[1]));
  return 0;
}

CallResult sys_rt_sigsuspend(const Call& call) {
  process::set_temporary_mask(call.thread,
                              TRY(load_signal_set(call.pointer<const uint64_t>(0), call.args[1])));
  return wait_for_signal(call.thread, "sigsuspend");
}

CallResult sys_pause(const Call& call) { return wait_for_signal(call.thread, "pause"); }

CallResult sys_rt_sigtimedwait(const Call& call) {
  Thread& thread = call.thread;
  const SignalSet wanted = TRY(load_signal_set(call.pointer<const uint64_t>(0), call.args[3]));
  Nanoseconds deadline = kForever;
  if (call.args[2] != 0)
    deadline = deadline_after(TRY(to_nanoseconds(TRY(call.pointer<const TimeSpec>(2).load()))));

  SignalInfo info;
  Result<> waited;
  process::set_waiting_for(thread, wanted);
  // Another thread may be quicker to take what woke this one.
  while (!process::take_signal(thread, wanted, info)) {
    if (!waited) {
      process::set_waiting_for(thread, SignalSet());
      return Error(waited.error() == Errno::TimedOut ? Errno::Again : Errno::Intr);
    }
    waited = sched::wait_until(thread.signal_wait, {"sigwait", sched::Sleep::Interruptible, deadline},
                               [&] { return !(process::pending_signals(thread) & wanted).empty(); });
  }
  process::set_waiting_for(thread, SignalSet());
  if (call.args[1] != 0) TRY(call.pointer<SignalInfo>(1).store(info));
  return static_cast<uint64_t>(info.signal);
}

CallResult sys_kill(const Call& call) {
  const PidNumber pid = call.as_int(0);
  const int signal = call.as_int(1);
  Process& sender = call.process();
  TRY(check_signal_number(signal));
  const SignalInfo info = process::user_signal(signal, sender);
  if (pid > 0) {
    const Ref<Process> target = process::find_process_of(pid);
    if (target == nullptr) return Error(Errno::Srch);
    TRY(process::signal_from(sender, *target, info));
    return 0;
  }
  if (pid == -1) {
    TRY(signal_everybody(sender, info));
    return 0;
  }
  Ref<process::ProcessGroup> group;
  if (pid == 0) {
    sync::SpinGuard guard(tree_lock);
    group = sender.group;
  } else if (pid != INT32_MIN) {
    group = process::find_group(-pid);
  }
  if (group == nullptr) return Error(Errno::Srch);
  TRY(process::signal_group(*group, info, &sender));
  return 0;
}

CallResult sys_tkill(const Call& call) {
  TRY(kill_thread(call, 0, call.as_int(0), call.as_int(1)));
  return 0;
}

CallResult sys_tgkill(const Call& call) {
  if (call.as_int(0) <= 0) return Error(Errno::Inval);
  TRY(kill_thread(call, call.as_int(0), call.as_int(1), call.as_int(2)));
  return 0;
}

CallResult sys_rt_sigqueueinfo(const Call& call) {
  const PidNumber pid = call.as_int(0);
  const SignalInfo info = TRY(load_queued_info(call.as_int(1), call.args[2], pid == call.process().pid()));
  const Ref<Process> target = pid > 0 ? process::find_process_of(pid) : nullptr;
  if (target == nullptr) return Error(Errno::Srch);
  TRY(process::signal_from(call.process(), *target, info));
  return 0;
}

CallResult sys_rt_tgsigqueueinfo(const Call& call) {
  const PidNumber pid = call.as_int(0);
  const PidNumber id = call.as_int(1);
  if (pid <= 0 || id <= 0) return Error(Errno::Inval);
  const SignalInfo info = TRY(load_queued_info(call.as_int(2), call.args[3], pid == call.process().pid()));
  const Ref<Thread> target = process::find_thread(id);
  if (target == nullptr || target->process().pid() != pid) return Error(Errno::Srch);
  TRY(process::signal_from(call.process(), *target, info));
  return 0;
}

// The value is the interrupted program's own rax, and the dispatcher's storing it there changes nothing.
CallResult sys_rt_sigreturn(const Call& call) {
  if (!process::return_from_handler(call.thread)) {
    process::force_signal(call.thread, process::kernel_signal(process::kSigSegv));
    call.thread.frame().set_not_in_system_call();
    return 0;
  }
  return call.thread.frame().return_value();
}

CallResult sys_sigaltstack(const Call& call) {
  Thread& thread = call.thread;
  const auto wanted = call.pointer<const UserStack>(0);
  const auto previous = call.pointer<UserStack>(1);
  const AlternateStack old = thread.alternate_stack;
  const uint32_t old_flags =
      old.flags | (process::is_on_alternate_stack(thread) ? process::kOnAlternateStack : 0);
  if (wanted) {
    const UserStack given = TRY(wanted.load());
    TRY(process::set_alternate_stack(thread, {given.base, given.size, given.flags}));
  }
  if (previous) TRY(previous.store({old.base, old_flags, 0, old.size}));
  return 0;
}

CallResult sys_restart_syscall(const Call& call) {
  auto* const function = std::exchange(call.thread.restart.function, nullptr);
  if (function == nullptr) return Error(Errno::Intr);
  return function(call.thread);
}

}  // namespace tine::abi::linux_abi
