// SPDX-License-Identifier: BSD-2-Clause
// Fork is a transaction: check -> reserve -> commit -> announce -> start -> wait. Everything that can fail is taken
// into a ForkReservation first; its destructor undoes all of it, in reverse order, and leaves no trace. Nothing here
// depends on how much the parent owns: what is large is shared by its root. Seed rows E1-E7, R1-R15, C1-C20, A1-A3.
#include "process/fork.h"

#include <algorithm>

#include "machine/clock.h"
#include "process/first_step.h"
#include "process/life_announce.h"
#include "process/peers.h"
#include "process/pidfd.h"
#include "process/process.h"
#include "process/reaper.h"
#include "process/thread.h"
#include "process/timers.h"
#include "process/tracing.h"
#include "sched/scheduler.h"
#include "vm/user_ptr.h"

namespace tine::process {

constinit ForkStatistics fork_statistics{};

// All that a new process needs, held until it is committed.
class ForkReservation {
 public:
  ForkReservation(Thread& caller, const ForkRequest& request)
      : caller_(caller), parent_(caller.process()), request_(request) {}

  Result<> take() {
    TRY(count_in());
    TRY(share_parts());
    TRY(pidfd_.reserve(caller_, child_, request_));
    TRY(tracing_.take_for_child(caller_, request_));
    copy_process_state();
    copy_thread_state();
    return life_.take(parent_, request_);
  }

  // The point of no return. Cannot fail but for a signal that must be taken before the fork happens at all.
  Result<Ref<Process>> commit();

  // Subscribers, statistics, and ids that the caller asked to have stored. The child is complete but has not run.
  void announce();

 private:
  // The slots, ids and structures that are counted.
  Result<> count_in();
  Result<> share_parts();
  void copy_process_state();
  void copy_thread_state();
  void link() REQUIRES(tree_lock);
  Process& new_parent() REQUIRES(tree_lock);
  PidNumber parent_thread_for_child() REQUIRES(tree_lock);
  void choose_exit_signal() REQUIRES(tree_lock);

