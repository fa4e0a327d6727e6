// SPDX-License-Identifier: BSD-2-Clause
#include "process/kernel_process.h"

#include "base/format.h"
#include "process/first_step.h"
#include "process/fork.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/scheduler.h"

namespace tine::process {

namespace {

// Its parts, which its descendants share or copy: no files, the empty path as root until a file system is mounted.
Result<> give_parts(Process& zero) {
  Ref<identity::Credentials> credentials = TRY(mem::make_ref<identity::Credentials>());
  credentials->user = TRY(identity::find_or_make_user(0));
  zero.set_credentials(std::move(credentials));
  zero.set_limits(TRY(Limits::make_default()));
  zero.set_actions(TRY(mem::make_ref<SignalActions>()));
  zero.set_descriptors(TRY(file::DescriptorTable::create()));
  zero.set_fs(TRY(mem::make_ref<file::FsContext>(file::Path(), file::Path(), 022)));
  return {};
}

void be_idle(void* argument) {
  ASSERT(machine::cpu_id() == reinterpret_cast<uintptr_t>(argument));
  sched::run_idle_loop();
}

}  // namespace

Result<> start_process_zero(void (*function)(void*), void* argument) {
  Slot process_slot = TRY(process_slots().take(/*privileged=*/true));
  Slot thread_slot = TRY(thread_slots().take(/*privileged=*/true));
  const Ref<Pid> id = TRY(Pid::make_zero());
  Ref<Process> zero = TRY(mem::make_ref<Process>(id, std::move(process_slot), UserCharge()));
  TRY(give_parts(*zero));
  const Ref<Session> session = TRY(mem::make_ref<Session>(id));
  const Ref<ProcessGroup> group = TRY(mem::make_ref<ProcessGroup>(id, session));
  Ref<Thread> thread = TRY(mem::make_ref<Thread>(zero, TRY(mem::KernelStack::allocate()), TRY(ThreadId::allocate()),
                                                 std::move(thread_slot)));
  thread->kernel_function = function;
  thread->kernel_argument = argument;
  thread->is_system = true;
  constexpr std::string_view kName = "tine";
  kName.copy(thread->name, sizeof thread->name - 1);
  kName.copy(zero->name, sizeof zero->name - 1);
  prepare_first_step(*thread);

  {
    sync::SpinGuard guard(tree_lock);
    zero->set(kSystem);
    zero->group = group;
    group->members.push_front(*zero);
    zero->first_thread = thread;
    zero->threads.push_back(*thread);
    intrusive_ptr_add_ref(thread.get());
    zero->thread_count.store(1);
    publish_thread_id(*thread);
    set_life_state(*zero, LifeState::Alive);
    intrusive_ptr_add_ref(zero.get());   // it never ends
  }
  launch(*thread);
  return {};
}

ForkRequest kernel_process_request(const char* name, void (*function)(void*), void* argument) {
  ForkRequest request;
  request.kind = ForkKind::Kernel;
  request.function = function;
  request.argument = argument;
  request.name = name;
  return request.with(ForkFlag::System);
}

Result<> start_idle_processes() {
  for (unsigned cpu = 0; cpu < machine::cpu_count(); ++cpu) {
    if ((sched::online_cpus() >> cpu & 1) == 0) continue;
    char name[16] = {};
    format(name, "idle%u", cpu);
    ForkRequest request = kernel_process_request(name, be_idle, reinterpret_cast<void*>(uintptr_t{cpu}));
    request.idle_cpu = cpu;
    // Low pids are not for these: 1 is the first program's.
    request.with(ForkFlag::Idle).with(ForkFlag::NoZombie).with(ForkFlag::HighPid);
    TRY(fork(current(), request));
  }
  return {};
}

Result<> start_kernel_process(const char* name, void (*function)(void*)) {
  ForkRequest request = kernel_process_request(name, function, nullptr);
  // Low pids are not for these: 1 is the first program's.
  request.with(ForkFlag::NoZombie).with(ForkFlag::HighPid);
  TRY(fork(current(), request));
  return {};
}

}  // namespace tine::process
