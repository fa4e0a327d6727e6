// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2): processes that are traced by others than their parent; who waits for what; how tracing ends; stops of the
// whole process. Seed row K4.
#include "tracee.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace {

[[noreturn]] void wait_for_ever() {
  for (;;) pause();
}

long seize(pid_t pid, long options = 0) { return trace(PTRACE_SEIZE, pid, 0, options); }

// A process of the same user, without its own privileges, in which the rest of a test runs.
template <class Body>
int as_user(unsigned uid, Body body) {
  return check::in_child([&] {
    CHECK_OK(setgid(uid));
    CHECK_OK(setuid(uid));
    CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
    body();
  });
}

}  // namespace

TEST(K4_attach_stops_and_detach_gives_back) {
  const pid_t child = start_child([] { wait_for_ever(); });
  CHECK_EQ(check::in_child([&] {
    CHECK_OK(trace(PTRACE_ATTACH, child));
    expect_stop(child, SIGSTOP);
    CHECK_OK(trace(PTRACE_DETACH, child, 0, 0));
  }), 0);
  CHECK_EQ(waitpid(child, nullptr, WNOHANG), 0);
  CHECK_OK(kill(child, SIGTERM));
  CHECK_EQ(check::wait_for(child), 128 + SIGTERM);
}

TEST(K4_end_of_a_traced_child_goes_to_the_tracer_first_and_then_to_its_parent) {
  Gate attached, ended, waited;
  const pid_t parent = getpid();
  const pid_t child = start_child([&] { _exit(getppid() == parent ? (wait_for_ever(), 0) : 1); });
  const pid_t tracer = start_child([&] {
    CHECK_OK(seize(child));
    attached.open();
    ended.wait();
    CHECK_EQ(wait_status(child), SIGKILL);
    CHECK_ERRNO(waitpid(child, nullptr, __WALL), ECHILD);
    waited.open();
  });
  attached.wait();
  CHECK_OK(kill(child, SIGKILL));
  check::sleep_ms(50);
  CHECK_EQ(waitpid(child, nullptr, WNOHANG), 0);   // it is its parent's, but not to be waited for yet
  ended.open();
  waited.wait();
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
  CHECK_EQ(check::wait_for(tracer), 0);
}

TEST(K4_end_of_the_tracer_gives_back_and_lets_go_on) {
  Gate go;
  const pid_t parent = getpid();
  const pid_t child = start_child([&] {
    go.wait();
    _exit(getppid() == parent ? 21 : 1);
  });
  CHECK_EQ(check::in_child([&] {
    CHECK_OK(trace(PTRACE_ATTACH, child));
    expect_stop(child, SIGSTOP);
  }), 0);
  go.open();
  CHECK_EQ(check::wait_for(child), 21);
}

TEST(K4_end_of_the_tracer_gives_back_a_child_that_has_ended) {
  Gate attached, die;
  const pid_t child = start_child([&] { wait_for_ever(); });
  const pid_t tracer = start_child([&] {
    CHECK_OK(seize(child));
    attached.open();
    die.wait();
  });
  attached.wait();
  CHECK_OK(kill(child, SIGKILL));
  check::sleep_ms(20);
  die.open();
  CHECK_EQ(check::wait_for(tracer), 0);
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
}

