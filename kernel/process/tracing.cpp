// SPDX-License-Identifier: BSD-2-Clause
// Who traces whom: how tracing begins, is inherited, and ends.
#include "process/tracing.h"

#include "base/audit.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/inspection.h"
#include "process/reap.h"
#include "process/signal_stop.h"

namespace tine::process {

namespace {

// Whether the thread is still one of its process's. (P)
bool is_listed(const Thread& thread) { return static_cast<const ThreadHook&>(thread).is_linked(); }

void link(Tracee& tracee, Process& tracer, Thread& thread) REQUIRES(tree_lock) {
  Process& process = thread.process();
  process.lock.assert_held();
  tracee.thread = &thread;
  tracee.tracer = &tracer;
  thread.tracee = &tracee;
  thread.call_watch.fetch_or(kWatchedByTracer);
  process.set(kTraced);
  tracer.tracees.push_back(tracee);
  intrusive_ptr_add_ref(&tracee);   // the list's
}

// A tracee that begins to be traced in a process that is stopped stops for its tracer instead.
void rouse(Thread& thread) {
  thread.request_work(sched::kWorkSignal);
  sched::interrupt(thread);
}

}  // namespace

Result<> attach(Process& tracer, Thread& target, const TraceStart& start) {
  Process& process = target.process();
  if (&tracer == &process || process.has(kSystem) || target.kernel_function != nullptr) return Error(Errno::Perm);
  const Inspector inspector(tracer, InspectorIds::Real);
  const Ref<Tracee> tracee = TRY(mem::make_ref<Tracee>());
  tracee->options = start.options;
  tracee->scope = start.scope;
  tracee->seized = start.seized;

  sync::SpinGuard tree(tree_lock);
  if (process.life.load() != LifeState::Alive) return Error(Errno::Perm);
  {
    sync::SpinGuard guard(process.lock);
    TRY(inspector.check_locked(process));
    if (target.tracee != nullptr || !is_listed(target) || process.has(kExiting)) return Error(Errno::Perm);
    link(*tracee, tracer, target);
    if (process.stop_state != StopState::Running) rouse(target);
  }
  if (start.scope == TraceScope::Thread && !start.seized) send_signal_to_thread(target, kernel_signal(kSigStop));
  return {};
}

// Threads that one of them makes are traced from their beginning, so the loop ends when it has met those that were there.
Result<> attach_others(Process& tracer, Process& process) {
  const Inspector inspector(tracer, InspectorIds::Real);
  while (true) {
    const Ref<Tracee> tracee = TRY(mem::make_ref<Tracee>());
    tracee->scope = TraceScope::Process;
    sync::SpinGuard tree(tree_lock);
    sync::SpinGuard guard(process.lock);
    Thread* left = nullptr;
    for (Thread& thread : process.threads)
      if (thread.tracee == nullptr) left = &thread;
    if (left == nullptr || process.has(kExiting)) return {};
    TRY(inspector.check_locked(process));   // the thread that is traced may have ended, and others have called exec
    link(*tracee, tracer, *left);
    if (process.stop_state != StopState::Running) rouse(*left);
  }
}

Result<> trace_me(Thread& caller, TraceScope scope) {
  const Ref<Tracee> tracee = TRY(mem::make_ref<Tracee>());
  tracee->scope = scope;
  Process& process = caller.process();
  sync::SpinGuard tree(tree_lock);
  Process& parent = *process.parent;
  sync::SpinGuard guard(process.lock);
  if (caller.tracee != nullptr || process.set_id_transitions != 0) return Error(Errno::Perm);
  if (!parent.has(kExiting)) link(*tracee, parent, caller);   // one that ends would let go of it at once
  return {};
}

Ref<Tracee> unlink(Tracee& tracee) {
  Thread& thread = *tracee.thread;
  Process& process = thread.process();
  tracee.tracer->tracees.erase(tracee.tracer->tracees.iterator_to(tracee));
  sync::SpinGuard guard(process.lock);
  thread.tracee = nullptr;
  thread.call_watch.fetch_and(~uint32_t{kWatchedByTracer});
  bool others = false;
  for (const Thread& other : process.threads) others |= other.tracee != nullptr;
  if (!others) process.clear(kTraced);
  if (tracee.is_stopped()) {
    tracee.state = Tracee::State::Running;
    tracee.resume = Resume::Continue;
    sched::wake(thread);
  }
  rouse(thread);   // it may have to stop with its process now
  return Ref<Tracee>(&tracee, /*add_ref=*/false);   // the list's
}

void release_tracees(Process& tracer) {
  while (true) {
    Ref<Tracee> gone;
    Reaped reaped;
    sync::SpinGuard guard(tree_lock);
    if (tracer.tracees.empty()) return;
    Tracee& tracee = tracer.tracees.front();
    Process& process = tracee.thread->process();
    const bool zombie = tracee_of_zombie(process) == &tracee;
    {
      sync::SpinGuard process_guard(process.lock);
      tracee.answer = 0;
    }
    if (tracee.options & kKillWithTracer) send_signal(process, kernel_signal(kSigKill));
    gone = unlink(tracee);
    if (zombie) give_to_parent(process, reaped);
  }
}

void forget_tracee(Thread& thread) {
  Ref<Tracee> gone;
  sync::SpinGuard guard(tree_lock);
  if (thread.tracee != nullptr) gone = unlink(*thread.tracee);
}

void end_traced_thread(Thread& thread, int status) {
  if (!is_traced(thread)) return;
  Ref<Tracee> gone;
  sync::SpinGuard tree(tree_lock);
  Process& process = thread.process();
  Tracee* tracee = thread.tracee.get();
  if (tracee == nullptr || thread.is_first()) return;   // the main thread's end is the process's
  {
    sync::SpinGuard guard(process.lock);
    tracee->state = Tracee::State::Ended;
    tracee->exit_status = status;
    tracee->reported = false;
  }
  // The end of a process is told after that of its threads.
  ProcessTracees& list = tracee->tracer->tracees;
  list.erase(list.iterator_to(*tracee));
  list.push_front(*tracee);
  if (tracee->traces_process() || !tell_of_end(*tracee->tracer, process, thread.shown_id(), status)) gone = unlink(*tracee);
}

Tracee* tracee_of_zombie(const Process& process) {
  if (process.life.load() != LifeState::Zombie || process.first_thread == nullptr) return nullptr;
  return process.first_thread->tracee.get();
}

bool traces(const Process& process, const Process& child) {
  if (!child.has(kTraced) || child.first_thread == nullptr) return false;
  const Tracee* tracee = child.first_thread->tracee.get();
  return tracee != nullptr && tracee->tracer == &process;
}

PidNumber tracer_pid(const Thread& thread) {
  if (!is_traced(thread)) return 0;
  sync::SpinGuard guard(tree_lock);
  return thread.tracee != nullptr ? thread.tracee->tracer->pid() : 0;
}

// --- Inheritance ---

TraceEvent event_of(const ForkRequest& request) {
  if (request.has(ForkFlag::ParentWaits)) return TraceEvent::Vfork;
  return request.exit_signal != kSigChld ? TraceEvent::Clone : TraceEvent::Fork;
}

namespace {

// Whether the caller's tracer follows what `request` makes.
bool is_followed(Thread& caller, const ForkRequest& request, uint32_t option) {
  sync::SpinGuard guard(caller.process().lock);
  const Tracee* tracee = caller.tracee.get();
  return tracee != nullptr && (tracee->options & option || request.has(ForkFlag::Traced));
}

bool is_traced_as_a_whole(Thread& caller) {
  sync::SpinGuard guard(caller.process().lock);
  return caller.tracee != nullptr && caller.tracee->traces_process();
}

}  // namespace

Result<> TraceReservation::take_for_child(Thread& caller, const ForkRequest& request) {
  if (!is_traced(caller) || request.has(ForkFlag::Untraced) || request.function != nullptr) return {};
  if (is_followed(caller, request, option_for(event_of(request)))) tracee_ = TRY(mem::make_ref<Tracee>());
  return {};
}

Result<> TraceReservation::take_for_thread(Thread& caller, const ForkRequest& request) {
  if (!is_traced(caller)) return {};
  const bool followed = !request.has(ForkFlag::Untraced) && is_followed(caller, request, option_for(TraceEvent::Clone));
  if (followed || is_traced_as_a_whole(caller)) tracee_ = TRY(mem::make_ref<Tracee>());
  return {};
}

void TraceReservation::commit(Thread& caller, Thread& made) {
  if (tracee_ == nullptr) return;
  const Tracee* creators = caller.tracee.get();
  if (creators == nullptr) return;   // let go of meanwhile
  {
    sync::SpinGuard guard(caller.process().lock);
    tracee_->options = creators->options;
    tracee_->scope = creators->scope;
    tracee_->seized = creators->seized;
  }
  sync::SpinGuard guard(made.process().lock);
  if (made.tracee != nullptr) return;   // a thread of a process that somebody has just attached to
  link(*tracee_, *creators->tracer, made);
  if (tracee_->traces_process() && &made.process() == &caller.process()) return;
  // It stops before its first step in user mode.
  if (tracee_->traces_process()) {
    tracee_->interrupt_wanted = true;
    tracee_->first_event = TraceEvent::Fork;
    tracee_->first_message = static_cast<uint64_t>(caller.process().pid());
  } else if (tracee_->seized) {
    tracee_->interrupt_wanted = true;
  } else {
    made.pending.add(kSigStop, nullptr);
  }
  made.request_work(sched::kWorkSignal);
}

// --- Audit ---

namespace {

// Each tracee is on the list of its tracer, which lives, and its thread knows it.
void audit(AuditReport& report) {
  for (Ref<Process> each = next_process(0); each; each = next_process(each->pid())) {
    sync::SpinGuard tree(tree_lock);
    for (const Tracee& tracee : each->tracees) {
      if (tracee.tracer != each) report.problem("a tracee of %d names another tracer", each->pid());
      if (tracee.thread->tracee != &tracee) report.problem("a thread that %d traces does not know it", each->pid());
    }
    if (each->life.load() != LifeState::Alive && !each->tracees.empty())
      report.problem("process %d has ended and still traces", each->pid());
    sync::SpinGuard guard(each->lock);
    bool any = false;
    for (const Thread& thread : each->threads) {
      const bool traced = thread.tracee != nullptr;
      any |= traced;
      if (traced != is_traced(thread)) report.problem("a thread of %d: its tracer's mark is wrong", each->pid());
      if (traced && !static_cast<const TraceeHook&>(*thread.tracee).is_linked())
        report.problem("a thread of %d is traced, and on no tracer's list", each->pid());
    }
    if (any && !each->has(kTraced)) report.problem("process %d is traced and not marked so", each->pid());
  }
}

}  // namespace

Result<> init_tracing() {
  register_audit("tracing", audit);
  return {};
}

}  // namespace tine::process
