// SPDX-License-Identifier: BSD-2-Clause
// A process's timers: the three interval timers, POSIX timers, and the watch over RLIMIT_CPU. Not inherited
// by fork (seed row C12); exec keeps the interval timers and deletes the POSIX ones.
//
// Every timer counts on a clock. The uptime and wall clocks are followed by a scheduler timer at the expiry
// itself; for CPU-time clocks, which advance at most as fast as the process has CPUs, it is set to the
// earliest moment at which the expiry can have come, and again if it has not. So a process without timers
// pays nothing, not even a tick.
//
// A program cannot make interrupts faster than it takes signals. A periodic timer that has sent its signal is stalled: it goes
// on when the signal is taken, and the expiries between are worked out then, as Linux does it. A signal that is ignored,
// blocked or thrown away does not come to be taken; a stalled timer therefore looks again at times. One that sends nothing
// (SIGEV_NONE) needs no interrupt: its state is worked out when it is asked for. Source: setitimer(2), timer_create(2), getrlimit(2). Lock: IntervalTimers'
// lock, before the scheduler's timer locks; never held together with Process::lock.
#pragma once

#include <boost/intrusive/list.hpp>

#include "process/signal.h"
#include "process/thread.h"
#include "sched/timer.h"

namespace tine::process {

enum class TimerClock : uint8_t { Uptime, Wall, ProcessCpu, ProcessUser, ThreadCpu };

// What time it is for `process` (and `thread`, for ThreadCpu). No lock held.
Nanoseconds read_clock(TimerClock clock, const Process& process, const Thread* thread);

struct TimerSetting {
  Nanoseconds value = 0;     // until the next expiry; 0: disarmed
  Nanoseconds interval = 0;  // from then on; 0: once
};

enum class IntervalTimer : uint8_t { Real = 0, Virtual = 1, Profile = 2 };  // ITIMER_*

// struct sigevent: what a POSIX timer does when it expires.
struct TimerEvent {
  enum class Kind : uint8_t { None, Process, Thread } kind = Kind::Process;
  int signal = kSigAlrm;
  uint64_t value = 0;
  bool value_is_id = false;  // the timer's own id instead
  Ref<Thread> thread;        // Kind::Thread
};

class IntervalTimers;

// A timer on a clock. All but the constants belong to the owner's lock.
struct ClockTimer : sched::Timer {
  enum class Role : uint8_t { Interval, Posix, CpuLimit };
  ClockTimer(IntervalTimers& owner, Role role, TimerClock clock, Ref<Thread> thread = nullptr);
  IntervalTimers& owner;
  const Role role;
  const TimerClock clock;
  const Ref<Thread> thread;  // ThreadCpu
  // What the expiry is a time of: a duration on the wall clock does not change when that is set.
  TimerClock counts_on = clock;
  bool stalled = false;      // has sent a signal that was not taken yet
  int signal = 0;            // Interval
  Nanoseconds expiry = 0;    // on the clock; 0: disarmed
  Nanoseconds interval = 0;
};

struct PosixTimer : ClockTimer, boost::intrusive::list_base_hook<>, mem::FromCache<PosixTimer> {
  PosixTimer(IntervalTimers& owner, int id, TimerClock clock, Ref<Thread> thread, TimerEvent event)
      : ClockTimer(owner, Role::Posix, clock, std::move(thread)), id(id), event(std::move(event)) {}
  const int id;
  const TimerEvent event;
  int32_t overrun = 0;  // of the last signal that was taken
  identity::Charge<identity::Kept::Timers> charge;   // within RLIMIT_SIGPENDING, for the signal that it may have pending
};

class IntervalTimers : public RefCounted<IntervalTimers>, public mem::FromCache<IntervalTimers> {
 public:
  explicit IntervalTimers(Process& process);
  ~IntervalTimers();
  // The process's own, made at first use. NoMem.
  static Result<Ref<IntervalTimers>> of(Process& process);

  TimerSetting get(IntervalTimer which);
  TimerSetting set(IntervalTimer which, TimerSetting setting);  // the old one

  // POSIX timers. Inval: no such timer. Again: too many of them, or signals pending, of the process's user.
  Result<int> create(TimerClock clock, Ref<Thread> of_thread, TimerEvent event);
  Result<TimerSetting> get(int id);
  // `absolute`: setting.value is a time on the clock. Returns the old setting.
  Result<TimerSetting> set(int id, TimerSetting setting, bool absolute);
  Result<int> overrun(int id);
  Result<> destroy(int id);
  void destroy_all();  // exec

  void watch_cpu_limit();  // after RLIMIT_CPU was set, or inherited
  void thread_added();     // the process's CPU time can pass faster from now on
  void wall_clock_set();
  // A timer's signal was taken, or a bare number that may have been one's: what stalled for it goes on. Tells the
  // overruns of the timer `info` is from.
  void signal_taken(SignalInfo& info, bool by_timer);

 private:
  friend struct ClockTimer;
  static void on_timer(sched::Timer& timer);  // interrupt context
  void expired(ClockTimer& timer);
  void enforce_cpu_limit(ClockTimer& timer);
  void end(ClockTimer& timer);
  void arm(ClockTimer& timer, Nanoseconds now) REQUIRES(lock_);
  // The expiries from timer.expiry to `now`, which it leaves behind. The timer is periodic and has expired.
  static uint64_t pass_expiries(ClockTimer& timer, Nanoseconds now);
  uint64_t go_on(ClockTimer& timer) REQUIRES(lock_);
  TimerSetting setting_of(const ClockTimer& timer, Nanoseconds now) REQUIRES(lock_);
  PosixTimer* find(int id) REQUIRES(lock_);
  ClockTimer& of_kind(IntervalTimer which);
  Nanoseconds read(const ClockTimer& timer) const;

  Process& process_;  // which outlives this: it drops its reference before it can be reaped
  sync::Spinlock lock_{"interval timers"};
  ClockTimer real_, virtual_, profile_, cpu_limit_;
  boost::intrusive::list<PosixTimer> posix_ GUARDED_BY(lock_);
  int next_id_ GUARDED_BY(lock_) = 0;
};

// A signal was taken from the queue. If a timer sent it, `info` gets the overruns until now.
void note_signal_taken(Process& process, SentSignal& taken);
// Begins to enforce RLIMIT_CPU if it is finite: setrlimit(2), and a fork that inherits one. NoMem.
Result<> watch_cpu_limit(Process& process);
// The process has one thread more, whose time counts for its clocks from the first run on (S4).
void note_thread_added(Process& process);
// settimeofday(2) and the like: timers on the wall clock look again, in all processes.
void wall_clock_was_set();

}  // namespace tine::process