TEST(K4_parents_end_while_traced_makes_an_orphan_as_ever) {
  Gate attached;
  pid_t& child = check::shared<pid_t>();
  const pid_t middle = start_child([&] {
    child = start_child([] { wait_for_ever(); });
    attached.wait();
  });
  CHECK(eventually([&] { return *const_cast<volatile pid_t*>(&child) != 0; }));
  CHECK_OK(seize(child));
  attached.open();
  CHECK_EQ(check::wait_for(middle), 0);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(exitkill_ends_the_tracee_with_its_tracer) {
  const pid_t child = start_child([] { wait_for_ever(); });
  CHECK_EQ(check::in_child([&] { CHECK_OK(seize(child, PTRACE_O_EXITKILL)); }), 0);
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
}

TEST(detach_can_deliver_a_signal) {
  const pid_t child = start_child([] { wait_for_ever(); });
  CHECK_EQ(check::in_child([&] {
    CHECK_OK(trace(PTRACE_ATTACH, child));
    expect_stop(child, SIGSTOP);
    CHECK_OK(trace(PTRACE_DETACH, child, 0, SIGTERM));
  }), 0);
  CHECK_EQ(check::wait_for(child), 128 + SIGTERM);
}

TEST(only_the_same_user_may_trace) {
  const pid_t mine = start_child([] { wait_for_ever(); });
  CHECK_EQ(as_user(1000, [&] {
    CHECK_ERRNO(trace(PTRACE_ATTACH, mine), EPERM);
    CHECK_ERRNO(trace(PTRACE_ATTACH, 1), EPERM);
    CHECK_ERRNO(trace(PTRACE_ATTACH, getpid()), EPERM);
    CHECK_ERRNO(trace(PTRACE_ATTACH, 0x7ffffff), ESRCH);
    const pid_t other = start_child([] { wait_for_ever(); });
    CHECK_OK(seize(other));
    CHECK_ERRNO(seize(other), EPERM);
    CHECK_OK(kill(other, SIGKILL));
    CHECK_EQ(wait_status(other), SIGKILL);
  }), 0);
  CHECK_OK(kill(mine, SIGKILL));
  check::wait_for(mine);
}

TEST(zombie_cannot_be_attached_to) {
  const pid_t child = start_child([] {});
  siginfo_t info;
  CHECK_OK(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  CHECK_ERRNO(trace(PTRACE_ATTACH, child), EPERM);
  CHECK_EQ(check::wait_for(child), 0);
}

TEST(interrupt_stops_a_seized_tracee_and_its_call_goes_on) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_child([&] {
    char byte = 0;
    _exit(read(ends[0], &byte, 1) == 1 ? byte : 1);
  });
  CHECK_OK(seize(child));
  check::sleep_ms(10);
  CHECK_ERRNO(trace(PTRACE_CONT, child), ESRCH);   // it has not stopped
  CHECK_OK(trace(PTRACE_INTERRUPT, child));
  expect_stop(child, SIGTRAP, kEventStop);
  CHECK_OK(trace(PTRACE_CONT, child));
  const char byte = 44;
  CHECK_EQ(write(ends[1], &byte, 1), 1);
  expect_exit(child, 44);
}

TEST(interrupt_is_for_seized_tracees) {
  const pid_t child = start_traced([] { wait_for_ever(); });
  CHECK_ERRNO(trace(PTRACE_INTERRUPT, child), EIO);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(running_program_is_interrupted) {
  const pid_t child = start_child([] {
    for (volatile long i = 0;; i = i + 1) {
    }
  });
  CHECK_OK(seize(child));
  for (int i = 0; i < 20; i++) {
    CHECK_OK(trace(PTRACE_INTERRUPT, child));
    expect_stop(child, SIGTRAP, kEventStop);
    CHECK_OK(trace(PTRACE_CONT, child));
  }
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(group_stop_is_told_and_listened_to) {
  const pid_t child = start_child([] { wait_for_ever(); });
  CHECK_OK(seize(child));
  CHECK_OK(kill(child, SIGSTOP));
  expect_stop(child, SIGSTOP);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGSTOP));
  expect_stop(child, SIGSTOP, kEventStop);
  CHECK_OK(trace(PTRACE_LISTEN, child));
  CHECK_ERRNO(trace(PTRACE_CONT, child), ESRCH);
  CHECK_EQ(waitpid(child, nullptr, __WALL | WNOHANG), 0);
  CHECK_OK(kill(child, SIGCONT));
  expect_stop(child, SIGTRAP, kEventStop);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGCONT);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGCONT));
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(group_stop_of_an_attached_tracee_has_no_signal_information) {
  const pid_t child = start_traced([] {
    raise(SIGTSTP);
    _exit(7);
  });
  CHECK_OK(setpgid(child, 0) == 0 || errno == EACCES ? 0 : -1);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTSTP);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGSTOP));
  expect_stop(child, SIGSTOP);
  siginfo_t info;
  CHECK_ERRNO(trace(PTRACE_GETSIGINFO, child, 0, reinterpret_cast<uintptr_t>(&info)), EINVAL);
  CHECK_OK(trace(PTRACE_CONT, child));   // it goes on although its process is stopped
  expect_exit(child, 7);
}

