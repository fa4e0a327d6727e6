// SPDX-License-Identifier: BSD-2-Clause
// The end of threads and processes. The last thread to leave takes the process down: first all that it owns, then, in
// one step under tree_lock, it becomes a zombie, its children get a new parent and its own parent is told.
// Source: exit(2), _exit(2) of the Linux manual. Seed rows K1, L5, R7, R9, R13, V1.
#include "process/exit.h"

#include <algorithm>

#include "base/log.h"
#include "machine/boot.h"
#include "process/fork.h"
#include "process/life_announce.h"
#include "process/parent_thread.h"
#include "process/peers.h"
#include "process/process.h"
#include "process/reap.h"
#include "process/thread.h"
#include "process/tracing.h"
#include "sched/scheduler.h"

namespace tine::process {

namespace {

// Tells a thread to end. Its sleeps all check for that, so even one that signals do not end is woken.
void tell_to_end(Thread& thread) {
  thread.exiting = true;
  thread.request_work(sched::kWorkSignal);
  end_trace_stop(thread);
  sched::wake(thread);
}

// Takes the thread out of its process. After this it is no longer found, counted or signalled.
void unlink_thread(Process& process, Thread& thread) REQUIRES(process.lock) {
  process.usage.add(thread_usage(thread));
  process.threads.erase(process.threads.iterator_to(thread));
  --process.thread_count;
  thread.pending.clear();
  if (process.single_thread != nullptr && process.single_thread != &thread && --process.single_count == 0)
    process.single_wait.wake_all();
}

// True: others are still there and the thread has left. False: it is the last one, which ends the process.
bool leave_to_others(Process& process, Thread& thread, int status) {
  sync::SpinGuard guard(process.lock);
  // Without exit_group the process's status is that of its first thread.
  if (thread.is_first() && !process.has(kExiting)) process.exit_status = status;
  if (process.thread_count.load() > 1) {
    thread.leave_memory();
    unlink_thread(process, thread);
    process.uncharge_thread();
    return true;
  }
  process.set(kExiting);
  return false;
}

// What is left to do for a thread that is on no list any more: the rest goes when the scheduler lets go of it.
[[noreturn]] void end_unlinked_thread(Thread& thread, int status) {
  end_traced_thread(thread, status);
  tell_of_thread_end(thread.process(), thread.shown_id());
  withdraw_thread_id(thread);
  thread.give_back_slot();
  intrusive_ptr_release(&thread);   // the list's reference; the scheduler's is still there
  sched::exit_current();
}

void hang_up_session(Process& process) {
  Ref<Session> session;
  Ref<ControllingTerminal> terminal;
  {
    sync::SpinGuard guard(tree_lock);
    if (process.group->session->leader != &process) return;
    session = process.group->session;
    session->leader = nullptr;
    terminal = session->terminal;
  }
  if (terminal) terminal->session_leader_exited(*session);
}

[[noreturn]] void end_of_first_process(const Process& process) {
  const int status = process.exit_status;
  const int code = (status & 0x7f) != 0 ? 128 + (status & 0x7f) : status >> 8 & 0xff;
  log(LogLevel::Info, "process 1 ended with status %d; powering off\n", code);
  machine::power_off(code);
}

[[noreturn]] void end_process(Process& process, Thread& thread, int status) {
  if (process.pid() == 1) end_of_first_process(process);
  end_peers(process);
  announce_exit(process);
  hang_up_session(process);
  process.usage.peak_resident = std::max(process.usage.peak_resident, process_usage(process).peak_resident);
  process.release_shared_parts();
  release_waiting_parent(process);
  leave_peers(process);
  {
    sync::SpinGuard guard(process.lock);
    std::copy_n(thread.name, sizeof process.name, process.name);
    process.pending.clear();
    process.forget_stops();
    unlink_thread(process, thread);
  }
  end_traced_thread(thread, status);
  release_tracees(process);
  withdraw_thread_id(thread);
  thread.give_back_slot();
  // From here on the parent may reap the process; the thread's own reference keeps it in memory.
  become_zombie(process);
  intrusive_ptr_release(&thread);
  sched::exit_current();
}

}  // namespace

void begin_exit(Process& process, int status) {
  sync::SpinGuard guard(process.lock);
  if (process.has(kExiting)) return;
  process.exit_status = status;
  process.set(kExiting);  // whoever sees it may read the status
  for (Thread& thread : process.threads) tell_to_end(thread);
}

[[noreturn]] void exit_thread(Thread& thread, int status) {
  Process& process = thread.process();
  report_event(thread, TraceEvent::Exit, static_cast<uint64_t>(status));
  if (process.thread_count.load() > 1) leave_signals(thread);
  announce_thread_end(thread);
  if (leave_to_others(process, thread, status)) end_unlinked_thread(thread, status);
  end_process(process, thread, status);
}

[[noreturn]] void exit_process(Thread& thread, int status) {
  begin_exit(thread.process(), status);
  exit_thread(thread, status);
}

Result<> become_single_threaded(Thread& caller) {
  Process& process = caller.process();
  {
    sync::SpinGuard guard(process.lock);
    if (process.single_thread != nullptr || caller.exiting) return Error(Errno::RestartAlways);
    process.single_thread = &caller;
    process.single_count = process.thread_count.load() - 1;
    for (Thread& thread : process.threads)
      if (&thread != &caller) tell_to_end(thread);
  }
  (void)sched::wait_until(process.single_wait, {"single", sched::Sleep::Uninterruptible}, [&] {
    sync::SpinGuard guard(process.lock);
    return process.single_count == 0;
  });
  Ref<Thread> old_first(&caller);
  {
    sync::SpinGuard tree(tree_lock);   // under which wait and tracers look at the main thread
    sync::SpinGuard guard(process.lock);
    process.single_thread = nullptr;
    process.first_thread.swap(old_first);   // the caller takes over the process's id
  }
  if (old_first != &caller && is_traced(*old_first)) forget_tracee(*old_first);
  return caller.exiting ? Result<>(Error(Errno::RestartAlways)) : Result<>();
}

}  // namespace tine::process
