// SPDX-License-Identifier: BSD-2-Clause
#include "process/signal_stop.h"

#include "process/process.h"
#include "process/signal.h"
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

void tell_parent(Process& process, int code, int status) {
  Ref<Process> parent;
  {
    sync::SpinGuard guard(tree_lock);
    parent = process.parent;
  }
  if (parent == nullptr) return;
  const Ref<SignalActions> actions = parent->actions();
  if (actions != nullptr && !(actions->get(kSigChld).flags & SignalAction::kNoChildStop)) {
    const Usage usage = process_usage(process);
    SignalInfo info;
    info.signal = kSigChld;
    info.code = code;
    info.sender.pid = process.pid();
    info.sender.uid = process.credentials()->ruid;
    info.sender.status = status;
    info.sender.utime = static_cast<int64_t>(usage.user_time / kClockTick);
    info.sender.stime = static_cast<int64_t>(usage.system_time / kClockTick);
    send_signal(*parent, info);
  }
  parent->child_wait.wake_all();
}

}  // namespace

void obey_job_control(Process& process, int signal) {
  if (kStopSignals.has(signal)) discard_everywhere(process, SignalSet::of(kSigCont));
  if (signal == kSigCont) discard_everywhere(process, kStopSignals);
  if (signal != kSigCont && signal != kSigKill) return;

  process.stop_taken = false;
  if (process.stop_state == StopState::Running) return;
  if (signal == kSigCont && process.stop_state == StopState::Stopped) {
    process.note_continued();
    process.continue_unannounced = true;
  } else {
    process.forget_stops();  // nobody has seen it stopped, or will
  }
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
  if (process.stop_state != StopState::Running) return;
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
  {
    sync::SpinGuard guard(process.lock);
    if (process.stop_state == StopState::Running || thread.exiting) return;
    thread.suspended = true;
    last = complete_stop(process);
  }
  if (last) announce_stop(process);

  while (true) {
    sched::set_sleeping(sched::Sleep::Interruptible, "stopped");
    {
      sync::SpinGuard guard(process.lock);
      if (process.stop_state == StopState::Running || thread.exiting) {
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
