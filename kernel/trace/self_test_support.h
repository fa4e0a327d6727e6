// SPDX-License-Identifier: BSD-2-Clause
// What the self-tests share: how a check fails, and a kernel process to look at.
#pragma once

#include "base/log.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/scheduler.h"
#include "trace/self_test.h"

#if TINE_DEBUG

namespace tine::trace {

using process::ForkFlag;
using process::ForkRequest;
using process::LifeState;
using process::PidNumber;
using process::Process;

inline Result<> expect(bool holds, const char* what) {
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

inline void perform(void* argument) {
  Stage& stage = *static_cast<Stage*>(argument);
  stage.locks_held = machine::this_cpu().spin_depth;
  stage.set(stage.ran);
  stage.wait_for(stage.may_end);
}

inline ForkRequest kernel_request(Stage& stage) {
  return process::kernel_process_request("selftest", perform, &stage);
}

inline Result<int> wait_status(Process& child) {
  process::WaitRequest request;
  request.what = process::WaitFor::Pid;
  request.id = child.pid();
  request.options = 4 | 0x40000000;   // WEXITED, __WALL
  return TRY(process::wait_for_child(process::current(), request)).status;
}

// The child has left its function for good, whoever reaps it.
inline bool wait_for_end(Process& child) {
  return sched::wait_until(child.end_wait, {"selftest", sched::Sleep::Uninterruptible, machine::now() + 5 * kSecond},
                           [&] { return child.life.load() != LifeState::Alive; })
      .has_value();
}

// self_test_fields.cpp
Result<> process_fields_are_copied_or_zero();
Result<> thread_fields_are_copied_or_zero();
// self_test_start.cpp
Result<> first_step_is_on_the_threads_own_stack();
Result<> idle_process_is_bound_and_never_queued();
Result<> embryo_is_neither_reaped_nor_moved();
Result<> nothing_fails_after_the_commit();
// self_test_interrupt.cpp
Result<> interrupts_have_a_stack_of_their_own();
// self_test_timer.cpp
Result<> timer_is_armed_while_it_runs_elsewhere();

}  // namespace tine::trace

#endif
