// SPDX-License-Identifier: BSD-2-Clause
// Seed rows C1, C6, E7, R10, R11, R13, R14, X1, X2.
#include "trace/self_test.h"

#include <algorithm>
#include <array>

#include "process/life_events.h"
#include "trace/self_test_support.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

// That it runs at all shows that every word with an address of the kernel was moved.
Result<> kernel_lies_at_a_random_address() {
  const machine::BootInfo& boot = machine::boot_info();
  const bool asked_not_to = boot.command_line.contains("nokaslr");
  TRY(expect((boot.kernel_offset == 0) == asked_not_to, "the kernel is away from its linked address, but with `nokaslr`"));
  return expect(boot.kernel_offset % machine::span_of(1) == 0, "it lies on a multiple of 2 MiB");
}

Result<> runs_function_with_argument() {
  Stage stage;
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage)));
  const bool ran = stage.wait_for(stage.ran);
  const bool no_user_memory = child->own_address_space() == nullptr;
  stage.set(stage.may_end);
  const int status = TRY(wait_status(*child));
  TRY(expect(ran, "the kernel process ran its function"));
  TRY(expect(no_user_memory, "a kernel process has no user memory"));
  TRY(expect(stage.locks_held == 0, "a thread's first step holds no lock"));
  return expect(status == 0, "a kernel function that returns makes the process exit with 0");
}

Result<> stopped_child_waits_for_its_creator() {
  Stage stage, nothing;
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage).with(ForkFlag::Stopped)));
  const bool ran_early = stage.wait_for(stage.ran, 50 * kMillisecond);
  const bool complete = child->life.load() == LifeState::Alive && process::find_process(child->pid()) == child;
  process::start_stopped(*child);
  const bool ran = stage.wait_for(stage.ran);
  stage.set(stage.may_end);
  TRY(wait_status(*child));
  TRY(expect(!ran_early, "a stopped child does not run"));
  TRY(expect(complete, "a stopped child is complete and found"));
  return expect(ran, "a stopped child runs when its creator starts it");
}

Result<> high_pid_leaves_the_last_pid_alone() {
  Stage stage;
  stage.set(stage.may_end);
  const PidNumber before = process::last_pid();
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage).with(ForkFlag::HighPid)));
  const PidNumber after = process::last_pid();
  TRY(wait_status(*child));
  TRY(expect(child->pid() >= 10, "a high pid is at least 10"));
  return expect(before == after, "the last pid is left alone");
}

Result<> no_zombie_is_left() {
  Stage stage;
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage).with(ForkFlag::NoZombie)));
  const bool ran = stage.wait_for(stage.ran);
  stage.set(stage.may_end);
  const bool ended = wait_for_end(*child);
  const LifeState life = child->life.load();
  const Result<int> waited = wait_status(*child);
  TRY(expect(ran && ended, "the child ran and ended"));
  TRY(expect(life == LifeState::Reaped, "it is reaped at its end"));
  return expect(!waited && waited.error() == Errno::Child, "its parent cannot wait for it");
}

Result<> user_signals_do_not_touch_a_system_process() {
  Stage stage;
  const Ref<Process> child = TRY(process::fork(process::current(), kernel_request(stage)));
  const bool ran = stage.wait_for(stage.ran);
  const bool is_system = child->has(process::kSystem) && child->first_thread->is_system;
  send_signal(*child, process::user_signal(process::kSigKill, process::current().process()));
  send_signal(*child, process::user_signal(process::kSigStop, process::current().process()));
  sched::WaitQueue never{"selftest"};
  (void)sched::wait_until(never, {"selftest", sched::Sleep::Uninterruptible, machine::now() + 50 * kMillisecond},
                          [] { return false; });
  const bool lives = child->life.load() == LifeState::Alive && child->stop_state == process::StopState::Running;
  stage.set(stage.may_end);
  const int status = TRY(wait_status(*child));
  TRY(expect(ran && is_system, "the process and its thread are the system's"));
  TRY(expect(lives, "SIGKILL and SIGSTOP do not touch it"));
  return expect(status == 0, "it ends by itself, not by the signal");
}

// Looks at its own fork from within, when the child has its id but is not linked yet, for every process that can be
// found then, by its number or in a walk.
class EmbryoWatch final : public process::LifeSubscriber {
 public:
  Result<> reserve_fork(Process& parent, const ForkRequest&, uintptr_t&) override {
    if (&parent != &process::current().process()) return {};
    for (PidNumber number = 1; number <= process::pid_max(); ++number)
      if (process::find_process(number) || process::find_thread(number)) note(number);   // to wait for, or to trace
    for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid())) note(each->pid());
    return {};
  }
  bool complete() const { return count_ != 0 && count_ <= seen_.size(); }
  bool saw(PidNumber number) const {
    const auto end = seen_.begin() + count_;
    return std::find(seen_.begin(), end, number) != end;
  }

 private:
  void note(PidNumber number) {
    if (count_ < seen_.size()) seen_[count_] = number;
    ++count_;
  }
  std::array<PidNumber, 256> seen_{};
  size_t count_ = 0;
};

Result<> embryo_is_invisible() {
  EmbryoWatch watch;
  Stage stage;
  stage.set(stage.may_end);
  TRY(process::subscribe(watch));
  const Result<Ref<Process>> child = process::fork(process::current(), kernel_request(stage));
  process::unsubscribe(watch);
  if (!child) return Error(child.error());
  const PidNumber pid = (*child)->pid();
  TRY(wait_status(**child));
  TRY(expect(watch.complete(), "the fork was watched, and not too many processes were there"));
  return expect(!watch.saw(pid), "an embryo is not found by its pid, nor by who would trace it, and is on no list of processes");
}

