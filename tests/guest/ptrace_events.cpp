// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2): forks, threads, programs and ends of a tracee; who follows. Seed row T9.
#include "tracee.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

TEST(T9_fork_is_told_and_the_child_is_traced) {
  const pid_t parent = start_traced([] {
    const pid_t child = fork();
    if (child == 0) _exit(3);
    _exit(check::wait_for(child));
  }, PTRACE_O_TRACEFORK);
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_stop(parent, SIGTRAP, PTRACE_EVENT_FORK);
  const pid_t child = static_cast<pid_t>(event_message(parent));
  CHECK_EQ(signal_info(parent).si_code, SIGTRAP | PTRACE_EVENT_FORK << 8);
  expect_stop(child, SIGSTOP);
  CHECK_EQ(static_cast<long>(registers_of(child).rax), 0);
  CHECK_OK(trace(PTRACE_CONT, parent));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 3);
  expect_stop(parent, SIGCHLD);
  CHECK_OK(trace(PTRACE_CONT, parent, 0, SIGCHLD));
  expect_exit(parent, 3);
}

TEST(T9_without_the_option_the_child_is_not_traced) {
  const pid_t parent = start_traced([] { _exit(check::in_child([] { _exit(4); })); });
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_stop(parent, SIGCHLD);
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_exit(parent, 4);
}

TEST(T9_vfork_and_its_end_are_told) {
  const pid_t parent = start_traced([] {
    const pid_t child = vfork();
    if (child == 0) _exit(5);
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WEXITSTATUS(status));
  }, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_stop(parent, SIGTRAP, PTRACE_EVENT_VFORK);
  const pid_t child = static_cast<pid_t>(event_message(parent));
  expect_stop(child, SIGSTOP);
  CHECK_OK(trace(PTRACE_CONT, parent));
  CHECK_OK(trace(PTRACE_CONT, child));
  // The child's end and the parent's going on come in either order.
  for (int told = 0; told < 2; told++) {
    int status = 0;
    const pid_t who = CHECK_OK(waitpid(-1, &status, __WALL));
    if (who == child) {
      CHECK_EQ(status, 5 << 8);
      continue;
    }
    CHECK_EQ(who, parent);
    CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_VFORK_DONE << 8);
    CHECK_EQ(static_cast<pid_t>(event_message(parent)), child);
    CHECK_OK(trace(PTRACE_CONT, parent));
  }
  int status = wait_status(parent);
  while (WIFSTOPPED(status)) {   // SIGCHLD
    CHECK_EQ(WSTOPSIG(status), SIGCHLD);
    CHECK_OK(trace(PTRACE_CONT, parent));
    status = wait_status(parent);
  }
  CHECK_EQ(status, 5 << 8);
}

namespace {
void* do_nothing(void*) { return nullptr; }
}  // namespace

TEST(T9_new_thread_is_told_and_traced_and_waited_for) {
  static int go_on[2];
  CHECK_OK(pipe(go_on));
  const pid_t process = start_traced([] {
    pthread_t thread;
    pthread_create(&thread, nullptr, do_nothing, nullptr);
    char byte;
    CHECK_EQ(read(go_on[0], &byte, 1), 1);   // an exit of the process before the thread's is told would be told instead
    _exit(6);
  }, PTRACE_O_TRACECLONE);
  CHECK_OK(trace(PTRACE_CONT, process));
  expect_stop(process, SIGTRAP, PTRACE_EVENT_CLONE);
  const pid_t thread = static_cast<pid_t>(event_message(process));
  CHECK(thread != process);
  expect_stop(thread, SIGSTOP);
  CHECK_OK(trace(PTRACE_CONT, process));
  CHECK_OK(trace(PTRACE_CONT, thread));
  expect_exit(thread, 0);
  CHECK_EQ(write(go_on[1], "", 1), 1);
  expect_exit(process, 6);
}

TEST(T9_child_with_another_signal_is_a_clone) {
  const pid_t parent = start_traced([] {
    const pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0));
    if (child == 0) _exit(0);
    waitpid(child, nullptr, __WALL);
  }, PTRACE_O_TRACECLONE);
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_stop(parent, SIGTRAP, PTRACE_EVENT_CLONE);
  const pid_t child = static_cast<pid_t>(event_message(parent));
  expect_stop(child, SIGSTOP);
  CHECK_OK(trace(PTRACE_CONT, child));
  CHECK_OK(trace(PTRACE_CONT, parent));
  expect_exit(child, 0);
  int status = wait_status(parent);
  if (WIFSTOPPED(status)) {
    CHECK_EQ(WSTOPSIG(status), SIGUSR1);
    CHECK_OK(trace(PTRACE_CONT, parent));
    status = wait_status(parent);
  }
  CHECK_EQ(status, 0);
}

