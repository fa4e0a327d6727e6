// SPDX-License-Identifier: BSD-2-Clause
// The switch, and the ways to it: block, yield, preemption, exit, idle.
//
// A run queue's lock is held across the switch: taken by the thread that leaves, released by the one that comes. So who
// holds the lock of a thread's queue knows that the thread either runs or has left its stack completely. That is why a
// woken thread can be given to another CPU at once.
#include "sched/scheduler.h"

#include <array>
#include <atomic>

#include "base/assert.h"
#include "base/audit.h"
#include "base/late.h"
#include "machine/context.h"
#include "sched/clock.h"
#include "sched/run_queue.h"
#include "sched/timer.h"

namespace tine::sched {

namespace {

// The context in which a CPU starts, until it has an idle process (bind_idle). It has no stack of its own.
class BootThread final : public Thread {
 public:
  BootThread() : Thread("idle", mem::KernelStack()) { is_idle = true; }
  void on_dead() override { panic("an idle thread ended"); }
};

constinit std::array<Late<RunQueue>, machine::kMaxCpus> queues;
constinit std::array<Late<BootThread>, machine::kMaxCpus> boot_threads;
constinit std::atomic<CpuSet> online{0};

void switch_machine_state(Thread& from, Thread& to) {
  const machine::UserTop *from_top = from.user_top(), *to_top = to.user_top();
  if (from_top != nullptr) machine::save_user_state(from.user_state, from.stack_top());
  DEBUG_ASSERT(machine::loaded_user_top() == from_top);
  to.on_switch_in();
  if (from_top != to_top) {
    // In this order: a flush of either memory meets this CPU for as long as it may walk that memory's tables.
    to.enter_memory();
    machine::load_user_top(to_top);
    from.exit_memory();
  }
  if (to_top != nullptr) machine::load_user_state(to.user_state, to.stack_top());
  machine::set_kernel_stack(to.stack_top());   // also for a kernel process: it may execute a program before it leaves
  machine::set_current_thread(&to, to.user_work);
}

// The first thing on the new stack: lets go of the thread that left, and of the lock.
[[gnu::noinline]] void finish_switch(bool interrupts_were_on) NO_THREAD_SAFETY_ANALYSIS {
  RunQueue& queue = local_queue();
  Thread& previous = *queue.previous;
  machine::this_cpu().interrupts_were_on = interrupts_were_on;
  previous.on_cpu.store(false, std::memory_order_release);
  // Once the lock is free the thread may run elsewhere, and end; unless it is dead, or moves and is in no queue.
  const bool dead = previous.state.load(std::memory_order_relaxed) == ThreadState::Dead;
  const bool moves = queue.previous_moves;
  queue.previous_moves = false;
  if (TINE_DEBUG) {
    Thread& thread = current();
    thread.held_locks.switched_in();
    if (!thread.is_idle) thread.kernel_time.begin();
  }
  queue.lock.unlock();
  if (dead) return previous.on_dead();
  if (moves) place(previous);
}

// Runs the next thread. The caller has locked the queue, charged the running thread and settled where it goes; the lock
// is released when this returns, which may be much later and on another CPU. False: the same thread went on.
bool switch_away(RunQueue& queue) NO_THREAD_SAFETY_ANALYSIS {
  Thread& from = *queue.current;
  ASSERT(machine::this_cpu().spin_depth == 1);
  if ((from.user_work.load(std::memory_order_relaxed) & kWorkReschedule) != 0) from.clear_work(kWorkReschedule);

  Thread* next = queue.pick();
  if (next == nullptr) next = steal_for(queue);
  if (next == nullptr) next = queue.idle;
  Thread& to = *next;
  if (&to == &from) {
    if (!from.is_idle) {
      change_state(from, ThreadState::Runnable, ThreadState::Running);
      queue.begin_slice(from.switched_in_at);
    }
    queue.lock.unlock();
    return false;
  }
  if (from.is_idle) {
    withdraw_idle(queue.cpu);
    change_state(from, ThreadState::Running, ThreadState::Runnable);
  }
  change_state(to, ThreadState::Runnable, ThreadState::Running);
  to.on_cpu.store(true);  // before the thread can test user_work; see request_work
  to.switched_in_at = from.switched_in_at;
  queue.current = &to;
  queue.begin_slice(to.switched_in_at);
  queue.previous = &from;
  queue.switches++;
  set_tick(to.is_idle ? kForever : to.slice_start + (queue.load() != 0 ? queue.slice : kSampleInterval));

  from.held_locks.switched_out();
  from.kernel_time.end("until it leaves the CPU");
  switch_machine_state(from, to);
  const bool interrupts_were_on = machine::this_cpu().interrupts_were_on;
  machine::switch_context(from.context, to.context);
  finish_switch(interrupts_were_on);
  return true;
}

// Puts the running thread back and lets the best one run.
bool give_way(RunQueue& queue, Place place) NO_THREAD_SAFETY_ANALYSIS {
  Thread& thread = *queue.current;
  const bool belongs_here = (thread.affinity.load(std::memory_order_relaxed) & CpuSet{1} << queue.cpu) != 0;
  if (!thread.is_idle && belongs_here && queue.load() == 0) {
    if ((thread.user_work.load(std::memory_order_relaxed) & kWorkReschedule) != 0) thread.clear_work(kWorkReschedule);
    queue.lock.unlock();
    return false;
  }
  if (!thread.is_idle) {
    change_state(thread, ThreadState::Running, ThreadState::Runnable);
    if (belongs_here) {
      queue.insert(thread, place);
    } else {
      queue.let_go(thread);
      queue.previous_moves = true;
    }
  }
  return switch_away(queue);
}

// S1: where a new thread begins.
void start_of_thread(void* argument) {
  Thread& thread = *static_cast<Thread*>(argument);
  finish_switch(true);
  thread.entry(thread.entry_argument);
  exit_current();
}

void block_now() NO_THREAD_SAFETY_ANALYSIS {
  Thread& thread = current();
  sync::assert_may_sleep();
  ASSERT(!thread.is_idle);
  RunQueue& queue = local_queue();
  queue.lock.lock();
  if (thread.state.load(std::memory_order_relaxed) != ThreadState::Sleeping) return queue.lock.unlock();
  thread.voluntary_switches++;
  queue.account(uptime());
  switch_away(queue);
}

class WakeTimer final : public Timer {
 public:
  explicit WakeTimer(Thread& thread)
      : Timer([](Timer& timer) { wake(static_cast<WakeTimer&>(timer).thread_); }), thread_(thread) {}

