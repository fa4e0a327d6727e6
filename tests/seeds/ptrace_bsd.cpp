// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// ptrace(2) in the BSD form, through the SDK. Seed rows T7, K4.
#include <machine/reg.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include "check.h"

namespace {

caddr_t place(void* address) { return static_cast<caddr_t>(address); }
const caddr_t kFromHere = reinterpret_cast<caddr_t>(1);

void expect_stop(pid_t pid, int signal) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(status >> 8, signal);
}

void expect_exit(pid_t pid, int code) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, code << 8);
}

template <class Body>
pid_t start_traced(Body body) {
  const pid_t child = check::start_child([&] {
    CHECK_OK(ptrace(PT_TRACE_ME, 0, nullptr, 0));
    raise(SIGSTOP);
    body();
  });
  expect_stop(child, SIGSTOP);
  return child;
}

void follow_forks(pid_t pid) {
  ptrace_event mask = {PTRACE_FORK};
  CHECK_OK(ptrace(PT_SET_EVENT_MASK, pid, place(&mask), sizeof mask));
}

ptrace_state state_of(pid_t pid) {
  ptrace_state state = {};
  CHECK_OK(ptrace(PT_GET_PROCESS_STATE, pid, place(&state), sizeof state));
  return state;
}

void go_on(pid_t pid, int signal = 0) { CHECK_OK(ptrace(PT_CONTINUE, pid, kFromHere, signal)); }

}  // namespace

TEST(T7_both_sides_of_a_fork_stop_and_tell_of_each_other) {
  const pid_t parent = start_traced([] {
    const pid_t child = fork();
    if (child == 0) _exit(3);
    signal(SIGCHLD, SIG_DFL);
    _exit(check::wait_for(child));
  });
  follow_forks(parent);
  ptrace_event mask = {};
  CHECK_OK(ptrace(PT_GET_EVENT_MASK, parent, place(&mask), sizeof mask));
  CHECK_EQ(mask.pe_set_event, PTRACE_FORK);
  CHECK_EQ(state_of(parent).pe_report_event, 0);
  go_on(parent);
  expect_stop(parent, SIGTRAP);
  const ptrace_state parents = state_of(parent);
  CHECK_EQ(parents.pe_report_event, PTRACE_FORK);
  const pid_t child = parents.pe_other_pid;
  expect_stop(child, SIGTRAP);
  const ptrace_state childs = state_of(child);
  CHECK_EQ(childs.pe_report_event, PTRACE_FORK);
  CHECK_EQ(childs.pe_other_pid, parent);
  go_on(child);
  expect_exit(child, 3);
  go_on(parent);
  expect_stop(parent, SIGCHLD);
  go_on(parent, SIGCHLD);
  expect_exit(parent, 3);
}

TEST(T7_vfork_is_not_told) {
  const pid_t parent = start_traced([] {
    signal(SIGCHLD, SIG_IGN);
    const pid_t child = vfork();
    if (child == 0) _exit(3);
    _exit(4);
  });
  follow_forks(parent);
  go_on(parent);
  int status = 0;
  CHECK_EQ(waitpid(parent, &status, 0), parent);
  if (WIFSTOPPED(status)) {   // SIGCHLD is told though it is ignored
    CHECK_EQ(WSTOPSIG(status), SIGCHLD);
    go_on(parent);
    CHECK_EQ(waitpid(parent, &status, 0), parent);
  }
  CHECK_EQ(status, 4 << 8);
}

TEST(T7_without_the_event_a_fork_is_not_told) {
  const pid_t parent = start_traced([] { _exit(check::in_child([] { _exit(5); })); });
  go_on(parent);
  expect_stop(parent, SIGCHLD);
  CHECK_EQ(state_of(parent).pe_report_event, 0);
  go_on(parent);
  expect_exit(parent, 5);
}

TEST(K4_attach_hands_a_process_to_its_tracer_and_detach_gives_it_back) {
  const pid_t child = check::start_child([] {
    for (;;) pause();
  });
  CHECK_EQ(check::in_child([&] {
    CHECK_OK(ptrace(PT_ATTACH, child, nullptr, 0));
    expect_stop(child, SIGSTOP);
    CHECK_ERRNO(ptrace(PT_ATTACH, child, nullptr, 0), EPERM);
    CHECK_OK(ptrace(PT_DETACH, child, kFromHere, 0));
    CHECK_ERRNO(ptrace(PT_CONTINUE, child, kFromHere, 0), EPERM);
  }), 0);
  CHECK_EQ(waitpid(child, nullptr, WNOHANG), 0);
  CHECK_OK(kill(child, SIGTERM));
  CHECK_EQ(check::wait_for(child), 128 + SIGTERM);
}