  Thread& caller_;
  Process& parent_;
  const ForkRequest& request_;
  const identity::CredentialsRef credentials_ = parent_.credentials();
  Ref<Process> child_;
  Ref<Thread> thread_;
  PidFdReservation pidfd_;
  TraceReservation tracing_;
  LifeReservation life_;
};

Result<> ForkReservation::count_in() {
  const bool privileged = passes_limits(*credentials_);
  Slot thread_slot = TRY(thread_slots().take(privileged));
  Slot process_slot = TRY(process_slots().take(privileged));
  UserCharge charge =
      TRY(UserCharge::take(credentials_->user, privileged ? kUnlimited : parent_.limit(Resource::Processes)));
  Ref<Pid> pid = request_.pid != 0 ? TRY(Pid::allocate_number(request_.pid))
                                   : TRY(Pid::allocate(request_.has(ForkFlag::HighPid)));
  ThreadId thread_id = TRY(ThreadId::allocate());
  mem::KernelStack stack = TRY(mem::KernelStack::allocate());
  child_ = TRY(mem::make_ref<Process>(std::move(pid), std::move(process_slot), std::move(charge)));
  thread_ = TRY(mem::make_ref<Thread>(child_, std::move(stack), std::move(thread_id), std::move(thread_slot)));
  return {};
}

// Each part is shared, forked (O(1), R1) or fresh. The child is nobody else's yet: its pointers need no lock.
Result<> ForkReservation::share_parts() {
  Ref<vm::AddressSpace> memory;
  Ref<file::DescriptorTable> descriptors;
  Ref<file::FsContext> fs;
  Ref<SignalActions> actions;
  {
    sync::SpinGuard guard(parent_.lock);
    memory = parent_.address_space_;
    descriptors = parent_.descriptors_;
    fs = parent_.fs_;
    actions = parent_.actions_;
    child_->limits_ = parent_.limits_;
    child_->arguments_ = parent_.arguments_;
    child_->executable_ = parent_.executable_;
  }
  if (memory && request_.function == nullptr)
    child_->address_space_ = request_.has(ForkFlag::ShareMemory) ? std::move(memory) : TRY(memory->fork());
  child_->descriptors_ = request_.has(ForkFlag::EmptyFiles)   ? TRY(file::DescriptorTable::create())
                         : request_.has(ForkFlag::ShareFiles) ? std::move(descriptors)
                                                              : TRY(descriptors->fork());
  child_->fs_ = request_.has(ForkFlag::ShareFs) ? std::move(fs) : TRY(fs->clone());
  child_->actions_ = request_.has(ForkFlag::ShareSignalActions) ? std::move(actions) : TRY(actions->clone());
  if (request_.has(ForkFlag::ClearSignalActions)) child_->actions_->reset_to_default();
  child_->credentials_ = credentials_;
  if (parent_.timers != nullptr) TRY(watch_cpu_limit(*child_));   // a finite RLIMIT_CPU is watched by the parent's
  return {};
}

// What is copied is named here; everything else starts as the member initialisers of Process say (C12, C20).
void ForkReservation::copy_process_state() {
  uint32_t flags = kForked | inherit_restrictions(parent_, *child_);
  if (request_.has(ForkFlag::ParentWaits)) flags |= kParentWaits;
  if (request_.has(ForkFlag::NoZombie)) flags |= kNoZombie;
  if (request_.has(ForkFlag::System)) flags |= kSystem;
  if (request_.has(ForkFlag::NoWait)) flags |= kNoWait;
  if (request_.pidfd_kind != PidFdKind::Handle) flags |= kByDescriptor;
  child_->flags.store(flags);
}

void ForkReservation::copy_thread_state() {
  inherit_thread_state(caller_, *thread_, request_);
  thread_->mask = caller_.mask;
  // A child on a stack of its own in shared memory must not take signals on its parent's alternate stack.
  if (!request_.has(ForkFlag::ShareMemory) || request_.has(ForkFlag::ParentWaits))
    thread_->alternate_stack = caller_.alternate_stack;
  thread_->is_system = request_.has(ForkFlag::System);
  thread_->call_watch.fetch_or(restriction_watch(*child_));
  std::copy_n(thread_->name, sizeof thread_->name, child_->name);
  prepare_first_step(*thread_);
}

Process& ForkReservation::new_parent() {
  if (request_.has(ForkFlag::NoWait)) return init_process();
  if (request_.has(ForkFlag::SiblingOfCaller) && parent_.parent) return *parent_.parent;
  return parent_;
}

PidNumber ForkReservation::parent_thread_for_child() {
  if (child_->parent == &parent_) return caller_.shown_id();
  return request_.has(ForkFlag::SiblingOfCaller) ? parent_.parent_thread : child_->parent->pid();
}

// Whose parent is not the caller signals what that parent expects, not what the caller likes.
void ForkReservation::choose_exit_signal() {
  if (request_.has(ForkFlag::NoWait)) return;   // SIGCHLD
  const bool is_sibling = request_.has(ForkFlag::SiblingOfCaller);
  child_->exit_signal = is_sibling ? parent_.exit_signal : request_.exit_signal;
  child_->parents_program = is_sibling ? parent_.parents_program : parent_.program;
}

// Into tree, group, session and id maps; the last store makes the child visible.
void ForkReservation::link() {
  Process& child = *child_;
  child.first_thread = thread_;
  child.threads.push_back(*thread_);
  intrusive_ptr_add_ref(thread_.get());   // the list's
  child.thread_count.store(1);
  publish_thread_id(*thread_);

  child.group = parent_.group;
  child.group->members.push_front(child);
  if (child.group->session->terminal && parent_.has(kControllingTerminal)) child.set(kControllingTerminal);   // C7
  child.set_parent(new_parent());
  choose_exit_signal();
  child.parent_thread = parent_thread_for_child();
  child.parent->children.push_back(child);
  join_branch(parent_, child);
  intrusive_ptr_add_ref(&child);          // the tree's, dropped when it is reaped
  if (request_.has(ForkFlag::Peer)) join_peers(parent_, child);   // R9
  all_processes().push_front(child);
  child.pid_ref()->attach(&child);

  child.start_time = machine::now();
  set_life_state(child, LifeState::Alive);
}

Result<Ref<Process>> ForkReservation::commit() {
  sync::SpinGuard guard(tree_lock);
  // A signal to the parent's group that came before this moment was not sent to the child. The parent takes it first
  // and forks then, if it still exists: no member of a killed group survives (A3). Senders to groups hold tree_lock.
  if (caller_.user_work.load(std::memory_order_acquire) & sched::kWorkSignal) return Error(Errno::RestartAlways);
  link();
  tracing_.commit(caller_, *thread_);
  pidfd_.keep();
  return child_;
}

namespace {

void count_fork(const ForkRequest& request, const Process& child) {
  ForkStatistics& statistics = fork_statistics;
  const uint64_t pages = child.own_address_space() != nullptr ? child.own_address_space()->resident_pages() : 0;
  switch (request.kind) {
    case ForkKind::Fork:
      ++statistics.forks;
      statistics.fork_pages += pages;
      break;
    case ForkKind::Vfork:
      ++statistics.vforks;
      statistics.vfork_pages += pages;
      break;
    case ForkKind::Rfork:
      ++statistics.rforks;
      statistics.rfork_pages += pages;
      break;
    case ForkKind::Kernel:
      ++statistics.kernel;
      statistics.kernel_pages += pages;
      break;
  }
  ++statistics.total;
  if (request.has(ForkFlag::ParentWaits)) ++statistics.waited;
  if (request.has(ForkFlag::ShareMemory)) ++statistics.shared_memory;
}

}  // namespace

void ForkReservation::announce() {
  std::move(life_).announce(parent_, *child_, request_);
  count_fork(request_, *child_);
  // As in Linux, an address that cannot be written is the caller's loss.
  if (request_.set_parent_tid != 0) (void)vm::UserPtr<PidNumber>(request_.set_parent_tid).store(child_->pid());
}

namespace {

// vfork(2): until the child execs or exits, or this thread is told to end. Signals stay pending (V2); other threads of
// the parent run on (V3).
void wait_for_release(Thread& caller, Process& child) {
  (void)sched::wait_until(child.release_wait, {"ppwait", sched::Sleep::Uninterruptible},
                          [&] { return !child.has(kParentWaits) || caller.exiting; });
}

std::atomic<bool> vfork_shares_memory{true};

}  // namespace

Result<> ForkRequest::validate() const {
  if (has(ForkFlag::ShareFiles) && has(ForkFlag::EmptyFiles)) return Error(Errno::Inval);   // R1
  if (has(ForkFlag::ShareSignalActions) && has(ForkFlag::ClearSignalActions)) return Error(Errno::Inval);
  if (exit_signal < 0 || exit_signal > kSignalCount) return Error(Errno::Inval);
  if (set_tls && !machine::is_canonical_user_address(tls)) return Error(Errno::Inval);
  return {};
}

Result<Ref<Process>> fork(Thread& caller, const ForkRequest& request) {
  TRY(request.validate());
  // Nobody waits for what would be process 1's sibling.
  if (request.has(ForkFlag::SiblingOfCaller) && caller.process().pid() == 1) return Error(Errno::Inval);
  TRY(require_promise(caller, promise::kProc));   // C8
  ForkReservation reservation(caller, request);
  TRY(reservation.take());
  const Ref<Process> child = TRY(reservation.commit());
  // Nothing below can fail.
  reservation.announce();
  if (request.has(ForkFlag::Idle)) {
    sched::bind_idle(*child->first_thread, request.idle_cpu);   // R15
  } else if (!request.has(ForkFlag::Stopped)) {
    launch(*child->first_thread);
  }
  const PidNumber pid = child->pid();
  if (!request.has(ForkFlag::Untraced)) report_event(caller, event_of(request), static_cast<uint64_t>(pid));
  if (request.has(ForkFlag::ParentWaits)) {
    wait_for_release(caller, *child);
    report_event(caller, TraceEvent::VforkDone, static_cast<uint64_t>(pid));
  }
  return child;
}

void start_stopped(Process& process) { launch(*process.first_thread); }

void release_waiting_parent(Process& process) {
  if (!process.has(kParentWaits)) return;
  process.clear(kParentWaits);
  process.release_wait.wake_all();
}

bool fast_vfork() { return vfork_shares_memory; }
void set_fast_vfork(bool share) { vfork_shares_memory = share; }

}  // namespace tine::process
