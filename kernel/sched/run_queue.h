// SPDX-License-Identifier: BSD-2-Clause
// RunQueue: the threads that may run on one CPU. Real-time threads come first, by priority and then in order; the others
// by virtual run time, smallest first. The running thread is not in the queue. Inside sched only.
// Source: POSIX SCHED_FIFO and SCHED_RR; the fair queue of Linux.
#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "base/audit.h"
#include "sched/thread.h"
#include "sync/spinlock.h"

namespace tine::sched {

inline constexpr Nanoseconds kSlice = 4 * kMillisecond;              // fair threads, when others wait
inline constexpr Nanoseconds kRoundRobinSlice = 100 * kMillisecond;  // SCHED_RR
inline constexpr Nanoseconds kSampleInterval = 10 * kMillisecond;    // user or system time? asked of a lone thread
inline constexpr int64_t kSleeperCredit = 3 * kMillisecond;          // how far a sleeper may come back ahead
inline constexpr int64_t kWakeupGranularity = kMillisecond;          // how far ahead it must be to preempt

// sched(7)'s numbers.
inline constexpr uint8_t kPolicyFifo = 1, kPolicyRoundRobin = 2, kPolicyBatch = 3, kPolicyIdle = 5;

inline bool is_realtime(const Thread& thread) {
  return thread.priority.policy == kPolicyFifo || thread.priority.policy == kPolicyRoundRobin;
}
// Higher runs first; all fair threads have 0.
inline unsigned rank_of(const Thread& thread) { return is_realtime(thread) ? thread.priority.realtime : 0; }

enum class Place : uint8_t { Head, Tail };  // among real-time threads of equal priority

class RunQueue {
 public:
  explicit RunQueue(unsigned cpu_number) : cpu(cpu_number) {}

  // A thread that belongs to no queue comes in, or one of this queue's goes: its virtual run time is translated, by a minimum
  // that is as old as the last account(). What a sleeper did not use while others ran is in the difference.
  void admit(Thread& thread) REQUIRES(lock);
  void let_go(Thread& thread) REQUIRES(lock);

  // Queues a thread that is on this queue's scale.
  void insert(Thread& thread, Place place) REQUIRES(lock);
  void take_out(Thread& thread) REQUIRES(lock);
  static bool is_queued(const Thread& thread) { return thread.fair_hook.is_linked() || thread.queue_hook.is_linked(); }

  // Takes the next thread to run out of the queue; nullptr: none.
  Thread* pick() REQUIRES(lock);
  // Takes out a thread that may run on `thief`; nullptr: none.
  Thread* pick_for(unsigned thief) REQUIRES(lock);

  // Charges the running thread for its time up to `now`.
  void account(Nanoseconds now) REQUIRES(lock);

  // Asks the CPU to switch if `candidate`, just queued, should run before the running thread.
  void consider_preemption(const Thread& candidate) REQUIRES(lock);
  void request_preemption() REQUIRES(lock);

  // The running thread's slice begins.
  void begin_slice(Nanoseconds now) REQUIRES(lock);

  // The running thread's slice is used up and somebody waits who may have the CPU.
  bool slice_over(Nanoseconds now) const REQUIRES(lock);

  // Makes `thread`, which yields, queue behind the one that would run next.
  void fall_behind(Thread& thread) REQUIRES(lock);

  // Adds what is wrong to the report.
  void audit(AuditReport& report) REQUIRES(lock);

  uint32_t load() const { return queued.load(std::memory_order_relaxed); }

  sync::Spinlock lock{"run queue"};
  const unsigned cpu;
  std::atomic<uint32_t> queued{0};              // written under the lock
  Thread* current GUARDED_BY(lock) = nullptr;
  Thread* idle GUARDED_BY(lock) = nullptr;
  Nanoseconds slice GUARDED_BY(lock) = kSlice;  // the running thread's, if it is a fair one
  Thread* previous GUARDED_BY(lock) = nullptr;  // during a switch: who runs no more
  bool previous_moves GUARDED_BY(lock) = false; // ... and must go to another CPU
  bool steal_contended GUARDED_BY(lock) = false;
  uint64_t switches GUARDED_BY(lock) = 0;
  Nanoseconds user_time GUARDED_BY(lock) = 0, system_time GUARDED_BY(lock) = 0, idle_time GUARDED_BY(lock) = 0;
  Nanoseconds interrupt_time = 0;               // the CPU's own
  uint64_t load_integral GUARDED_BY(lock) = 0;  // runnable threads * ns
  bool sample_due = false;                      // the CPU's own: a tick came, user mode or kernel?

 private:
  struct ByVirtualRuntime {
    bool operator()(const Thread& a, const Thread& b) const { return a.virtual_runtime < b.virtual_runtime; }
  };
  using FairHook = boost::intrusive::member_hook<Thread, boost::intrusive::set_member_hook<>, &Thread::fair_hook>;
  using FairQueue = boost::intrusive::multiset<Thread, FairHook, boost::intrusive::compare<ByVirtualRuntime>,
                                               boost::intrusive::constant_time_size<false>>;
  using ListHook = boost::intrusive::member_hook<Thread, boost::intrusive::list_member_hook<>, &Thread::queue_hook>;
  using RealtimeList =
      boost::intrusive::list<Thread, ListHook, boost::intrusive::constant_time_size<false>>;
  static constexpr unsigned kRanks = 128;

  unsigned highest_rank() const REQUIRES(lock);  // of the queued real-time threads; 0: there are none
  void advance_minimum() REQUIRES(lock);

  FairQueue fair_ GUARDED_BY(lock);
  std::array<RealtimeList, kRanks> realtime_ GUARDED_BY(lock);
  std::array<uint64_t, kRanks / 64> realtime_ranks_ GUARDED_BY(lock){};  // which lists are not empty
  // Never runs backwards; starts high enough that a relative time below 0 stays above 0 on the queue's scale.
  uint64_t minimum_ GUARDED_BY(lock) = uint64_t{1} << 48;
};

RunQueue& queue_of(unsigned cpu);
void audit_run_queues(AuditReport& report);
inline RunQueue& local_queue() { return queue_of(machine::cpu_id()); }

// Locks the queue of the CPU that the thread belongs to now.
RunQueue& lock_queue_of(const Thread& thread) NO_THREAD_SAFETY_ANALYSIS;

// The only changes of state. change_state asserts that the thread was in `from`; try_ returns false if not.
bool try_change_state(Thread& thread, ThreadState from, ThreadState to);
void change_state(Thread& thread, ThreadState from, ThreadState to);

// A Runnable thread that is in no queue (woken, started or on its way from another CPU) joins that of thread.cpu.
void place(Thread& thread);
void join(RunQueue& queue, Thread& thread) NO_THREAD_SAFETY_ANALYSIS;  // that queue, locked and charged; unlocks it
unsigned choose_cpu(const Thread& thread);
Thread* steal_for(RunQueue& queue) REQUIRES(queue.lock);

// Whether a thread is queued on any CPU.
bool anybody_waits();

// CPUs that have nothing to do. Who wants to give one work claims it first, so that two do not choose the same.
void announce_idle(unsigned cpu);
void withdraw_idle(unsigned cpu);

// The CPU's timer also serves as the scheduler's tick. This CPU, interrupts off.
void set_tick(Nanoseconds deadline);
void limit_tick(Nanoseconds deadline);      // no later than
void on_tick(Nanoseconds now);

void sample_load(Nanoseconds now);          // if it is time
void init_timers(unsigned cpu);

}  // namespace tine::sched
