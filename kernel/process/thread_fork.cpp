// SPDX-License-Identifier: BSD-2-Clause
// Threads in an existing process: the second of the two routines that create. Same transaction as fork.cpp, with less
// to take. Seed rows E5, H1-H4, A1.
#include "process/first_step.h"
#include "process/fork.h"
#include "process/life_announce.h"
#include "process/process.h"
#include "process/thread.h"
#include "process/timers.h"
#include "process/tracing.h"
#include "sched/scheduler.h"
#include "vm/user_ptr.h"

namespace tine::process {

namespace {

Result<Ref<Thread>> reserve_thread(Thread& caller, const ForkRequest& request) {
  Process& process = caller.process();
  Slot slot = TRY(thread_slots().take(passes_limits(*process.credentials())));
  ThreadId id = TRY(ThreadId::allocate());
  mem::KernelStack stack = TRY(mem::KernelStack::allocate());
  Ref<Thread> thread = TRY(mem::make_ref<Thread>(&process, std::move(stack), std::move(id), std::move(slot)));
  inherit_thread_state(caller, *thread, request);
  thread->mask = caller.mask;
  prepare_first_step(*thread);
  return thread;
}

// RestartAlways: the process is ending, and so must the caller; no thread may be added any more. Again: its user has as
// many as RLIMIT_NPROC allows.
Result<> link_thread(Process& process, Thread& thread, uint64_t limit) {
  sync::SpinGuard guard(process.lock);
  if (process.has(kExiting) || current().exiting) return Error(Errno::RestartAlways);
  if (!process.charge_thread(limit)) return Error(Errno::Again);
  thread.call_watch.fetch_or(restriction_watch(process));
  process.threads.push_back(thread);
  intrusive_ptr_add_ref(&thread);   // the list's
  ++process.thread_count;
  // Somebody is stopping the process to one thread: count the new one in, so that it stops too (H3).
  if (process.single_thread != nullptr) {
    ++process.single_count;
    thread.exiting = true;
    thread.request_work(sched::kWorkSignal);
  } else if (process.stop_state != StopState::Running) {
    thread.request_work(sched::kWorkSignal);
  }
  publish_thread_id(thread);
  return {};
}

}  // namespace

Result<Ref<Thread>> make_thread(Thread& caller, const ForkRequest& request) {
  TRY(request.validate());
  TraceReservation tracing;
  TRY(tracing.take_for_thread(caller, request));
  const Ref<Thread> thread = TRY(reserve_thread(caller, request));
  const bool unlimited = passes_limits(*caller.process().credentials());
  TRY(link_thread(caller.process(), *thread, unlimited ? kUnlimited : caller.process().limit(Resource::Processes)));
  // Nothing below can fail.
  if (!tracing.empty()) {
    sync::SpinGuard guard(tree_lock);
    tracing.commit(caller, *thread);
  }
  ++fork_statistics.threads;
  ++fork_statistics.total;
  ++fork_statistics.shared_memory;
  announce_thread(caller, *thread);
  if (caller.process().timers != nullptr) note_thread_added(caller.process());
  if (request.set_parent_tid != 0 && !vm::UserPtr<PidNumber>(request.set_parent_tid).store(thread->shown_id()) &&
      request.bad_tid_kills)
    force_signal(caller, kernel_signal(kSigSegv));   // H2
  const auto id = static_cast<uint64_t>(thread->shown_id());
  launch(*thread);
  if (!request.has(ForkFlag::Untraced)) report_event(caller, TraceEvent::Clone, id);
  return thread;
}

}  // namespace tine::process
