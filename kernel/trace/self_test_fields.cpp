// SPDX-License-Identifier: BSD-2-Clause
// Seed row C20: for each structure, what is copied, what is shared, and what starts anew. A field that is added to Process or
// Thread belongs into one of these lists.
#include <string_view>

#include "process/life_events.h"
#include "trace/self_test_support.h"

#if TINE_DEBUG

namespace tine::trace {

namespace {

// Flags that the caller has for the length of a test.
class BorrowedFlags {
 public:
  BorrowedFlags(Process& process, uint32_t flags) : process_(process), before_(process.flags.fetch_or(flags)) {}
  ~BorrowedFlags() { process_.flags.store(before_); }
  BorrowedFlags(const BorrowedFlags&) = delete;
  BorrowedFlags& operator=(const BorrowedFlags&) = delete;

 private:
  Process& process_;
  const uint32_t before_;
};

constexpr uint32_t kInherited =
    process::kSetId | process::kSetIdExec | process::kWxNeeded | process::kChrooted | process::kNoNewPrivileges;
constexpr uint32_t kNotInherited = process::kExecuted | process::kNoWait | process::kByDescriptor;

// --- Process ---

Result<> check_shared_and_copied(Process& child, Process& parent) {
  TRY(expect(child.credentials() == parent.credentials(), "credentials are shared"));
  TRY(expect(child.limits() == parent.limits(), "limits are shared"));
  TRY(expect(child.arguments() == parent.arguments(), "the arguments are shared"));
  TRY(expect(child.executable() == parent.executable(), "the executable is the same"));
  TRY(expect(child.group == parent.group, "the group, and with it the session, is its parent's"));
  TRY(expect(std::string_view(child.name, sizeof child.name) == std::string_view(parent.name, sizeof parent.name),
             "the name is copied"));
  TRY(expect(child.address_space() != parent.address_space(), "memory is its own"));
  TRY(expect(child.descriptors() != parent.descriptors(), "descriptors are its own"));
  TRY(expect(child.actions() != parent.actions(), "signal actions are its own"));
  return expect(child.fs() != parent.fs(), "directories are its own");
}

Result<> check_anew(const Process& child, const Process& parent, Nanoseconds before) {
  TRY(expect(child.pid() != parent.pid(), "the pid is its own"));
  TRY(expect(child.parent == &parent && child.parent_pid.load() == parent.pid(), "its parent is its creator"));
  TRY(expect(child.tracees.empty(), "it traces nobody"));
  TRY(expect(child.children.empty() && child.zombies.empty(), "it has no children"));
  TRY(expect(child.reaper_number == 0 && child.branch.reaper == parent.branch.reaper && child.branch.child == parent.branch.child,
             "it is no reaper, and of its parent's branch"));
  TRY(expect(child.leader == nullptr && child.next_peer == nullptr, "it has no peers"));
  TRY(expect(child.exit_status == 0 && child.exit_signal == process::kSigChld, "its end is told by SIGCHLD"));
  TRY(expect(child.threads.size() == 1 && child.thread_count.load() == 1, "it has one thread"));
  TRY(expect(child.single_thread == nullptr && child.single_count == 0, "nobody wants it to have one thread only"));
  TRY(expect(child.pending.set().empty(), "no signal is pending"));
  TRY(expect(child.stop_state == process::StopState::Running && child.stop_signal == 0 && child.stop_reported &&
                 child.continue_reported && !child.stop_taken && !child.continue_unannounced,
             "it was never stopped"));
  TRY(expect(child.parent_death_signal == 0, "it does not hear of its parent's death"));
  TRY(expect(child.timers == nullptr, "it has no timers"));
  TRY(expect(child.start_time >= before && child.start_time <= machine::now(), "it starts now, by the uptime clock"));
  for (const process::Usage* usage : {&child.usage, &child.children_usage})
    TRY(expect(usage->user_time == 0 && usage->system_time == 0 && usage->minor_faults == 0 && usage->major_faults == 0 &&
                   usage->voluntary_switches == 0 && usage->involuntary_switches == 0 && usage->signals == 0,
               "neither it nor its children have used anything"));
  return {};
}

Result<> check_flags(const Process& child, uint32_t parents) {
  const uint32_t flags = child.flags.load();
  TRY(expect((flags & kInherited) == kInherited, "the flags that are inherited are there"));
  TRY(expect((flags & process::kForked) != 0, "it has forked, and not executed a program"));
  constexpr uint32_t kAllInherited = process::kInheritedFlags | process::kInheritedByLinux | process::kControllingTerminal |
                                     process::kProfiling | process::kForked;
  TRY(expect((flags & ~kAllInherited) == 0, "all others start clear"));
  return expect((flags & ~parents & ~process::kForked) == 0, "none appears that its parent does not have");
}

// --- Thread ---

Result<> check_thread_copied(const process::Thread& made, const process::Thread& caller) {
  TRY(expect(made.mask == caller.mask, "the signal mask is copied"));
  TRY(expect(made.priority.nice == caller.priority.nice && made.priority.policy == caller.priority.policy &&
                 made.priority.realtime == caller.priority.realtime,
             "the priority is copied"));
  TRY(expect(made.affinity.load() == caller.affinity.load(), "the CPUs that it may use are copied"));
  // The caller may have been charged for its time since: then another try tells.
  if (!expect(made.estcpu == caller.estcpu, "the CPU estimate is copied")) return Error(Errno::Again);
  return {};
}

// Of a thread that has not run.
Result<> check_thread_anew(const process::Thread& made, const process::Thread& caller) {
  TRY(expect(made.id().internal() != caller.id().internal(), "the id is its own"));
  TRY(expect(made.state.load() == sched::ThreadState::Embryo && !made.on_cpu.load() && !made.is_idle, "it has not run"));
  TRY(expect(made.stack_top() != caller.stack_top(), "the kernel stack is its own"));
  TRY(expect(made.pending.set().empty() && made.waiting_for.empty(), "no signal is pending or waited for"));
  TRY(expect(made.saved_mask.empty() && !made.restore_saved_mask, "no mask is to be restored"));
  TRY(expect(!made.exiting && !made.suspended && !made.has_left_memory && made.user_work.load() == 0, "nothing is asked of it"));
  TRY(expect(made.clear_child_tid == 0 && made.set_child_tid == 0 && made.robust_list == 0 && made.robust_list_size == 0,
             "no address of its creator's library is kept"));
  TRY(expect(made.restart.function == nullptr, "no call is to be restarted"));
  TRY(expect(made.minor_faults == 0 && made.major_faults == 0, "it has had no faults"));
  TRY(expect(made.runtime == 0 && made.user_time == 0 && made.system_time == 0, "it has used no time"));
  TRY(expect(made.voluntary_switches == 0 && made.involuntary_switches == 0, "it was never switched away from"));
  TRY(expect(made.wait_name.load() == nullptr && !made.interruptible.load() && !made.park_token.load(), "it does not sleep"));
  return expect(made.fail_nth.remaining == 0 && made.call_watch.load() == 0, "nobody watches it or makes it fail");
}

}  // namespace

// A user process that never runs: it is killed before it starts.
Result<> process_fields_are_copied_or_zero() {
  process::Thread& caller = process::current();
  Process& parent = caller.process();
  const BorrowedFlags flags(parent, kInherited | kNotInherited);
  const int parent_death_signal = std::exchange(parent.parent_death_signal, process::kSigHup);
  ForkRequest request;
  const Nanoseconds before = machine::now();
  const Result<Ref<Process>> forked = process::fork(caller, request.with(ForkFlag::Stopped));
  parent.parent_death_signal = parent_death_signal;
  const Ref<Process> child = TRY(forked);
  const process::Thread& thread = *child->first_thread;

  const auto compare = [&]() -> Result<> {
    TRY(check_shared_and_copied(*child, parent));
    TRY(check_anew(*child, parent, before));
    TRY(check_flags(*child, parent.flags.load()));
    TRY(check_thread_copied(thread, caller));
    TRY(expect(thread.alternate_stack.base == caller.alternate_stack.base, "the alternate stack is copied"));
    TRY(expect(std::string_view(thread.name, sizeof thread.name) == std::string_view(caller.name, sizeof caller.name),
               "the thread's name is copied"));
    TRY(expect(!thread.is_system && thread.kernel_function == nullptr, "it goes to user mode"));
    return check_thread_anew(thread, caller);
  };
  const Result<> compared = compare();
  send_signal(*child, process::kernel_signal(process::kSigKill));
  process::start_stopped(*child);
  TRY(wait_status(*child));
  return compared;
}

namespace {

// Looks at a thread after it was made and before it starts; the thread itself only ends.
class ThreadWatch final : public process::LifeSubscriber {
 public:
  void thread_made(process::Thread& creator, process::Thread& made) override {
    if (&creator != &process::current()) return;
    seen = true;
    compared = compare(made, creator);
  }
  Result<> compared;
  bool seen = false;

 private:
  static Result<> compare(const process::Thread& made, const process::Thread& creator) {
    TRY(expect(&made.process() == &creator.process(), "it is its creator's process's"));
    TRY(check_thread_copied(made, creator));
    TRY(check_thread_anew(made, creator));
    TRY(expect(made.alternate_stack.base == 0 && made.alternate_stack.size == 0, "it has no alternate stack (H1)"));
    return expect(!made.is_first() && !made.is_system, "it is an ordinary thread beside the first");
  }
};

[[noreturn]] void end_thread(void*) { process::exit_thread(process::current(), 0); }

}  // namespace

Result<> thread_fields_are_copied_or_zero() {
  ThreadWatch watch;
  TRY(process::subscribe(watch));
  ForkRequest request;
  request.function = end_thread;
  const Result<Ref<process::Thread>> made = process::make_thread(process::current(), request);
  process::unsubscribe(watch);
  if (!made) return Error(made.error());
  TRY(expect(watch.seen, "those who want to hear of threads do"));
  return watch.compared;
}

}  // namespace tine::trace

#endif