TEST(bsd_memory_is_read_and_written) {
  static int word = 0x12345678;
  static char text[] = "before";
  const pid_t child = start_traced([] { _exit(word == -1 && strcmp(text, "afterw") == 0 ? 0 : 1); });
  errno = 0;
  CHECK_EQ(ptrace(PT_READ_D, child, place(&word), 0), 0x12345678);
  CHECK_OK(ptrace(PT_WRITE_D, child, place(&word), -1));
  CHECK_EQ(ptrace(PT_READ_I, child, place(&word), 0), -1);
  CHECK_EQ(errno, 0);
  char copy[7] = {};
  ptrace_io_desc io = {PIOD_READ_D, text, copy, 6};
  CHECK_OK(ptrace(PT_IO, child, place(&io), 0));
  CHECK_EQ(io.piod_len, 6u);
  CHECK_EQ(static_cast<const char*>(copy), "before");
  io = {PIOD_WRITE_D, text, const_cast<char*>("afterw"), 6};
  CHECK_OK(ptrace(PT_IO, child, place(&io), 0));
  CHECK_ERRNO(ptrace(PT_READ_D, child, reinterpret_cast<caddr_t>(16), 0), EFAULT);
  go_on(child);
  expect_exit(child, 0);
}

TEST(bsd_memory_that_the_program_cannot_read_is_not_read) {
  void* const hidden = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
  CHECK(hidden != MAP_FAILED);
  const pid_t child = start_traced([] {});
  char bytes[4];
  ptrace_io_desc io = {PIOD_READ_D, hidden, bytes, sizeof bytes};
  CHECK_ERRNO(ptrace(PT_READ_D, child, place(hidden), 0), EFAULT);
  CHECK_ERRNO(ptrace(PT_IO, child, place(&io), 0), EFAULT);
  CHECK_OK(ptrace(PT_KILL, child, nullptr, 0));
}

TEST(bsd_registers_are_read_and_written_and_steps_made) {
  const pid_t child = start_traced([] {
    unsigned long value = 7;
    asm volatile("movq %0, %%r12; int3; nop; nop; movq %%r12, %0" : "+r"(value)::"r12");
    _exit(static_cast<int>(value));
  });
  go_on(child);
  expect_stop(child, SIGTRAP);
  reg registers = {};
  CHECK_OK(ptrace(PT_GETREGS, child, place(&registers), 0));
  CHECK_EQ(registers.r_r12, 7);
  registers.r_r12 = 55;
  CHECK_OK(ptrace(PT_SETREGS, child, place(&registers), 0));
  CHECK_OK(ptrace(PT_STEP, child, kFromHere, 0));
  expect_stop(child, SIGTRAP);
  reg after = {};
  CHECK_OK(ptrace(PT_GETREGS, child, place(&after), 0));
  CHECK_EQ(after.r_rip, registers.r_rip + 1);
  fpreg vectors;
  CHECK_OK(ptrace(PT_GETFPREGS, child, place(&vectors), 0));
  CHECK_OK(ptrace(PT_SETFPREGS, child, place(&vectors), 0));
  go_on(child);
  expect_exit(child, 55);
}

TEST(bsd_kill_and_errors) {
  const pid_t child = start_traced([] {
    for (;;) pause();
  });
  CHECK_ERRNO(ptrace(PT_CONTINUE, child, kFromHere, 100), EINVAL);
  CHECK_ERRNO(ptrace(77, child, nullptr, 0), EINVAL);
  CHECK_ERRNO(ptrace(PT_CONTINUE, 0x7ffffff, kFromHere, 0), ESRCH);
  go_on(child);
  CHECK_ERRNO(ptrace(PT_CONTINUE, child, kFromHere, 0), EBUSY);
  CHECK_OK(ptrace(PT_KILL, child, nullptr, 0));
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, SIGKILL);
}

TEST(bsd_process_stops_with_all_its_threads) {
  static volatile long& counter = check::shared<volatile long>();
  const pid_t child = start_traced([] {
    pthread_t thread;
    for (int i = 0; i < 2; i++)
      pthread_create(&thread, nullptr, [](void*) -> void* { for (;;) __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST); }, nullptr);
    while (counter == 0) check::sleep_ms(1);
    raise(SIGUSR1);
    _exit(6);
  });
  go_on(child);
  expect_stop(child, SIGUSR1);
  int threads = 0;
  ptrace_thread_state thread = {};
  CHECK(eventually([&] { return ptrace(PT_GET_THREAD_FIRST, child, place(&thread), sizeof thread) == 0; }));
  while (thread.pts_tid != -1) {
    threads++;
    reg registers = {};
    // The others are on their way to a stop of their own.
    CHECK(eventually([&] { return ptrace(PT_GETREGS, thread.pts_tid, place(&registers), 0) == 0; }));
    CHECK(registers.r_rip != 0);
    CHECK_OK(ptrace(PT_GET_THREAD_NEXT, child, place(&thread), sizeof thread));
  }
  CHECK_EQ(threads, 3);
  const long seen = counter;
  check::sleep_ms(20);
  CHECK_EQ(counter, seen);
  go_on(child);
  expect_exit(child, 6);
}
