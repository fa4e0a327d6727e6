// SPDX-License-Identifier: BSD-2-Clause
// Taking signals: the whole of what a thread does about them on its way back to user mode. One signal after
// the other is taken and acted on; when none is left, a system call that a signal interrupted is made again
// or ends with EINTR. Source: signal(7), POSIX 2.4.3. Lock: Process::lock while choosing; none while acting.
#include "process/exit.h"
#include "process/life_announce.h"
#include "process/process.h"
#include "process/signal.h"
#include "process/signal_frame.h"
#include "process/signal_stop.h"
#include "process/timers.h"
#include "process/tracing.h"

namespace tine::process {

namespace {

inline constexpr uint64_t kRestartSyscallNumber = 219;

// What the interrupted system call of `frame` asks for; nothing when it was not interrupted.
Errno wanted_restart(const machine::TrapFrame& frame) {
  if (!frame.in_system_call()) return Errno{};
  const auto error = static_cast<Errno>(-static_cast<int64_t>(frame.return_value()));
  switch (error) {
    case Errno::RestartSys:
    case Errno::RestartAlways:
    case Errno::RestartNoHandler:
    case Errno::RestartBlock:
      return error;
    default:
      return Errno{};
  }
}

void settle_interrupted_call(machine::TrapFrame& frame, const SignalAction& handler) {
  const Errno wanted = wanted_restart(frame);
  if (wanted == Errno{}) return;
  if (wanted == Errno::RestartAlways ||
      (wanted == Errno::RestartSys && handler.flags & SignalAction::kRestart))
    frame.restart_system_call();
  else
    frame.set_return_value(static_cast<uint64_t>(-static_cast<int64_t>(Errno::Intr)));
}

void settle_interrupted_call_without_handler(machine::TrapFrame& frame) {
  const Errno wanted = wanted_restart(frame);
  if (wanted == Errno{}) return;
  if (wanted == Errno::RestartBlock)
    frame.restart_system_call_as(kRestartSyscallNumber);
  else
    frame.restart_system_call();
  frame.set_not_in_system_call();
}

enum class Step : uint8_t { Nothing, Exit, Killed, Stop, Continued, Interrupt, Signal };

// The signal that ended the process when it was sent, if this thread is to tell whoever watches it. (P)
bool take_fatal_signal(Thread& thread, SentSignal& taken) {
  const int signal = thread.process().exit_status & 0x7f;
  return signal != 0 && thread.call_watch.load(std::memory_order_relaxed) != 0 &&
         thread.pending.take(SignalSet::of(signal), taken);
}

Step next_step(Thread& thread, SentSignal& taken) {
  Process& process = thread.process();
  sync::SpinGuard guard(process.lock);
  thread.clear_work(sched::kWorkSignal);  // whoever has news after this sets it again
  if (thread.exiting) return take_fatal_signal(thread, taken) ? Step::Killed : Step::Exit;
  const bool killed = process.pending.set().has(kSigKill) || thread.pending.set().has(kSigKill);
  if (process.stop_state != StopState::Running && !killed && !passes_stop(thread)) return Step::Stop;
  if (process.continue_unannounced) return Step::Continued;
  if (killed) {
    taken.info = kernel_signal(kSigKill);
    return Step::Signal;
  }
  if (has_trace_work(thread)) return Step::Interrupt;
  const SignalSet wanted = ~thread.mask;
  if (!thread.pending.take(wanted, taken) && !process.pending.take(wanted, taken)) return Step::Nothing;
  if (kStopSignals.has(taken.info.signal)) process.stop_taken = true;
  ++process.usage.signals;
  return Step::Signal;
}

[[noreturn]] void die(Thread& thread, int signal) {
  exit_process(thread, signal_status(signal, /*core=*/false));
}

void act_by_default(Thread& thread, const SignalInfo& info) {
  Process& process = thread.process();
  const int signal = info.signal;
  // Init dies of nothing but its own faults.
  const bool is_fault = kSynchronousSignals.has(signal) && info.code > 0;
  if (process.pid() == 1 && !is_fault) return;
  switch (default_action(signal)) {
    case DefaultAction::Ignore:
    case DefaultAction::Continue:
      return;
    case DefaultAction::Stop:
      if (may_stop(process, signal)) begin_stop(process, signal);
      return;
    case DefaultAction::Terminate:
    case DefaultAction::Core:
      die(thread, signal);
  }
}

void act(Thread& thread, SentSignal& taken) {
  Process& process = thread.process();
  note_signal_taken(process, taken);
  SignalInfo info = taken.info;
  if (!report_signal(thread, info)) return;
  const int signal = info.signal;
  // No reference is held over what follows: it may end the thread, and its stack is not unwound then.
  const SignalAction action = kUnblockable.has(signal) ? SignalAction() : process.actions()->get(signal);
  if (action.handler == SignalAction::kIgnore) return;
  if (thread.call_watch.load(std::memory_order_relaxed) != 0) announce_signal_taken(thread, info, action.handler);
  if (action.handler == SignalAction::kDefault) return act_by_default(thread, info);

  settle_interrupted_call(thread.frame(), action);
  if (action.flags & SignalAction::kResetHand) process.actions()->reset(signal);
  const bool stepped = interrupt_step(thread);
  if (enter_handler(thread, info, action)) {
    if (stepped) report_step(thread);
    return;
  }
  // No stack to run the handler on. If that was the handler for this very problem, nothing can help the
  // process.
  if (signal == kSigSegv) process.actions()->reset(kSigSegv);
  force_signal(thread, kernel_signal(kSigSegv));
}

}  // namespace

void handle_signals(Thread& thread) {
  Process& process = thread.process();
  while (true) {
    SentSignal taken;
    switch (next_step(thread, taken)) {
      case Step::Killed:
        announce_signal_taken(thread, taken.info, SignalAction::kDefault);
        [[fallthrough]];
      case Step::Exit:
        exit_thread(thread, process.exit_status);
      case Step::Stop:
        rest_while_stopped(thread);
        break;
      case Step::Continued:
        announce_continue(process);
        break;
      case Step::Interrupt:
        report_interrupt(thread);
        break;
      case Step::Signal:
        act(thread, taken);
        break;
      case Step::Nothing:
        settle_interrupted_call_without_handler(thread.frame());
        if (!thread.restore_saved_mask) return;
        end_temporary_mask(thread, /*interrupted=*/false);  // which may unblock more
        break;
    }
  }
}

bool take_signal(Thread& thread, SignalSet wanted, SignalInfo& info) {
  Process& process = thread.process();
  SentSignal taken;
  {
    sync::SpinGuard guard(process.lock);
    if (!thread.pending.take(wanted, taken) && !process.pending.take(wanted, taken)) return false;
  }
  note_signal_taken(process, taken);
  info = taken.info;
  return true;
}

SignalSet pending_signals(const Thread& thread) {
  const Process& process = thread.process();
  sync::SpinGuard guard(process.lock);
  return thread.pending.set() | process.pending.set();
}

}  // namespace tine::process
