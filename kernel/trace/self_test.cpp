// SPDX-License-Identifier: BSD-2-Clause
// Seed rows C1, C20, E7, R10, R11, R13, R14, X1, X2.
#include "trace/self_test.h"

#include "base/log.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/life_events.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/scheduler.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

using process::ForkFlag;
using process::ForkRequest;
using process::LifeState;
using process::PidNumber;
using process::Process;

Result<> expect(bool holds, const char* what) {
  if (holds) return {};
  log(LogLevel::Error, "self test: not true: %s\n", what);
  return Error(Errno::Inval);
}

// What a kernel process of a test and its creator tell each other. Lives on the creator's stack, so every test waits
// for the process to end.
struct Stage {
  sched::WaitQueue changed{"selftest"};
  std::atomic<bool> ran{false}, may_end{false};
  std::atomic<unsigned> locks_held{~0u};

  bool wait_for(const std::atomic<bool>& flag, Nanoseconds at_most = 5 * kSecond) {
    return sched::wait_until(changed, {"selftest", sched::Sleep::Uninterruptible, machine::now() + at_most},
                             [&] { return flag.load(); })
        .has_value();
  }
  void set(std::atomic<bool>& flag) {
    flag = true;
    changed.wake_all();
  }
};

void perform(void* argument) {
  Stage& stage = *static_cast<Stage*>(argument);
  stage.locks_held = machine::this_cpu().spin_depth;
  stage.set(stage.ran);
  stage.wait_for(stage.may_end);
}

ForkRequest kernel_request(Stage& stage) {
  ForkRequest request;
  request.kind = process::ForkKind::Kernel;
  request.function = perform;
  request.argument = &stage;
  request.name = "selftest";
  request.with(ForkFlag::System);
  return request;
}

Result<int> wait_status(Process& child) {
  process::WaitRequest request;
  request.what = process::WaitFor::Pid;
  request.id = child.pid();
  request.options = 4 | 0x40000000;   // WEXITED, __WALL
  return TRY(process::wait_for_child(process::current(), request)).status;
}

// The child has left its function for good, whoever reaps it.
bool wait_for_end(Process& child) {
  return sched::wait_until(child.end_wait, {"selftest", sched::Sleep::Uninterruptible, machine::now() + 5 * kSecond},
                           [&] { return child.life.load() != LifeState::Alive; })
      .has_value();
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

// Looks at its own fork from within, when the child has its id but is not linked yet.
class EmbryoWatch final : public process::LifeSubscriber {
 public:
  Result<> reserve_fork(Process& parent, const ForkRequest&, uintptr_t&) override {
    if (&parent != &process::current().process()) return {};
    embryo = process::last_pid();
    found = process::find_process(embryo) != nullptr;
    for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid()))
      listed |= each->pid() == embryo;
    return {};
  }
  PidNumber embryo = 0;
  bool found = false, listed = false;
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
  // A fork elsewhere at that moment would have moved the last pid: then this run says nothing.
  if (watch.embryo != pid) return Error(Errno::Again);
  TRY(expect(!watch.found, "an embryo is not found by its pid"));
  return expect(!watch.listed, "an embryo is on no list of processes");
}

// A user process that has not run a single instruction beside its parent, then killed.
Result<> fields_are_copied_or_zero() {
  process::Thread& caller = process::current();
  Process& parent = caller.process();
  const uint32_t parent_flags = parent.flags.load();
  parent.set(process::kSubreaper);
  parent.set(process::kNoNewPrivileges);
  ForkRequest request;
  const Nanoseconds before = machine::now();
  const Result<Ref<Process>> forked = process::fork(caller, request.with(ForkFlag::Stopped));
  parent.flags.store(parent_flags);
  const Ref<Process> child = TRY(forked);
  const process::Thread& thread = *child->first_thread;

  const auto compare = [&]() -> Result<> {
    TRY(expect(child->credentials() == parent.credentials(), "credentials are shared"));
    TRY(expect(child->limits() == parent.limits(), "limits are shared"));
    TRY(expect(child->arguments() == parent.arguments(), "the arguments are shared"));
    TRY(expect(child->address_space() != parent.address_space(), "memory is its own"));
    TRY(expect(child->descriptors() != parent.descriptors(), "descriptors are its own"));
    TRY(expect(child->actions() != parent.actions(), "signal actions are its own"));
    TRY(expect(child->fs() != parent.fs(), "directories are its own"));
    TRY(expect(child->group == parent.group, "the group is its parent's"));
    TRY(expect(child->parent == &parent, "its parent is its creator"));
    TRY(expect(child->exit_signal == process::kSigChld, "its end is told by SIGCHLD"));
    TRY(expect(child->has(process::kNoNewPrivileges), "no_new_privs is inherited"));
    TRY(expect(!child->has(process::kSubreaper), "being a reaper is not inherited"));
    TRY(expect(!child->has(process::kExiting) && !child->has(process::kExecuted), "its life has just begun"));
    TRY(expect(child->pending.set().empty() && thread.pending.set().empty(), "no signal is pending"));
    TRY(expect(child->timers == nullptr || parent.timers != nullptr, "it has no timers of its own"));
    TRY(expect(child->usage.user_time == 0 && child->usage.system_time == 0 && child->usage.minor_faults == 0,
               "it has used nothing"));
    TRY(expect(child->children_usage.user_time == 0 && child->children_usage.system_time == 0,
               "its children have used nothing"));
    TRY(expect(child->start_time >= before && child->start_time <= machine::now(), "it starts now, by the uptime clock"));
    TRY(expect(child->thread_count.load() == 1, "it has one thread"));
    TRY(expect(thread.mask == caller.mask, "the signal mask is copied"));
    TRY(expect(thread.alternate_stack.base == caller.alternate_stack.base, "the alternate stack is copied"));
    TRY(expect(thread.clear_child_tid == 0 && thread.robust_list == 0, "no address of its parent's library is kept"));
    TRY(expect(thread.minor_faults == 0 && thread.major_faults == 0, "the thread has had no faults"));
    return expect(thread.estcpu == caller.estcpu, "the CPU estimate is inherited");
  };
  const Result<> compared = compare();
  send_signal(*child, process::kernel_signal(process::kSigKill));
  process::start_stopped(*child);
  TRY(wait_status(*child));
  return compared;
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
    {"C1_embryo_is_invisible", embryo_is_invisible},
    {"C20_fields_are_copied_or_zero", fields_are_copied_or_zero},
    {"E7_runs_function_with_argument", runs_function_with_argument},
    {"R10_stopped_child_waits_for_its_creator", stopped_child_waits_for_its_creator},
    {"R11_high_pid_leaves_the_last_pid_alone", high_pid_leaves_the_last_pid_alone},
    {"R13_no_zombie_is_left", no_zombie_is_left},
    {"R14_user_signals_do_not_touch_a_system_process", user_signals_do_not_touch_a_system_process},
    {"T2_fork_hooks", fork_hooks},
};

}  // namespace

Result<> run_self_test(std::string_view name) {
  for (const SelfTest& test : kTests)
    if (test.name == name) return test.run();
  return Error(Errno::NoEnt);
}

}  // namespace tine::trace

#endif
