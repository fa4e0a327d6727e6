// SPDX-License-Identifier: BSD-2-Clause
// How a traced thread stops for its tracer and goes on. The thread itself stops, at one of a few points in the kernel
// where it holds nothing, and sleeps until its tracer answers, is gone, or the thread has to end. Source: ptrace(2) of
// Linux, "Stopped states".
#include <cstring>

#include "process/signal_stop.h"
#include "process/tracing.h"
#include "sched/scheduler.h"

namespace tine::process {

namespace {

constexpr int kChildTrapped = 4, kChildStopped = 5;   // CLD_*
constexpr int kTrapAtBreak = 1;                       // TRAP_BRKPT

// A thread that has to end stops only to say that it ends. (P)
bool may_not_stop(const Thread& thread, const TraceStop& stop) {
  return thread.exiting && stop.event != TraceEvent::Exit;
}

uint32_t code_of(const Tracee& tracee, const TraceStop& stop) {
  const auto signal = static_cast<uint32_t>(stop.signal);
  switch (stop.reason) {
    case StopReason::Signal:
    case StopReason::Held: return signal;
    case StopReason::CallEntry:
    case StopReason::CallExit: return tracee.options & kMarkCallStops ? signal | 0x80 : signal;
    case StopReason::Group: return tracee.seized ? signal | static_cast<uint32_t>(TraceEvent::Stop) << 8 : signal;
    case StopReason::Event:   // the BSD form tells the event otherwise
      return tracee.traces_process() ? signal : signal | static_cast<uint32_t>(stop.event) << 8;
  }
  return signal;
}

// What the tracer sees as the signal of a stop that is for none.
SignalInfo info_of_stop(const Thread& thread, int signal, uint32_t code, uint32_t uid) {
  SignalInfo info;
  info.signal = signal;
  info.code = static_cast<int>(code);
  info.sender.pid = thread.shown_id();
  info.sender.uid = uid;
  return info;
}

// (P)
void begin(Thread& thread, Tracee& tracee, const TraceStop& stop, uint32_t uid) {
  const bool silent = stop.reason == StopReason::Held;
  tracee.state = Tracee::State::Stopped;
  tracee.stop = stop;
  tracee.stop_code = code_of(tracee, stop);
  if (stop.reason != StopReason::Signal) tracee.stop.info = info_of_stop(thread, stop.signal, tracee.stop_code, uid);
  tracee.reported = silent;
  tracee.answer = 0;
  tracee.held = false;
  if (!silent) tracee.interrupt_wanted = false;
  if (stop.event == TraceEvent::Stop) tracee.continue_untold = false;
  tracee.passes_stop = false;
  tracee.resume = Resume::Continue;
  if (std::exchange(tracee.stepping, false)) thread.frame().set_single_step(false);
  machine::save_user_state(thread.user_state, thread.stack_top());
  tracee.user_state = thread.user_state;
  tracee.state_changed = false;
  tracee.extended_state = {};
}

// Another thread has stopped for the whole process? (P)
bool is_held(const Thread& thread, const Tracee& tracee) {
  if (!tracee.traces_process()) return false;
  for (const Thread& other : thread.process().threads)
    if (&other != &thread && other.tracee != nullptr && other.tracee->is_stopped() && !other.tracee->is_silent()) return true;
  return false;
}

// (P)
void hold_others(Thread& thread) {
  for (Thread& other : thread.process().threads) {
    if (&other == &thread || other.tracee == nullptr || !other.tracee->traces_process()) continue;
    other.tracee->held = true;
    other.request_work(sched::kWorkSignal);
    sched::interrupt(other);
  }
}

void tell_tracer(const Tracee& tracee, const TraceStop& stop) REQUIRES(tree_lock) {
  const Process& process = tracee.thread->process();
  const bool with_process = stop.reason == StopReason::Group || stop.event == TraceEvent::Stop;
  tell_of_stop(*tracee.tracer, process, tracee.told_id(),
               with_process ? kChildStopped : kChildTrapped, stop.signal);
}

enum class Begun : uint8_t { NotTraced, NotNow, Silently, Told };

// A thread whose process is stopped by another one comes to its own stop after that.
Begun begin_stop(Thread& thread, const TraceStop& stop, Ref<Tracee>& tracee) {
  Process& process = thread.process();
  const uint32_t uid = process.credentials()->ruid;
  sync::SpinGuard tree(tree_lock);
  {
    sync::SpinGuard guard(process.lock);
    tracee = thread.tracee;
    if (tracee == nullptr) return Begun::NotTraced;   // let go of meanwhile
    if (may_not_stop(thread, stop)) return Begun::NotNow;
    if (is_held(thread, *tracee)) {
      begin(thread, *tracee, {.reason = StopReason::Held}, uid);
      return Begun::Silently;
    }
    tracee->held = false;
    if (stop.reason == StopReason::Held) return Begun::NotNow;
    begin(thread, *tracee, stop, uid);
    if (tracee->traces_process()) hold_others(thread);
  }
  tell_tracer(*tracee, stop);
  return Begun::Told;
}

// True: the thread sleeps no longer. (P)
bool is_over(const Thread& thread, Tracee& tracee) {
  if (tracee.is_stopped() && may_not_stop(thread, tracee.stop)) {
    tracee.state = Tracee::State::Running;
    tracee.answer = 0;
  }
  return !tracee.is_stopped();
}

void sleep_until_over(Thread& thread, Tracee& tracee) {
  while (true) {
    sched::set_sleeping(sched::Sleep::Uninterruptible, "traced");
    {
      sync::SpinGuard guard(thread.process().lock);
      if (is_over(thread, tracee)) break;
    }
    sched::block(kForever);
  }
  sched::cancel_sleeping();
}

// What the tracer has changed goes into the CPU. The tracer keeps off a thread that is not stopped.
void take_over_state(Thread& thread, Tracee& tracee) {
  if (!tracee.state_changed && tracee.extended_state.empty()) return;
  const machine::InterruptGuard guard;
  thread.user_state = tracee.user_state;
  if (!tracee.extended_state.empty())
    std::memcpy(machine::extended_state(thread.stack_top()).data(), tracee.extended_state.data(),
                tracee.extended_state.size());
  machine::load_user_state(thread.user_state, thread.stack_top());
}

// The thread's tracee if it wants to hear of `event`.
bool wants(Thread& thread, TraceEvent event) {
  if (!is_traced(thread)) return false;
  sync::SpinGuard guard(thread.process().lock);
  return thread.tracee != nullptr && thread.tracee->options & option_for(event);
}

bool wants_call_stops(Thread& thread) {
  sync::SpinGuard guard(thread.process().lock);
  return thread.tracee != nullptr && thread.tracee->resume == Resume::ToSystemCall;
}

// A stop at a system call; a signal that the tracer answers with is sent as any other.
void stop_at_call(Thread& thread, StopReason reason) {
  TraceStop stop{.reason = reason};
  stop.message = reason == StopReason::CallEntry ? 1 : 2;   // PTRACE_EVENTMSG_SYSCALL_*
  if (const int signal = stop_for_tracer(thread, stop); signal != 0)
    send_signal_to_thread(thread, kernel_signal(signal));
}

}  // namespace

int stop_for_tracer(Thread& thread, const TraceStop& stop) {
  while (true) {
    Ref<Tracee> tracee;
    const Begun begun = begin_stop(thread, stop, tracee);
    if (begun == Begun::NotTraced) return stop.reason == StopReason::Signal ? stop.signal : 0;
    if (begun == Begun::NotNow) return 0;
    sleep_until_over(thread, *tracee);
    take_over_state(thread, *tracee);
    if (tracee->resume == Resume::Step) {
      thread.frame().set_single_step(true);
      tracee->stepping = true;
      thread.request_work(sched::kWorkTrace);   // a step has to begin with IRET, since SYSRET traps too early
    }
    update_signal_work(thread);   // the tracer may have changed the mask
    if (begun == Begun::Told || stop.reason == StopReason::Held) return tracee->answer;
  }
}

void report_event(Thread& thread, TraceEvent event, uint64_t message) {
  if (!wants(thread, event)) return;
  stop_for_tracer(thread, {.reason = StopReason::Event, .event = event, .message = message});
}

void report_exec(Thread& thread, PidNumber former_id) {
  if (!is_traced(thread)) return;
  if (wants(thread, TraceEvent::Exec)) return report_event(thread, TraceEvent::Exec, static_cast<uint64_t>(former_id));
  bool by_signal;
  {
    sync::SpinGuard guard(thread.process().lock);
    by_signal = thread.tracee != nullptr && !thread.tracee->seized;
  }
  if (by_signal) send_signal_to_thread(thread, user_signal(kSigTrap, thread.process()));
}

bool report_signal(Thread& thread, SignalInfo& info) {
  if (!is_traced(thread) || info.signal == kSigKill) return true;
  Process& process = thread.process();
  {
    // Whatever it is now, the tracer may make a stop signal of it; SIGCONT takes that back.
    sync::SpinGuard guard(process.lock);
    process.stop_taken = true;
  }
  const int answer = stop_for_tracer(thread, {.reason = StopReason::Signal, .signal = info.signal, .info = info});
  if (answer == 0) return false;
  bool blocked;
  {
    sync::SpinGuard guard(process.lock);
    if (thread.tracee != nullptr) info = thread.tracee->stop.info;
    blocked = thread.mask.has(answer);
  }
  if (answer != info.signal) {
    info = user_signal(answer, process);
    info.sender.pid = tracer_pid(thread);
  }
  if (blocked) send_signal_to_thread(thread, info);
  return !blocked;
}

bool report_call_entry(Thread& thread) {
  if (wants_call_stops(thread)) stop_at_call(thread, StopReason::CallEntry);
  return !thread.exiting;
}

void report_call_exit(Thread& thread) {
  if (!wants_call_stops(thread)) return;
  stop_at_call(thread, StopReason::CallExit);
  thread.request_work(sched::kWorkSignal);   // a call that is to be made again is settled on the way to user mode
}

void report_interrupt(Thread& thread) {
  TraceStop stop{.reason = StopReason::Event, .event = TraceEvent::Stop};
  {
    sync::SpinGuard guard(thread.process().lock);
    Tracee* tracee = thread.tracee.get();
    if (tracee == nullptr) return;
    if (tracee->interrupt_wanted) {
      stop.event = std::exchange(tracee->first_event, TraceEvent::Stop);
      stop.message = std::exchange(tracee->first_message, 0);
    } else if (!tracee->continue_untold) {
      stop.reason = StopReason::Held;
    }
  }
  stop_for_tracer(thread, stop);
}

void report_group_stop(Thread& thread, int signal) {
  stop_for_tracer(thread, {.reason = StopReason::Group, .signal = signal});
}

bool is_stepping(Thread& thread) {
  sync::SpinGuard guard(thread.process().lock);
  return thread.tracee != nullptr && thread.tracee->stepping;
}

bool interrupt_step(Thread& thread) {
  if (!is_traced(thread)) return false;
  sync::SpinGuard guard(thread.process().lock);
  if (thread.tracee == nullptr || !std::exchange(thread.tracee->stepping, false)) return false;
  thread.frame().set_single_step(false);
  return true;
}

void report_step(Thread& thread) { stop_for_tracer(thread, {.reason = StopReason::Event}); }

void end_step(Thread& thread) {
  SignalInfo info = kernel_signal(kSigTrap);
  info.code = kTrapAtBreak;
  info.fault.address = thread.frame().instruction_pointer();
  force_signal(thread, info);
}

bool has_trace_work(const Thread& thread) {
  const Tracee* tracee = thread.tracee.get();
  return tracee != nullptr && (tracee->interrupt_wanted || tracee->continue_untold || tracee->held);
}

bool passes_stop(const Thread& thread) { return thread.tracee != nullptr && thread.tracee->passes_stop; }

void end_trace_stop(Thread& thread) {
  Tracee* tracee = thread.tracee.get();
  if (tracee == nullptr || !tracee->is_stopped()) return;
  tracee->state = Tracee::State::Running;
  tracee->answer = 0;
  sched::wake(thread);
}

void tell_tracer_of_continue(Thread& thread) {
  Tracee* tracee = thread.tracee.get();
  if (tracee == nullptr || !tracee->seized) return;
  tracee->continue_untold = true;
  if (tracee->state != Tracee::State::Listening) return;
  tracee->state = Tracee::State::Running;
  sched::wake(thread);
}

}  // namespace tine::process
