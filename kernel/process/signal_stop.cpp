// SPDX-License-Identifier: BSD-2-Clause
#include "process/signal_stop.h"

#include "process/process.h"
#include "process/signal.h"
#include "process/tracing.h"
#include "process/usage.h"

namespace tine::process {

namespace {

inline constexpr int kChildStopped = 5, kChildContinued = 6;  // CLD_*
inline constexpr Nanoseconds kClockTick = 10 * kMillisecond;

// (P)
void rouse_all(Process& process) {
  for (Thread& thread : process.threads) {
    thread.request_work(sched::kWorkSignal);
    sched::interrupt(thread);
  }
}

// (P)
void discard_everywhere(Process& process, SignalSet signals) {
  process.pending.discard(signals);
  for (Thread& thread : process.threads) thread.pending.discard(signals);
}

// A parent that traces the process hears of stops as its tracer.
void tell_parent(Process& process, int code, int status) {
  Ref<Process> parent;
  {
    sync::SpinGuard guard(tree_lock);
    if (code == kChildStopped && process.parent != nullptr && traces(*process.parent, process)) return;
    parent = process.parent;
  }
  if (parent != nullptr) tell_of_stop(*parent, process, process.pid(), code, status);
}

}  // namespace

void tell_of_stop(Process& whom, const Process& process, PidNumber id, int code, int status) {
  const Ref<SignalActions> actions = whom.actions();
  if (actions != nullptr && !(actions->get(kSigChld).flags & SignalAction::kNoChildStop)) {
    const Usage usage = process_usage(process);
    SignalInfo info;
    info.signal = kSigChld;
    info.code = code;
    info.sender.pid = id;
    info.sender.uid = process.credentials()->ruid;
    info.sender.status = status;
    info.sender.utime = static_cast<int64_t>(usage.user_time / kClockTick);
    info.sender.stime = static_cast<int64_t>(usage.system_time / kClockTick);
    send_signal(whom, info);
  }
  whom.child_wait.wake_all();
}

void obey_job_control(Process& process, int signal) {
  if (kStopSignals.has(signal)) discard_everywhere(process, SignalSet::of(kSigCont));
  if (signal == kSigCont) discard_everywhere(process, kStopSignals);
  if (signal != kSigCont && signal != kSigKill) return;

  process.stop_taken = false;
  if (signal == kSigKill && process.has(kTraced))
    for (Thread& thread : process.threads) end_trace_stop(thread);
  if (process.stop_state == StopState::Running) return;
  if (signal == kSigCont && process.stop_state == StopState::Stopped) {
    process.note_continued();
    process.continue_unannounced = true;
  } else {
    process.forget_stops();  // nobody has seen it stopped, or will
  }
  if (signal == kSigCont && process.has(kTraced))
    for (Thread& thread : process.threads) tell_tracer_of_continue(thread);
  rouse_all(process);
}

bool may_stop(Process& process, int signal) {
  if (signal == kSigStop) return true;
  sync::SpinGuard guard(tree_lock);
  return process.group != nullptr && !is_orphaned(*process.group);
}

void begin_stop(Process& process, int signal) {
  sync::SpinGuard guard(process.lock);
  if (!process.stop_taken || process.has(kExiting)) return;
  process.stop_taken = false;
  if (process.has(kTraced))   // those that their tracers have let go on stop again
    for (Thread& thread : process.threads)
      if (thread.tracee != nullptr) thread.tracee->passes_stop = false;
  if (process.stop_state != StopState::Running) return rouse_all(process);
  process.stop_state = StopState::Stopping;
  ++stopped_processes;
  process.stop_signal = signal;
  process.continue_unannounced = false;
  rouse_all(process);
}

bool complete_stop(Process& process) {
  if (process.stop_state != StopState::Stopping || process.threads.empty()) return false;
  for (const Thread& thread : process.threads)
    if (!thread.suspended && !thread.exiting) return false;
  process.note_stopped(process.stop_signal);
  return true;
}

void rest_while_stopped(Thread& thread) {
  Process& process = thread.process();
  bool last = false;
  int signal = 0;
  {
    sync::SpinGuard guard(process.lock);
    if (process.stop_state == StopState::Running || thread.exiting) return;
    thread.suspended = true;
    signal = process.stop_signal;
    last = complete_stop(process);
  }
  if (last) announce_stop(process);
  if (is_traced(thread)) {
    report_group_stop(thread, signal);
    sync::SpinGuard guard(process.lock);
    thread.suspended = false;
    return;
  }

  while (true) {
    sched::set_sleeping(sched::Sleep::Interruptible, "stopped");
    {
      sync::SpinGuard guard(process.lock);
      if (process.stop_state == StopState::Running || thread.exiting || thread.tracee != nullptr) {
        thread.suspended = false;
        break;
      }
    }
    sched::block(kForever);
  }
  sched::cancel_sleeping();
}

void announce_stop(Process& process) { tell_parent(process, kChildStopped, process.stop_signal); }

void announce_continue(Process& process) {
  {
    sync::SpinGuard guard(process.lock);
    if (!process.continue_unannounced) return;
    process.continue_unannounced = false;
  }
  tell_parent(process, kChildContinued, kSigCont);
}

}  // namespace tine::process
