// SPDX-License-Identifier: BSD-2-Clause
// Tracing: who traces whom (tracing.cpp), and where a traced thread stops and goes on (trace_stop.cpp). The requests of
// a tracer are in trace/ptrace.h. A thread that nobody traces pays one test of Thread::call_watch at each of these
// points.
// A traced process keeps its parent: getppid(2), orphaned groups and reapers mean the real one. The tracer has a list of
// tracees beside its children. What there is to wait for goes to the tracer first; the parent gets its child back when
// the tracer lets go of it, waits for its end, or ends itself. Seed rows K4, T7, T9, C1.
// Locks: tree_lock (T), then Process::lock of the traced process (P).
#pragma once

#include "process/thread.h"
#include "process/tracee.h"

namespace tine::process {

struct ForkRequest;

// --- Who traces whom ---

struct TraceStart {
  uint32_t options = 0;
  TraceScope scope = TraceScope::Thread;
  bool seized = false;
};
// PTRACE_ATTACH, whose tracee is sent SIGSTOP, and SEIZE; one thread of a process that is to be traced as a whole. Errors:
// Perm (not allowed (process/inspection.h), traced already, kernel's, own or ended thread), NoMem.
Result<> attach(Process& tracer, Thread& target, const TraceStart& start);
// PTRACE_TRACEME: the caller's parent becomes its tracer. Errors as above.
Result<> trace_me(Thread& caller, TraceScope scope);
// The other threads of a process that is to be traced as a whole. Perm: not allowed any more; NoMem.
Result<> attach_others(Process& tracer, Process& process);

// The end of tracing: a stopped thread goes on, with the answer that is set. The caller drops the result after the lock.
[[nodiscard]] Ref<Tracee> unlink(Tracee& tracee) REQUIRES(tree_lock);
// The process ends: it traces nobody any more.
void release_tracees(Process& tracer) EXCLUDES(tree_lock);
// Exec gave the process's id to another thread: the one that had it is gone without a word.
void forget_tracee(Thread& thread) EXCLUDES(tree_lock);
// The running thread, out of its process's list, ends before the process does: its tracer may wait for it.
void end_traced_thread(Thread& thread, int status) EXCLUDES(tree_lock);

// Whose zombie the process is before it is its parent's; null: nobody's.
Tracee* tracee_of_zombie(const Process& process) REQUIRES(tree_lock);
// Does `process` trace the main thread of `child`?
bool traces(const Process& process, const Process& child) REQUIRES(tree_lock);
// Of the thread's tracer; 0: none.
PidNumber tracer_pid(const Thread& thread) EXCLUDES(tree_lock);

// What tracing needs for a child or a thread of a traced one, taken before anything is visible.
class TraceReservation {
 public:
  Result<> take_for_child(Thread& caller, const ForkRequest& request);
  Result<> take_for_thread(Thread& caller, const ForkRequest& request);
  // Links what `made` is traced by. Cannot fail; nothing happens if the caller's tracer has gone meanwhile.
  void commit(Thread& caller, Thread& made) REQUIRES(tree_lock);
  bool empty() const { return tracee_ == nullptr; }

 private:
  Ref<Tracee> tracee_;
};
// Which event a fork is: vfork, a child with another signal than SIGCHLD, or a plain one.
TraceEvent event_of(const ForkRequest& request);

// --- Stops of the running thread; none if it is not traced or the tracer did not ask for it. No lock held. ---

inline bool is_traced(const Thread& thread) { return thread.is_watched_by(kWatchedByTracer); }

// Stops, and returns the signal with which the tracer lets the thread go on; 0 if that is killed.
int stop_for_tracer(Thread& thread, const TraceStop& stop);

void report_event(Thread& thread, TraceEvent event, uint64_t message);
void report_exec(Thread& thread, PidNumber former_id);
// A signal that the thread has taken. False: it is not to be acted on. `info` may become another one.
[[nodiscard]] bool report_signal(Thread& thread, SignalInfo& info);
// False: the thread shall not make the call, since it is to end.
[[nodiscard]] bool report_call_entry(Thread& thread);
void report_call_exit(Thread& thread);
// PTRACE_INTERRUPT, and a process that goes on while its tracer listens.
void report_interrupt(Thread& thread);
// The process is stopped by `signal`, and this thread with it.
void report_group_stop(Thread& thread, int signal);
// Steps: the thread runs one instruction for its tracer. A system call is one, which end_step() tells by SIGTRAP. A
// signal's handler is entered with the step interrupted, and report_step() stops before its first instruction.
bool is_stepping(Thread& thread);
void end_step(Thread& thread);
bool interrupt_step(Thread& thread);
void report_step(Thread& thread);

// --- For those who send signals and end threads ---

// Whether the thread has to stop for its tracer on its way to user mode, other than with its process.
bool has_trace_work(const Thread& thread);
// Whether a stopped process does not stop this thread. (P)
bool passes_stop(const Thread& thread);
// Ends a stop for the tracer, because the thread is to end. (P)
void end_trace_stop(Thread& thread);
// SIGCONT has set the process going. (P)
void tell_tracer_of_continue(Thread& thread);

Result<> init_tracing();   // boot: the audit's check

}  // namespace tine::process