TEST(T9_options_are_inherited) {
  const pid_t parent = start_traced([] { _exit(check::in_child([] { _exit(check::in_child([] { _exit(9); })); })); },
                                    PTRACE_O_TRACEFORK);
  CHECK_OK(trace(PTRACE_CONT, parent));
  int forks = 0, exits = 0;
  int status = 0;
  pid_t who;
  while ((who = waitpid(-1, &status, __WALL)) > 0) {
    if (!WIFSTOPPED(status)) {
      CHECK_EQ(status, 9 << 8);
      exits++;
      continue;
    }
    const int signal = WSTOPSIG(status);
    if (status >> 16 == PTRACE_EVENT_FORK) forks++;
    CHECK_OK(trace(PTRACE_CONT, who, 0, signal == SIGCHLD ? signal : 0));
  }
  CHECK_EQ(forks, 2);
  CHECK_EQ(exits, 3);
}

namespace {

// Runs this program again, as a test that only succeeds.
[[noreturn]] void run_true() {
  char* const arguments[] = {const_cast<char*>("true"), nullptr};
  execve("/bin/true", arguments, environ);
  _exit(127);
}

}  // namespace

TEST(T9_exec_is_told_as_an_event) {
  const pid_t child = start_traced([] { run_true(); }, PTRACE_O_TRACEEXEC);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP, PTRACE_EVENT_EXEC);
  CHECK_EQ(static_cast<pid_t>(event_message(child)), child);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(T9_exec_without_the_option_is_a_sigtrap) {
  const pid_t child = start_traced([] { run_true(); });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  CHECK_EQ(signal_info(child).si_code, SI_USER);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(T9_thread_that_executes_a_program_takes_over_the_process) {
  const pid_t process = start_traced([] {
    pthread_t thread;
    pthread_create(&thread, nullptr, [](void*) -> void* { run_true(); }, nullptr);
    pause();
  }, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
  CHECK_OK(trace(PTRACE_CONT, process));
  expect_stop(process, SIGTRAP, PTRACE_EVENT_CLONE);
  const pid_t thread = static_cast<pid_t>(event_message(process));
  expect_stop(thread, SIGSTOP);
  CHECK_OK(trace(PTRACE_CONT, process));
  CHECK_OK(trace(PTRACE_CONT, thread));
  // The old main thread is gone without a word, and the new one has the process's id.
  int status = 0;
  CHECK_EQ(waitpid(-1, &status, __WALL), process);
  CHECK_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXEC << 8);
  CHECK_EQ(static_cast<pid_t>(event_message(process)), thread);
  CHECK_OK(trace(PTRACE_CONT, process));
  expect_exit(process, 0);
  CHECK_ERRNO(waitpid(-1, nullptr, __WALL), ECHILD);
}

TEST(end_is_told_before_it_happens) {
  const pid_t child = start_traced([] { _exit(11); }, PTRACE_O_TRACEEXIT);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP, PTRACE_EVENT_EXIT);
  CHECK_EQ(event_message(child), 11ul << 8);
  CHECK(registers_of(child).rip != 0);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 11);
}

// Whether it ends that stop by itself is the kernel's affair.
TEST(sigkill_in_the_stop_before_the_end_loses_nothing) {
  const pid_t child = start_traced([] { _exit(11); }, PTRACE_O_TRACEEXIT);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP, PTRACE_EVENT_EXIT);
  CHECK_OK(kill(child, SIGKILL));
  trace(PTRACE_CONT, child);
  const int status = wait_status(child);
  CHECK(WIFEXITED(status) || WIFSIGNALED(status));
}

TEST(threads_ends_are_told_one_by_one_and_the_process_last) {
  const pid_t process = start_traced([] {
    for (int i = 0; i < 3; i++) {
      pthread_t thread;
      pthread_create(&thread, nullptr, [](void*) -> void* { for (;;) pause(); }, nullptr);
    }
    check::sleep_ms(10);
    _exit(12);
  }, PTRACE_O_TRACECLONE);
  CHECK_OK(trace(PTRACE_CONT, process));
  int ended = 0;
  int status = 0;
  pid_t who;
  while ((who = waitpid(-1, &status, __WALL)) > 0) {
    if (!WIFSTOPPED(status)) {
      CHECK_EQ(status, 12 << 8);
      ended++;
      if (who == process) break;
      continue;
    }
    CHECK_OK(trace(PTRACE_CONT, who));
  }
  CHECK_EQ(ended, 4);
}