TEST(stopped_process_can_be_attached_to) {
  const pid_t child = start_child([] { wait_for_ever(); });
  CHECK_OK(kill(child, SIGSTOP));
  int status = 0;
  CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
  CHECK_EQ(check::in_child([&] {
    CHECK_OK(trace(PTRACE_ATTACH, child));
    expect_stop(child, SIGSTOP);
    CHECK_OK(trace(PTRACE_DETACH, child, 0, 0));
  }), 0);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
}

TEST(each_thread_is_traced_by_itself) {
  Gate ready;
  pid_t& thread_id = check::shared<pid_t>();
  static pid_t* shared_id;
  static Gate* shared_gate;
  shared_id = &thread_id;
  shared_gate = &ready;
  const pid_t child = start_child([] {
    pthread_t thread;
    pthread_create(&thread, nullptr, [](void*) -> void* {
      *shared_id = static_cast<pid_t>(syscall(SYS_gettid));
      shared_gate->open();
      wait_for_ever();
    }, nullptr);
    wait_for_ever();
  });
  ready.wait();
  CHECK_OK(trace(PTRACE_ATTACH, thread_id));
  expect_stop(thread_id, SIGSTOP);
  CHECK_ERRNO(trace(PTRACE_CONT, child), ESRCH);
  CHECK_OK(trace(PTRACE_DETACH, thread_id));
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
}

// --- Races, with the audit after them ---

TEST(attach_and_detach_race_with_exit) {
  for (int i = 0; i < 60; i++) {
    const pid_t child = start_child([] {});
    if (seize(child) == 0 && trace(PTRACE_INTERRUPT, child) == 0) {
      int status = 0;
      const pid_t told = waitpid(child, &status, __WALL);
      CHECK_EQ(told, child);
      if (!WIFSTOPPED(status)) continue;
      trace(PTRACE_DETACH, child);
    }
    CHECK_EQ(check::wait_for(child), 0);
  }
}

TEST(tracers_that_end_at_any_moment_leave_their_tracees_running) {
  const pid_t child = start_child([] {
    for (;;) getppid();
  });
  for (int i = 0; i < 40; i++)
    CHECK_EQ(check::in_child([&] {
      CHECK_OK(trace(PTRACE_ATTACH, child));
      if (i % 2 == 0) return;
      expect_stop(child, SIGSTOP);
      if (i % 4 == 1) CHECK_OK(trace(PTRACE_SYSCALL, child));
    }), 0);
  CHECK_OK(kill(child, SIGCONT));   // a SIGSTOP of an attach may still have stopped it
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(check::wait_for(child), 128 + SIGKILL);
}

TEST(tracees_are_killed_while_they_stop) {
  for (int i = 0; i < 40; i++) {
    const pid_t child = start_traced([] {
      for (;;) getppid();
    });
    CHECK_OK(trace(PTRACE_SYSCALL, child));
    if (i % 2) CHECK_EQ(waitpid(child, nullptr, __WALL), child);
    CHECK_OK(kill(child, SIGKILL));
    int status = wait_status(child);
    if (WIFSTOPPED(status)) status = wait_status(child);
    CHECK_EQ(status, SIGKILL);
  }
}
