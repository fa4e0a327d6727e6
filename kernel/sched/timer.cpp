// SPDX-License-Identifier: BSD-2-Clause
// One queue of timers per CPU. A timer is armed on the CPU that arms it, or on the one that runs its callback just then,
// so the hardware timer is only ever programmed by its own CPU. The scheduler's tick shares the hardware timer without being in the queue: it moves at every switch,
// and costs nothing there while the hardware is armed for something earlier.
#include "sched/timer.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/late.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "sched/clock.h"
#include "sched/run_queue.h"
#include "sched/scheduler.h"

namespace tine::sched {

namespace {
constexpr Nanoseconds kLongestRun = 100 * kMicrosecond;   // of callbacks, one after the other
}

class TimerQueue {
 public:
  // Interrupts off; this CPU's queue.
  static TimerQueue& local();

  static void arm(Timer& timer, Nanoseconds deadline);
  static bool cancel(Timer& timer);
  static bool is_running(const Timer& timer);
  void run_due();
  void set_tick(Nanoseconds deadline) {
    tick_ = deadline;
    program(deadline);
  }
  void limit_tick(Nanoseconds deadline) {
    if (deadline < tick_) set_tick(deadline);
  }

 private:
  using Timers = boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>>;

  static TimerQueue& lock_queue_of(const Timer& timer) NO_THREAD_SAFETY_ANALYSIS;
  bool remove(Timer& timer) REQUIRES(lock_);
  Timer* take_due(Nanoseconds now);
  void program(Nanoseconds deadline);

  sync::Spinlock lock_{"timers"};
  Timers timers_ GUARDED_BY(lock_);
  std::atomic<Timer*> running_{nullptr};   // whose callback runs; set under the lock
  Nanoseconds tick_ = kForever;            // these two: the CPU's own, interrupts off
  Nanoseconds programmed_ = kForever;      // what the hardware is armed for
};

namespace {
constinit std::array<Late<TimerQueue>, machine::kMaxCpus> queues;
}

void init_timers(unsigned cpu) { queues[cpu].construct(); }

TimerQueue& TimerQueue::local() { return *queues[machine::cpu_id()]; }

TimerQueue& TimerQueue::lock_queue_of(const Timer& timer) {
  while (true) {
    const uint32_t cpu = timer.cpu_.load(std::memory_order_relaxed);
    TimerQueue& queue = *queues[cpu];
    queue.lock_.lock();
    if (timer.cpu_.load(std::memory_order_relaxed) == cpu) return queue;
    queue.lock_.unlock();
  }
}

bool TimerQueue::remove(Timer& timer) {
  if (!timer.armed()) return false;
  timers_.erase(timers_.iterator_to(timer));
  timer.armed_.store(false, std::memory_order_release);
  return true;
}

// A timer whose callback runs stays where that is until it has ended, or else cancel() would not find it: that CPU looks
// for the next deadline when it is done.
void TimerQueue::arm(Timer& timer, Nanoseconds deadline) NO_THREAD_SAFETY_ANALYSIS {
  machine::InterruptGuard guard;
  TimerQueue& home = local();
  TimerQueue* queue;
  while (true) {
    queue = &lock_queue_of(timer);
    queue->remove(timer);
    if (queue == &home || queue->running_.load(std::memory_order_relaxed) == &timer) break;
    timer.cpu_.store(machine::cpu_id(), std::memory_order_relaxed);  // and look again: somebody else may arm it too
    queue->lock_.unlock();
  }
  timer.deadline_ = deadline;
  timer.armed_.store(true, std::memory_order_release);
  queue->timers_.insert(timer);
  queue->lock_.unlock();
  if (queue == &home) home.program(deadline);
}

bool TimerQueue::cancel(Timer& timer) NO_THREAD_SAFETY_ANALYSIS {
  bool was_armed = false;
  while (true) {
    TimerQueue& queue = lock_queue_of(timer);
    was_armed |= queue.remove(timer);
    const bool runs = queue.running_.load(std::memory_order_relaxed) == &timer;
    DEBUG_ASSERT(!runs || &queue != &local());  // not from the callback
    queue.lock_.unlock();
    if (!runs) return was_armed;
    // The callback runs on another CPU. When it is done, look again: it may have armed the timer.
    while (queue.running_.load(std::memory_order_acquire) == &timer) machine::spin_pause();
  }
}

bool TimerQueue::is_running(const Timer& timer) {
  return queues[timer.cpu_.load(std::memory_order_relaxed)]->running_.load(std::memory_order_acquire) == &timer;
}

Timer* TimerQueue::take_due(Nanoseconds now) {
  sync::SpinGuard guard(lock_);
  running_.store(nullptr, std::memory_order_release);
  if (timers_.empty() || timers_.begin()->deadline() > now) return nullptr;
  Timer& timer = *timers_.begin();
  running_.store(&timer, std::memory_order_relaxed);  // first: cancel() looks at armed and then at this
  remove(timer);
  return &timer;
}

void TimerQueue::program(Nanoseconds deadline) {
  if (deadline >= programmed_) return;
  programmed_ = deadline;
  machine::arm_timer(deadline);
}

// Timers that are armed anew faster than they can be served must not keep the CPU: after a while its threads have it for
// as long as the timers had.
void TimerQueue::run_due() {
  const Nanoseconds start = uptime();
  Nanoseconds now = start;
  programmed_ = 0;   // nobody needs to arm the hardware before all is over
  while (Timer* timer = take_due(now)) {
    timer->callback_(*timer);
    now = uptime();
    if (now - start > kLongestRun) break;
  }
  running_.store(nullptr, std::memory_order_release);
  now = uptime();
  const Nanoseconds pause = now - start > kLongestRun ? now - start : 0;
  if (tick_ <= now) {
    tick_ = kForever;
    on_tick(now);
  }
  Nanoseconds next = tick_;
  {
    sync::SpinGuard guard(lock_);
    if (!timers_.empty()) next = std::min(next, timers_.begin()->deadline());
  }
  programmed_ = kForever;
  program(pause != 0 ? std::max(next, now + pause) : next);
  local_queue().interrupt_time += now - start;
}

void Timer::arm(Nanoseconds deadline) { TimerQueue::arm(*this, deadline); }

bool Timer::cancel() {
  // Most are over, or never were armed. The order: a timer is armed, then running, then neither, or armed again.
  if (!armed() && !TimerQueue::is_running(*this) && !armed()) return false;
  return TimerQueue::cancel(*this);
}

void set_tick(Nanoseconds deadline) { TimerQueue::local().set_tick(deadline); }
void limit_tick(Nanoseconds deadline) { TimerQueue::local().limit_tick(deadline); }
void on_timer_expired() { TimerQueue::local().run_due(); }

}  // namespace tine::sched
