// SPDX-License-Identifier: BSD-2-Clause
// The scheduler: one run queue per CPU (real-time lists before a fair queue ordered by weighted run time), load
// balancing by stealing when idle and by choosing a CPU at fork and at wake-up; tickless when there is nothing to
// preempt for. Seed rows S1-S5, C13, R15. Lock: run-queue locks, innermost but for the frame allocator's; two are taken
// in order of CPU number.
#pragma once

#include "base/result.h"
#include "machine/cpu.h"
#include "sched/thread.h"

namespace tine::sched {

// Boot: makes the running context of this CPU its idle thread.
Result<> init_this_cpu();
[[noreturn]] void run_idle_loop();

// A complete thread's first step into the run queues: picks a CPU (idle before busy, the parent's caches considered).
void start(Thread& thread);
unsigned choose_cpu_for_fork(const Thread& thread);
// Bound to one CPU and never queued (R15): runs only when `cpu` switches to it itself, for want of others.
void bind_idle(Thread& thread, unsigned cpu);

// The part of maybe_yield() that is seldom needed; debug kernels note there how long the thread kept its CPU.
void offer_cpu();

// Gives the CPU to somebody else; the running thread stays runnable.
void yield();
// Gives way if a reschedule is due (kWorkReschedule): on the way back to user mode, and in long loops in the kernel.
inline void maybe_yield() {
  if (TINE_DEBUG || machine::has_user_work(kWorkReschedule)) offer_cpu();
}
// What each step of a loop that a program can make long does: gives way as maybe_yield() does. Fails, with Intr, when the
// thread is to end: the loop breaks off, and nobody will see the result of the call. A step takes less than a ms.
Result<> step();

// Ends the running thread. on_dead() runs once its stack is no longer in use.
[[noreturn]] void exit_current();
// For a thread that has nothing more to do but must stay.
[[noreturn]] void sleep_for_ever(const char* wait_name);

// Makes an embryo thread start with function(argument) on its own kernel stack, interrupts on. The scheduler's own
// trampoline comes first and finishes the switch that led there (S1). A function that returns ends the thread.
void prepare_thread(Thread& thread, void (*function)(void*), void* argument);

// --- Sleeping: the primitive under WaitQueue; see sched/wait_queue.h for what to use. ---
enum class Sleep : uint8_t { Uninterruptible, Interruptible };
void set_sleeping(Sleep kind, const char* wait_name);  // from here on a wake() is not lost
void cancel_sleeping();
// Switches away unless woken since set_sleeping. Returns when woken or at `deadline` (uptime; kForever: none).
void block(Nanoseconds deadline);
bool wake(Thread& thread);                 // makes a Sleeping thread runnable; false: it was not asleep
void interrupt(Thread& thread);            // ends its sleep if that is interruptible
bool interrupt_pending();                  // the running thread has kWorkSignal set

// --- Parameters ---
// Changes nothing and returns false when the priority is not `before` any more.
bool replace_priority(Thread& thread, Priority before, Priority priority);
CpuSet online_cpus();
Result<> set_affinity(Thread& thread, CpuSet cpus);    // Moves the thread. Inval: no running CPU is in it, or the thread is a CPU's own
// Moves the running thread to each CPU in turn and calls function() there: for what only a CPU itself may touch.
void on_every_cpu(void (*function)());

// --- Time ---
Nanoseconds thread_cpu_time(const Thread& thread);     // exact, also while it runs
struct CpuTimes { Nanoseconds user, system, idle, interrupt; };
CpuTimes cpu_times(unsigned cpu);
struct LoadAverage { uint32_t fixed[3]; };             // 1, 5, 15 minutes, in 1/2048
LoadAverage load_average();
unsigned runnable_threads();
uint64_t context_switches();

// upcalls (kernel/upcalls.cpp forwards to these)
void on_timer_expired();
void on_reschedule_requested();
void on_interrupt_ended(bool from_user);               // tells user time from system time
[[noreturn]] void on_cpu_started();

}  // namespace tine::sched
