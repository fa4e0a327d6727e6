// SPDX-License-Identifier: BSD-2-Clause
// CPU time and load. A thread's run time is exact: it is charged at each switch. Its division into user and system time
// follows what ticks find: each tick moves the thread's user_share towards what it saw (S3). So a system call pays
// nothing, both times only grow, and their sum is the run time. The load average is computed from an integral of the
// number of runnable threads, when a tick or a reader comes by. Source: getloadavg(3); 4.4BSD's loadav.
#include <algorithm>

#include "sched/clock.h"
#include "sched/run_queue.h"
#include "sched/scheduler.h"

namespace tine::sched {

namespace {

constexpr Nanoseconds kLoadInterval = 5 * kSecond;
constexpr unsigned kLoadShift = 11;
// 2048 * e^(-5 s / 1, 5, 15 minutes).
constexpr uint64_t kLoadDecay[3] = {1884, 2014, 2037};

constinit sync::Spinlock load_lock("load average");
constinit LoadAverage load GUARDED_BY(load_lock) = {};
constinit uint64_t integral_seen GUARDED_BY(load_lock) = 0;
constinit Nanoseconds sampled_at GUARDED_BY(load_lock) = 0;
constinit std::atomic<Nanoseconds> next_sample{kLoadInterval};

template <class Function>
void for_each_online(Function&& function) {
  for (CpuSet left = online_cpus(); left != 0; left &= left - 1)
    function(queue_of(static_cast<unsigned>(__builtin_ctz(left))));
}

}  // namespace

void sample_load(Nanoseconds now) {
  if (now < next_sample.load(std::memory_order_relaxed)) return;
  uint64_t integral = 0;
  for_each_online([&](RunQueue& queue) {
    sync::SpinGuard guard(queue.lock);
    integral += queue.load_integral;
  });
  sync::SpinGuard guard(load_lock);
  const Nanoseconds elapsed = now - sampled_at;
  if (now < sampled_at || elapsed < kLoadInterval) return;  // another CPU came first
  const uint64_t gained = integral > integral_seen ? integral - integral_seen : 0;
  const uint64_t average = (gained / 1000 << kLoadShift) / (elapsed / 1000);
  // After an hour all three have forgotten the past.
  const uint64_t steps = std::min<uint64_t>(elapsed / kLoadInterval, 720);
  for (unsigned i = 0; i < 3; i++)
    for (uint64_t step = 0; step < steps; step++)
      load.fixed[i] = static_cast<uint32_t>(
          (load.fixed[i] * kLoadDecay[i] + average * ((1u << kLoadShift) - kLoadDecay[i])) >> kLoadShift);
  integral_seen = std::max(integral_seen, integral);
  sampled_at = now;
  next_sample.store(now + kLoadInterval, std::memory_order_relaxed);
}

LoadAverage load_average() {
  sample_load(uptime());
  sync::SpinGuard guard(load_lock);
  return load;
}

void on_interrupt_ended(bool from_user) {
  RunQueue& queue = local_queue();
  if (!queue.sample_due) return;
  queue.sample_due = false;
  Thread& thread = current();
  const int target = from_user ? 256 : 0;
  thread.user_share = static_cast<uint16_t>(thread.user_share + (target - thread.user_share) / 4);
}

Nanoseconds thread_cpu_time(const Thread& thread) NO_THREAD_SAFETY_ANALYSIS {
  RunQueue& queue = lock_queue_of(thread);
  if (queue.current == &thread) queue.account(uptime());
  const Nanoseconds time = thread.runtime;
  queue.lock.unlock();
  return time;
}

CpuTimes cpu_times(unsigned cpu) {
  RunQueue& queue = queue_of(cpu);
  sync::SpinGuard guard(queue.lock);
  if (queue.current == nullptr) return {};
  queue.account(uptime());
  return {queue.user_time, queue.system_time, queue.idle_time,
          __atomic_load_n(&queue.interrupt_time, __ATOMIC_RELAXED)};
}

unsigned runnable_threads() {
  unsigned threads = 0;
  for_each_online([&](RunQueue& queue) {
    sync::SpinGuard guard(queue.lock);
    threads += queue.load() + !queue.current->is_idle;
  });
  return threads;
}

uint64_t context_switches() {
  uint64_t switches = 0;
  for_each_online([&](RunQueue& queue) {
    sync::SpinGuard guard(queue.lock);
    switches += queue.switches;
  });
  return switches;
}

}  // namespace tine::sched
