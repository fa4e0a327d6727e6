// SPDX-License-Identifier: BSD-2-Clause
// Checks that a timer that one CPU arms while its callback runs on another still waits for that callback when it is
// cancelled, and expires at the new deadline.
#include "sched/timer.h"
#include "trace/self_test_support.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

constexpr Nanoseconds kCallback = 5 * kMillisecond;   // how long it takes

class SlowTimer final : public sched::Timer {
 public:
  SlowTimer() : Timer(run) {}
  std::atomic<unsigned> begun{0}, ended{0};

  bool wait_for(const std::atomic<unsigned>& count, unsigned value) const {
    const Nanoseconds give_up = machine::now() + 5 * kSecond;
    while (count.load() < value && machine::now() < give_up) machine::spin_pause();
    return count.load() >= value;
  }

 private:
  static void run(Timer& timer) {
    auto& self = static_cast<SlowTimer&>(timer);
    ++self.begun;
    const Nanoseconds end = machine::now() + kCallback;
    while (machine::now() < end) machine::spin_pause();
    ++self.ended;
  }
};

// The caller's thread on CPU 1, while the callback runs on CPU 0 for the `count`th time.
Result<> begin_on_the_other_cpu(sched::Thread& thread, SlowTimer& timer, unsigned count) {
  TRY(sched::set_affinity(thread, 1u << 0));
  timer.arm(machine::now() + 2 * kMillisecond);
  TRY(sched::set_affinity(thread, 1u << 1));
  return expect(timer.wait_for(timer.begun, count), "the timer expires");
}

Result<> arm_while_it_runs_elsewhere(sched::Thread& thread) {
  SlowTimer timer;
  TRY(begin_on_the_other_cpu(thread, timer, 1));
  timer.arm(machine::now() + 5 * kSecond);
  timer.cancel();
  TRY(expect(timer.ended == 1, "cancelling waits for the callback"));

  TRY(begin_on_the_other_cpu(thread, timer, 2));
  timer.arm(machine::now() + kMillisecond);
  return expect(timer.wait_for(timer.ended, 3), "it expires at the deadline that another CPU gave it meanwhile");
}

}  // namespace

Result<> timer_is_armed_while_it_runs_elsewhere() {
  sched::Thread& thread = process::current();
  const sched::CpuSet affinity = thread.affinity.load();
  if (machine::cpu_count() == 1) return {};   // there is no elsewhere
  const Result<> result = arm_while_it_runs_elsewhere(thread);
  TRY(sched::set_affinity(thread, affinity));
  return result;
}

}  // namespace tine::trace

#endif
