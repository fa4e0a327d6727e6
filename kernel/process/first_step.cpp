// SPDX-License-Identifier: BSD-2-Clause
#include "process/first_step.h"

#include <algorithm>
#include <string_view>

#include "base/log.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/life_announce.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/scheduler.h"
#include "vm/user_ptr.h"

namespace tine::process {

namespace {

// A kernel function that returns has misbehaved (X1).
[[noreturn]] void run_kernel_function(Thread& thread) {
  thread.kernel_function(thread.kernel_argument);
  log(LogLevel::Warning, "Kernel thread \"%s\" (pid %d) exited prematurely.\n", thread.name, thread.process().pid());
  exit_process(thread, exit_code_status(0));
}

void first_step(void* argument) {
  Thread& thread = *static_cast<Thread*>(argument);
  ASSERT(machine::this_cpu().spin_depth == 0);   // X2
  if (thread.kernel_function != nullptr) run_kernel_function(thread);
  if (thread.set_child_tid != 0) (void)vm::UserPtr<PidNumber>(thread.set_child_tid).store(thread.shown_id());
  if (thread.call_watch.load(std::memory_order_relaxed) != 0) announce_first_return(thread);
  machine::return_to_user(thread.stack_top());
}

}  // namespace

void inherit_thread_state(Thread& caller, Thread& made, const ForkRequest& request) {
  made.priority = caller.priority;
  made.estcpu = caller.estcpu;
  made.virtual_runtime = caller.virtual_runtime;
  made.affinity.store(caller.affinity.load());
  made.cpu.store(caller.cpu.load());
  if (request.name != nullptr) std::string_view(request.name).copy(made.name, sizeof made.name - 1);
  else std::copy_n(caller.name, sizeof made.name, made.name);
  made.clear_child_tid = request.clear_child_tid;
  made.set_child_tid = request.set_child_tid;

  if (request.function != nullptr) {
    made.kernel_function = request.function;
    made.kernel_argument = request.argument;
    machine::reset_extended_state(made.stack_top());
    return;
  }
  machine::prepare_extended_state(made.stack_top());
  machine::save_user_state(made.user_state, made.stack_top());
  machine::TrapFrame& frame = made.frame();
  frame = caller.frame();
  frame.set_return_value(0);
  frame.set_not_in_system_call();
  if (request.stack != 0) frame.set_stack_pointer(request.stack);
  if (request.set_tls) made.user_state.fs_base = request.tls;
}

void launch(Thread& thread) {
  const Ref<Thread> while_announced(&thread);   // it may end at once
  intrusive_ptr_add_ref(&thread);               // the scheduler's
  sched::start(thread);
  announce_started(thread, thread.cpu.load(std::memory_order_relaxed));
}

void prepare_first_step(Thread& thread) { sched::prepare_thread(thread, first_step, &thread); }

}  // namespace tine::process