// The parent gets every flag for a moment; which has the child then?
Result<> exactly_these_flags_are_inherited() {
  using namespace process;
  constexpr uint32_t kByTheRow = kSetId | kSetIdExec | kPledged | kExecPledged | kWxNeeded | kChrooted;
  constexpr uint32_t kByLinux = kNoNewPrivileges | kDumpable;
  // Not asked for: the end of a process and its tracer would take notice; a terminal and pins come with more than a flag.
  constexpr uint32_t kOthers = kParentWaits | kNoZombie | kSystem | kProfiling | kExecuted | kNoWait |
                                kByDescriptor;
  Thread& caller = current();
  Process& parent = caller.process();
  const uint32_t parent_flags = parent.flags.load();
  const Promises parent_promises = parent.restrictions.promises.exchange(promise::kProc);
  parent.flags.store(kByTheRow | kByLinux | kOthers);
  ForkRequest request;
  const Result<Ref<Process>> forked = fork(caller, request.with(ForkFlag::Stopped));
  parent.flags.store(parent_flags);
  parent.restrictions.promises.store(parent_promises);
  const Ref<Process> child = TRY(forked);
  const uint32_t child_flags = child->flags.load();
  send_signal(*child, kernel_signal(kSigKill));
  start_stopped(*child);
  TRY(wait_status(*child));
  TRY(expect((child_flags & kByTheRow) == kByTheRow, "the six flags are inherited"));
  TRY(expect((child_flags & kByLinux) == kByLinux, "no_new_privs and dumpable are inherited, as in Linux"));
  TRY(expect((child_flags & kOthers) == 0, "no other flag is inherited"));
  return expect((child_flags & ~(kByTheRow | kByLinux)) == kForked, "a child has forked and not executed yet");
}

// at_fork's promises, on the life events.
class HookRecord final : public process::LifeSubscriber {
 public:
  void forked(Process& parent, Process& child, const ForkRequest& request, uintptr_t) override {
    if (&parent != &process::current().process()) return;
    order = ++calls;
    seen_child = child.pid();
    seen_flags = request.flags;
  }
  static inline std::atomic<unsigned> calls{0};
  unsigned order = 0;
  PidNumber seen_child = 0;
  uint32_t seen_flags = 0;
};

Result<> hooks_run_in_order_of_registration() {
  HookRecord first, second;
  HookRecord::calls = 0;
  TRY(process::subscribe(second));
  TRY(process::subscribe(first));
  const Result<> again = process::subscribe(second);   // is warned about, and moves to the end
  Stage stage;
  stage.set(stage.may_end);
  const ForkRequest request = kernel_request(stage);
  const Result<Ref<Process>> child = process::fork(process::current(), request);
  const unsigned removed = process::unsubscribe(second), removed_again = process::unsubscribe(second);
  process::unsubscribe(first);
  if (!child) return Error(child.error());
  TRY(wait_status(**child));
  TRY(expect(again.has_value(), "a second registration succeeds"));
  TRY(expect(first.order == 1 && second.order == 2, "hooks run once each, in order of registration"));
  TRY(expect(first.seen_child == (*child)->pid() && first.seen_flags == request.flags, "a hook is told child and flags"));
  return expect(removed == 1 && removed_again == 0, "removal says how many it removed");
}

Result<> hooks_without_room_are_refused() {
  HookRecord hooks[process::kMaxLifeSubscribers];
  Result<> refused;
  unsigned taken = 0;
  for (HookRecord& hook : hooks) {
    refused = process::subscribe(hook);
    if (!refused) break;
    ++taken;
  }
  for (unsigned i = 0; i < taken; ++i) process::unsubscribe(hooks[i]);
  return expect(!refused && refused.error() == Errno::NoMem, "a hook without memory for it is refused with ENOMEM");
}

Result<> fork_hooks() {
  TRY(hooks_run_in_order_of_registration());
  return hooks_without_room_are_refused();
}

struct SelfTest {
  std::string_view name;
  Result<> (*run)();
};
constexpr SelfTest kTests[] = {
    {"A2_nothing_fails_after_the_commit", nothing_fails_after_the_commit},
    {"C1_embryo_is_invisible", embryo_is_invisible},
    {"C6_exactly_these_flags_are_inherited", exactly_these_flags_are_inherited},
    {"C20_process_fields_are_copied_or_zero", process_fields_are_copied_or_zero},
    {"C20_thread_fields_are_copied_or_zero", thread_fields_are_copied_or_zero},
    {"E7_runs_function_with_argument", runs_function_with_argument},
    {"R10_stopped_child_waits_for_its_creator", stopped_child_waits_for_its_creator},
    {"R11_high_pid_leaves_the_last_pid_alone", high_pid_leaves_the_last_pid_alone},
    {"R13_no_zombie_is_left", no_zombie_is_left},
    {"R14_user_signals_do_not_touch_a_system_process", user_signals_do_not_touch_a_system_process},
    {"R15_idle_process_is_bound_and_never_queued", idle_process_is_bound_and_never_queued},
    {"S1_first_step_is_on_the_threads_own_stack", first_step_is_on_the_threads_own_stack},
    {"S5_embryo_is_neither_reaped_nor_moved", embryo_is_neither_reaped_nor_moved},
    {"T2_fork_hooks", fork_hooks},
    {"kernel_lies_at_a_random_address", kernel_lies_at_a_random_address},
    {"interrupts_have_a_stack_of_their_own", interrupts_have_a_stack_of_their_own},
    {"timer_is_armed_while_it_runs_elsewhere", timer_is_armed_while_it_runs_elsewhere},
};

}  // namespace

Result<> run_self_test(std::string_view name) {
  for (const SelfTest& test : kTests)
    if (test.name == name) return test.run();
  return Error(Errno::NoEnt);
}

}  // namespace tine::trace

#endif
