// SPDX-License-Identifier: BSD-2-Clause
// Which CPU a thread runs on: chosen at its start and at each wake-up (S2), changed by its affinity, and corrected by
// CPUs that run out of work and steal.
#include <bit>

#include "base/assert.h"
#include "machine/interrupts.h"
#include "sched/clock.h"
#include "sched/jitter.h"
#include "sched/run_queue.h"
#include "sched/scheduler.h"

namespace tine::sched {

namespace {

constinit std::atomic<CpuSet> idle_cpus{0};

CpuSet bit_of(unsigned cpu) { return CpuSet{1} << cpu; }
unsigned lowest(CpuSet cpus) { return static_cast<unsigned>(std::countr_zero(cpus)); }

CpuSet allowed_cpus(const Thread& thread) {
  const CpuSet allowed = thread.affinity.load(std::memory_order_relaxed) & online_cpus();
  return allowed != 0 ? allowed : online_cpus();
}

// How much runs or waits there, the idle thread not counted.
uint32_t load_of(unsigned cpu) {
  return queue_of(cpu).load() + ((idle_cpus.load(std::memory_order_relaxed) & bit_of(cpu)) == 0);
}

// Claims an idle CPU of `candidates`, `favourite` if it is one; kMaxCpus: none is idle.
unsigned claim_idle(CpuSet candidates, unsigned favourite) {
  while (true) {
    const CpuSet idle = idle_cpus.load(std::memory_order_relaxed) & candidates;
    if (idle == 0) return machine::kMaxCpus;
    const unsigned cpu = (idle & bit_of(favourite)) != 0 ? favourite : lowest(idle);
    if ((idle_cpus.fetch_and(~bit_of(cpu)) & bit_of(cpu)) != 0) return cpu;
  }
}

// The least loaded of `candidates`; of equals, `favourite`, whose caches know the thread.
unsigned least_loaded(CpuSet candidates, unsigned favourite) {
  unsigned best = (candidates & bit_of(favourite)) != 0 ? favourite : lowest(candidates);
  uint32_t best_load = load_of(best);
  for (CpuSet left = candidates; left != 0; left &= left - 1) {
    const unsigned cpu = lowest(left);
    if (const uint32_t load = load_of(cpu); load < best_load) {
      best = cpu;
      best_load = load;
    }
  }
  return best;
}

unsigned choose(CpuSet allowed, unsigned favourite) {
  while (jitter(2) && std::popcount(allowed) > 1) allowed &= allowed - 1;
  if ((allowed & (allowed - 1)) == 0) return lowest(allowed);
  const unsigned idle = claim_idle(allowed, favourite);
  return idle != machine::kMaxCpus ? idle : least_loaded(allowed, favourite);
}

// A thread waits behind another while some CPU that could take it is idle: that one is told to steal.
void tell_idle_cpu(CpuSet allowed) {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the queue before the set of idle CPUs; see announce_idle
  if ((idle_cpus.load(std::memory_order_relaxed) & allowed) == 0) return;
  const unsigned cpu = claim_idle(allowed, lowest(allowed));
  if (cpu != machine::kMaxCpus) machine::send_reschedule(cpu);
}

}  // namespace

// Before the CPU's last look at the queues: then either it sees a thread queued elsewhere, or who queued that sees it.
void announce_idle(unsigned cpu) { idle_cpus.fetch_or(bit_of(cpu)); }
void withdraw_idle(unsigned cpu) { idle_cpus.fetch_and(~bit_of(cpu)); }

bool anybody_waits() {
  for (CpuSet left = online_cpus(); left != 0; left &= left - 1)
    if (queue_of(lowest(left)).load() != 0) return true;
  return false;
}

RunQueue& lock_queue_of(const Thread& thread) {
  while (true) {
    RunQueue& queue = queue_of(thread.cpu.load(std::memory_order_relaxed));
    queue.lock.lock();
    if (thread.cpu.load(std::memory_order_relaxed) == queue.cpu) return queue;
    queue.lock.unlock();
  }
}

unsigned choose_cpu(const Thread& thread) {
  return choose(allowed_cpus(thread), thread.cpu.load(std::memory_order_relaxed));
}

unsigned choose_cpu_for_fork(const Thread& thread) { return choose(allowed_cpus(thread), machine::cpu_id()); }

void join(RunQueue& queue, Thread& thread) NO_THREAD_SAFETY_ANALYSIS {
  queue.admit(thread);
  queue.consider_preemption(thread);
  const bool waits = !queue.current->is_idle || queue.load() > 1;
  const CpuSet others = allowed_cpus(thread) & ~bit_of(queue.cpu);
  queue.lock.unlock();
  if (waits && others != 0) tell_idle_cpu(others);
}

void place(Thread& thread) NO_THREAD_SAFETY_ANALYSIS {
  while (true) {
    RunQueue& queue = lock_queue_of(thread);
    if ((allowed_cpus(thread) & bit_of(queue.cpu)) != 0) {
      queue.account(uptime());
      return join(queue, thread);
    }
    // Its affinity changed on the way. The CPU may have been claimed for nothing; let it announce itself again.
    thread.cpu.store(choose_cpu(thread), std::memory_order_relaxed);
    queue.lock.unlock();
    machine::send_reschedule(queue.cpu);
  }
}

// A CPU without work takes a waiting thread from the longest queue. It holds its own lock, so it only tries others'.
Thread* steal_for(RunQueue& thief) NO_THREAD_SAFETY_ANALYSIS {
  const CpuSet others = online_cpus() & ~bit_of(thief.cpu);
  CpuSet tried = 0;
  while (true) {
    RunQueue* victim = nullptr;
    for (CpuSet left = others & ~tried; left != 0; left &= left - 1) {
      RunQueue& queue = queue_of(lowest(left));
      if (queue.load() != 0 && (victim == nullptr || queue.load() > victim->load())) victim = &queue;
    }
    if (victim == nullptr) return nullptr;
    tried |= bit_of(victim->cpu);
    if (!victim->lock.try_lock()) {
      thief.steal_contended = true;
      continue;
    }
    Thread* thread = victim->pick_for(thief.cpu);
    if (thread != nullptr) {
      victim->let_go(*thread);
      thread->cpu.store(thief.cpu, std::memory_order_relaxed);
    }
    victim->lock.unlock();
    if (thread == nullptr) continue;
    thief.admit(*thread);
    thief.take_out(*thread);
    return thread;
  }
}

Result<> set_affinity(Thread& thread, CpuSet cpus) NO_THREAD_SAFETY_ANALYSIS {
  if ((cpus & online_cpus()) == 0 || thread.is_idle) return Error(Errno::Inval);
  RunQueue& queue = lock_queue_of(thread);
  thread.affinity.store(cpus, std::memory_order_relaxed);
  const bool misplaced = (cpus & bit_of(queue.cpu)) == 0;
  if (!misplaced) {
    queue.lock.unlock();
  } else if (RunQueue::is_queued(thread)) {
    queue.take_out(thread);
    queue.let_go(thread);
    thread.cpu.store(choose_cpu(thread), std::memory_order_relaxed);
    queue.lock.unlock();
    place(thread);
  } else {
    if (queue.current == &thread) queue.request_preemption();  // it moves when it gives way
    queue.lock.unlock();
    if (&thread == &current()) maybe_yield();
  }
  return {};
}

void on_every_cpu(void (*function)()) {
  Thread& thread = current();
  const CpuSet affinity = thread.affinity.load(std::memory_order_relaxed);
  for (CpuSet left = online_cpus(); left != 0; left &= left - 1) {
    ASSERT(set_affinity(thread, left & -left).has_value());
    function();
  }
  ASSERT(set_affinity(thread, affinity).has_value());
}

bool replace_priority(Thread& thread, Priority before, Priority priority) NO_THREAD_SAFETY_ANALYSIS {
  RunQueue& queue = lock_queue_of(thread);
  if (thread.priority != before) {
    queue.lock.unlock();
    return false;
  }
  if (RunQueue::is_queued(thread)) {
    queue.take_out(thread);
    thread.priority = priority;
    queue.insert(thread, Place::Tail);
    queue.consider_preemption(thread);
  } else {
    const bool runs = queue.current == &thread;
    if (runs) queue.account(uptime());
    thread.priority = priority;
    if (runs && queue.load() != 0) queue.request_preemption();  // perhaps it is no longer the best
  }
  queue.lock.unlock();
  return true;
}

}  // namespace tine::sched
