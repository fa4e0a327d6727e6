// SPDX-License-Identifier: BSD-2-Clause
// Checks that the handler of an interrupt that hits in the kernel leaves the thread's stack alone, and that a backtrace finds
// its way from the one stack to the other.
#include "machine/cpu.h"
#include "sched/timer.h"
#include "trace/self_test_support.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

bool runs_on_interrupt_stack() {
  return machine::on_interrupt_stack(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
}

class InterruptWatch final : public sched::Timer {
 public:
  InterruptWatch() : Timer(note) {}
  bool on_its_stack = false;
  std::atomic<bool> seen{false};

 private:
  static void note(Timer& timer) {
    auto& watch = static_cast<InterruptWatch&>(timer);
    watch.on_its_stack = runs_on_interrupt_stack();
    log(LogLevel::Info, "self test: a backtrace from an interrupt\n");
    machine::log_backtrace();   // the guest test looks for the caller of this test in it
    watch.seen.store(true);
  }
};

}  // namespace

Result<> interrupts_have_a_stack_of_their_own() {
  InterruptWatch watch;
  const Nanoseconds start = machine::now();
  watch.arm(start + kMillisecond);
  // The kernel is not preempted: the timer's interrupt hits this loop.
  while (!watch.seen.load() && machine::now() < start + 5 * kSecond) machine::spin_pause();
  TRY(expect(watch.seen.load(), "a timer ends while the kernel runs"));
  TRY(expect(!runs_on_interrupt_stack(), "a system call runs on its thread's stack"));
  return expect(watch.on_its_stack, "the handler of an interrupt runs on the interrupt stack");
}

}  // namespace tine::trace

#endif
