// SPDX-License-Identifier: BSD-2-Clause
// Checks of the way from a fork to the child's first step. Seed rows A2, R15, S1, S5.
#include "base/format.h"
#include "machine/interrupts.h"
#include "process/life_events.h"
#include "trace/self_test_support.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

struct FirstStep : Stage {
  uintptr_t local = 0;
  bool interrupts_on = false;
};

void note_first_step(void* argument) {
  FirstStep& step = *static_cast<FirstStep*>(argument);
  step.local = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  step.interrupts_on = machine::interrupts_enabled();
  perform(static_cast<Stage*>(&step));
}

// A subscriber that is registered last: it is asked for its reservation after all others, and told last.
class LastWatch : public process::LifeSubscriber {
 public:
  LastWatch() : watched_(process::current().process()) {}
  ~LastWatch() { process::unsubscribe(*this); }
  bool is_watched(const Process& parent) const { return &parent == &watched_; }

 private:
  const Process& watched_;
};

class SiteWatch final : public LastWatch {
 public:
  Result<> reserve_fork(Process& parent, const ForkRequest&, uintptr_t&) override {
    if (is_watched(parent)) left_at_commit = process::current().fail_nth.remaining;
    return {};
  }
  uint32_t left_at_commit = 0;
};

// Tries to reap and to move the child while it is being made.
class Meddler final : public LastWatch {
 public:
  Result<> reserve_fork(Process& parent, const ForkRequest&, uintptr_t&) override {
    if (!is_watched(parent)) return {};
    process::WaitRequest request;
    request.what = process::WaitFor::Any;
    request.options = 1 | 4 | 0x40000000;   // WNOHANG, WEXITED, __WALL
    const Result<process::WaitResult> waited = process::wait_for_child(process::current(), request);
    had_no_child = !waited && waited.error() == Errno::Child;
    return {};
  }
  void forked(Process& parent, Process& child, const ForkRequest&, uintptr_t) override {
    if (!is_watched(parent)) return;
    process::Thread& thread = *child.first_thread;
    const sched::CpuSet all = sched::online_cpus();
    for (sched::CpuSet left = all; left != 0; left &= left - 1) moved_at_will &= sched::set_affinity(thread, left & -left).has_value();
    moved_at_will &= sched::set_affinity(thread, all).has_value();
    stayed = thread.state.load() == sched::ThreadState::Embryo && !thread.fair_hook.is_linked() && !thread.queue_hook.is_linked();
  }
  bool had_no_child = false, moved_at_will = true, stayed = false;
};

}  // namespace

Result<> first_step_is_on_the_threads_own_stack() {
  FirstStep step;
  const ForkRequest request = process::kernel_process_request("selftest", note_first_step, &step);
  const Ref<Process> child = TRY(process::fork(process::current(), request));
  const bool ran = step.wait_for(step.ran);
  const uintptr_t top = child->first_thread->stack_top();
  step.set(step.may_end);
  const int status = TRY(wait_status(*child));
  TRY(expect(ran && status == 0, "the first step led to the function, and from there to the end"));
  TRY(expect(step.local < top && step.local >= top - mem::kKernelStackSize, "it runs on its own kernel stack"));
  TRY(expect(step.interrupts_on, "interrupts are on"));
  return expect(step.locks_held == 0, "the scheduler's lock is released");
}

Result<> idle_process_is_bound_and_never_queued() {
  for (unsigned cpu = 0; cpu < machine::cpu_count(); ++cpu) {
    if ((sched::online_cpus() >> cpu & 1) == 0) continue;
    char name[16] = {};
    format(name, "idle%u", cpu);
    Ref<Process> idle;
    for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid()))
      if (each->has(process::kSystem) && std::string_view(each->name) == name) idle = each;
    TRY(expect(idle != nullptr, "each CPU has an idle process"));
    process::Thread& thread = *idle->first_thread;
    const Nanoseconds before = sched::thread_cpu_time(thread);
    // The CPU may be busy for a while, or be stopped by its host.
    constexpr int kLeast = 5, kMost = 1000;
    for (int i = 0; i < kLeast || (i < kMost && sched::thread_cpu_time(thread) <= before); ++i) {
      TRY(expect(thread.is_idle && thread.cpu.load() == cpu && thread.affinity.load() == sched::CpuSet{1} << cpu,
                 "an idle process is bound to its CPU"));
      TRY(expect(!thread.fair_hook.is_linked() && !thread.queue_hook.is_linked(), "it is in no queue"));
      TRY(expect(!sched::set_affinity(thread, sched::online_cpus()), "it cannot be moved"));
      sched::WaitQueue never{"selftest"};
      (void)sched::wait_until(never, {"selftest", sched::Sleep::Uninterruptible, machine::now() + 5 * kMillisecond},
                              [] { return false; });
    }
    TRY(expect(reinterpret_cast<uintptr_t>(thread.kernel_argument) == cpu, "its function was told which CPU"));
    TRY(expect(sched::thread_cpu_time(thread) > before, "it runs when nothing else does"));
  }
  return {};
}

Result<> embryo_is_neither_reaped_nor_moved() {
  Stage stage;
  stage.set(stage.may_end);
  Meddler meddler;
  TRY(process::subscribe(meddler));
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage)));
  TRY(wait_status(*child));
  TRY(expect(meddler.had_no_child, "an embryo is not a child that could be waited for"));
  TRY(expect(meddler.moved_at_will, "where it may run can be changed before it starts"));
  return expect(meddler.stayed, "that puts it into no queue: its creator starts it");
}

// Counts the fault-injection sites that the caller passes between its last reservation and the end of its fork.
Result<> nothing_fails_after_the_commit() {
  constexpr uint32_t kMany = 1'000'000;
  Stage stage;
  stage.set(stage.may_end);
  SiteWatch watch;
  TRY(process::subscribe(watch));
  mem::FailNth& countdown = process::current().fail_nth;
  countdown.remaining = kMany;
  const Result<Ref<Process>> child = process::fork(process::current(), kernel_request(stage));
  const uint32_t left = std::exchange(countdown.remaining, 0);
  if (!child) return Error(child.error());
  TRY(wait_status(**child));
  TRY(expect(watch.left_at_commit < kMany - 5, "a fork takes what it needs before it is committed"));
  return expect(left == watch.left_at_commit, "after that it takes nothing that could fail");
}

}  // namespace tine::trace

#endif