 private:
  Thread& thread_;
};

mem::FailNth* fail_nth_of_running() {
  if (machine::current_thread() == nullptr || machine::this_cpu().in_interrupt) return nullptr;
  return &current().fail_nth;
}

sync::HeldLocks* held_locks_of_running() {
  return machine::current_thread() != nullptr ? &current().held_locks : nullptr;
}

}  // namespace

RunQueue& queue_of(unsigned cpu) { return *queues[cpu]; }
CpuSet online_cpus() { return online.load(std::memory_order_acquire); }

Result<> init_this_cpu() {
  const unsigned cpu = machine::cpu_id();
  if (online_cpus() == 0) {
    for (unsigned i = 0; i < machine::kMaxCpus; i++) {
      queues[i].construct(i);
      init_timers(i);
    }
    register_audit("run queues", audit_run_queues);
    mem::set_fail_nth_finder(fail_nth_of_running);
  }
  BootThread& thread = boot_threads[cpu].construct();
  thread.cpu.store(cpu, std::memory_order_relaxed);
  thread.affinity.store(CpuSet{1} << cpu, std::memory_order_relaxed);
  change_state(thread, ThreadState::Embryo, ThreadState::Runnable);
  change_state(thread, ThreadState::Runnable, ThreadState::Running);
  thread.on_cpu.store(true);
  thread.switched_in_at = uptime();
  {
    RunQueue& queue = local_queue();
    sync::SpinGuard guard(queue.lock);
    queue.current = queue.idle = &thread;
  }
  machine::set_current_thread(&thread, thread.user_work);
  sync::set_held_locks_finder(held_locks_of_running);
  online.fetch_or(CpuSet{1} << cpu);
  return {};
}

void on_cpu_started() {
  if (!init_this_cpu()) panic("CPU %u cannot schedule", machine::cpu_id());
  run_idle_loop();
}

void run_idle_loop() NO_THREAD_SAFETY_ANALYSIS {
  const unsigned cpu = machine::cpu_id();  // an idle thread never moves
  RunQueue& queue = queue_of(cpu);
  Thread& thread = current();
  while (true) {
    machine::disable_interrupts();
    announce_idle(cpu);
    queue.steal_contended = false;
    if (thread.user_work.load() != 0 || anybody_waits()) {
      queue.lock.lock();
      queue.account(uptime());
      if (give_way(queue, Place::Tail)) continue;
    }
    // Interrupts are off since before that look, so of a thread that came after it the interrupt is pending.
    if (queue.steal_contended) {
      machine::enable_interrupts();
      machine::spin_pause();
    } else {
      machine::wait_for_interrupt();
    }
  }
}

void bind_idle(Thread& thread, unsigned cpu) {
  RunQueue& queue = queue_of(cpu);
  thread.is_idle = true;
  thread.affinity.store(CpuSet{1} << cpu, std::memory_order_relaxed);
  thread.cpu.store(cpu, std::memory_order_relaxed);
  change_state(thread, ThreadState::Embryo, ThreadState::Runnable);
  sync::SpinGuard guard(queue.lock);
  queue.idle = &thread;
  if (queue.current->is_idle) queue.request_preemption();
}

[[noreturn]] void sleep_for_ever(const char* wait_name) {
  while (true) {
    set_sleeping(Sleep::Uninterruptible, wait_name);
    block(kForever);
  }
}

void prepare_thread(Thread& thread, void (*function)(void*), void* argument) {
  thread.entry = function;
  thread.entry_argument = argument;
  machine::prepare_context(thread.context, machine::initial_stack_pointer(thread.stack_top()), start_of_thread,
                           &thread);
}

void start(Thread& thread) NO_THREAD_SAFETY_ANALYSIS {
  // C13: the child starts with what its parent has used, so forking gains nothing.
  Thread& parent = current();
  thread.estcpu = parent.estcpu;
  thread.estcpu_halved_at = parent.estcpu_halved_at;
  thread.virtual_runtime = 0;
  if (!parent.is_idle && !is_realtime(parent)) {
    RunQueue& queue = local_queue();
    sync::SpinGuard guard(queue.lock);
    queue.account(uptime());
    thread.virtual_runtime = parent.virtual_runtime;
    queue.let_go(thread);
  }
  RunQueue& creators = lock_queue_of(thread);   // the thread can be found already, to be given another priority
  thread.cpu.store(choose_cpu_for_fork(thread), std::memory_order_relaxed);
  creators.lock.unlock();
  change_state(thread, ThreadState::Embryo, ThreadState::Runnable);
  place(thread);
}

void yield() NO_THREAD_SAFETY_ANALYSIS {
  sync::assert_may_sleep();
  RunQueue& queue = local_queue();
  Thread& thread = current();
  queue.lock.lock();
  queue.account(uptime());
  queue.fall_behind(thread);
  thread.voluntary_switches++;
  give_way(queue, Place::Tail);
}

void offer_cpu() NO_THREAD_SAFETY_ANALYSIS {
  Thread& thread = current();
  thread.kernel_time.end("until it offers the CPU");
  thread.kernel_time.begin();
  if ((thread.user_work.load(std::memory_order_relaxed) & kWorkReschedule) == 0) return;
  sync::assert_may_sleep();
  RunQueue& queue = local_queue();
  queue.lock.lock();
  const Nanoseconds now = uptime();
  queue.account(now);
  thread.involuntary_switches++;
  give_way(queue, queue.slice_over(now) ? Place::Tail : Place::Head);
}

Result<> step() {
  maybe_yield();
  if (current().exiting.load(std::memory_order_relaxed)) return Error(Errno::Intr);
  return {};
}

void exit_current() NO_THREAD_SAFETY_ANALYSIS {
  sync::assert_may_sleep();
  RunQueue& queue = local_queue();
  queue.lock.lock();
  queue.account(uptime());
  change_state(current(), ThreadState::Running, ThreadState::Dead);
  switch_away(queue);
  panic("a dead thread runs");
}

void set_sleeping(Sleep kind, const char* wait_name) {
  Thread& thread = current();
  thread.interruptible.store(kind == Sleep::Interruptible, std::memory_order_relaxed);
  thread.wait_name.store(wait_name, std::memory_order_relaxed);
  change_state(thread, ThreadState::Running, ThreadState::Sleeping);  // a full barrier
}

void cancel_sleeping() {
  Thread& thread = current();
  try_change_state(thread, ThreadState::Sleeping, ThreadState::Running);  // false: woken already
  thread.interruptible.store(false, std::memory_order_relaxed);
  thread.wait_name.store(nullptr, std::memory_order_relaxed);
}

void block(Nanoseconds deadline) {
  if (deadline == kForever) return block_now();
  WakeTimer timer(current());
  timer.arm(deadline);
  block_now();
}

bool wake(Thread& thread) NO_THREAD_SAFETY_ANALYSIS {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the caller's change comes before the look at the state
  if (thread.state.load(std::memory_order_relaxed) != ThreadState::Sleeping) return false;
  RunQueue& queue = lock_queue_of(thread);
  if (queue.current == &thread) {
    // On its way to sleep: block() will see that it need not.
    const bool was_asleep = try_change_state(thread, ThreadState::Sleeping, ThreadState::Running);
    queue.lock.unlock();
    return was_asleep;
  }
  if (!try_change_state(thread, ThreadState::Sleeping, ThreadState::Runnable)) {
    queue.lock.unlock();
    return false;
  }
  queue.account(uptime());
  queue.let_go(thread);
  const unsigned cpu = choose_cpu(thread);
  if (cpu == queue.cpu) {
    join(queue, thread);
    return true;
  }
  thread.cpu.store(cpu, std::memory_order_relaxed);
  queue.lock.unlock();
  place(thread);
  return true;
}

void interrupt(Thread& thread) {
  if (thread.interruptible.load(std::memory_order_acquire)) wake(thread);
}

bool interrupt_pending() { return (current().user_work.load() & kWorkSignal) != 0; }

void on_reschedule_requested() {}  // the interrupt is the message: its return sees user_work, or the idle loop goes on

void on_tick(Nanoseconds now) {
  RunQueue& queue = local_queue();
  {
    sync::SpinGuard guard(queue.lock);
    if (queue.current->is_idle) return;
    queue.account(now);
    if (queue.slice_over(now)) queue.request_preemption();
    set_tick(now + (queue.load() != 0 ? queue.slice : kSampleInterval));
  }
  queue.sample_due = true;
  sample_load(now);
}

}  // namespace tine::sched
