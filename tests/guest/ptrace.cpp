// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2): stops for signals and system calls, going on, memory.
#include "tracee.h"

#include <fcntl.h>
#include <sys/syscall.h>

namespace {

int handled = 0;
void handle(int signal) { handled = signal; }

}  // namespace

TEST(child_that_asks_to_be_traced_stops_for_signals) {
  const pid_t child = start_traced([] {
    signal(SIGUSR1, handle);
    raise(SIGUSR1);
    _exit(handled == SIGUSR1 ? 7 : 8);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGUSR1);
  const siginfo_t info = signal_info(child);
  CHECK_EQ(info.si_signo, SIGUSR1);
  CHECK_EQ(info.si_pid, child);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGUSR1));
  expect_exit(child, 7);
}

TEST(tracer_can_keep_a_signal_back_or_change_it) {
  const pid_t child = start_traced([] {
    signal(SIGUSR2, handle);
    raise(SIGTERM);   // is kept back
    if (handled != 0) _exit(1);
    raise(SIGTERM);   // becomes SIGUSR2
    _exit(handled == SIGUSR2 ? 0 : 2);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTERM);
  CHECK_OK(trace(PTRACE_CONT, child, 0, 0));
  expect_stop(child, SIGTERM);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGUSR2));
  expect_exit(child, 0);
}

TEST(ignored_signal_is_told_to_the_tracer_all_the_same) {
  const pid_t child = start_traced([] {
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGUSR1));
  expect_exit(child, 0);
}

TEST(signal_info_can_be_changed) {
  const pid_t child = start_traced([] {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t* info, void*) { handled = info->si_value.sival_int; };
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
    _exit(handled);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGUSR1);
  siginfo_t info = signal_info(child);
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 42;
  CHECK_OK(trace(PTRACE_SETSIGINFO, child, 0, reinterpret_cast<uintptr_t>(&info)));
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGUSR1));
  expect_exit(child, 42);
}

TEST(signal_that_kills_is_seen_before_it_does) {
  const pid_t child = start_traced([] { raise(SIGTERM); });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTERM);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGTERM));
  CHECK_EQ(wait_status(child), SIGTERM);
}

TEST(sigkill_ends_a_stop) {
  const pid_t child = start_traced([] { _exit(1); });
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(kill_request_kills) {
  const pid_t child = start_traced([] { _exit(1); });
  CHECK_OK(trace(PTRACE_KILL, child));
  CHECK_EQ(wait_status(child), SIGKILL);
}

TEST(requests_want_a_stopped_tracee_of_the_caller) {
  const pid_t child = start_child([] { pause(); });
  CHECK_ERRNO(trace(PTRACE_CONT, child), ESRCH);
  CHECK_ERRNO(trace(PTRACE_CONT, getppid()), ESRCH);
  CHECK_OK(kill(child, SIGKILL));
  check::wait_for(child);
  const pid_t traced = start_traced([] { pause(); });
  CHECK_ERRNO(trace(0x7777, traced), EIO);
  CHECK_ERRNO(trace(PTRACE_CONT, traced, 0, 200), EIO);
  CHECK_ERRNO(trace(PTRACE_SETOPTIONS, traced, 0, 0x40000000), EINVAL);
  CHECK_OK(trace(PTRACE_CONT, traced));
  CHECK_ERRNO(trace(PTRACE_CONT, traced), ESRCH);
  CHECK_OK(kill(traced, SIGKILL));
  CHECK_EQ(wait_status(traced), SIGKILL);
}

TEST(child_cannot_be_traced_twice) {
  CHECK_EQ(check::wait_for(start_child([] {
    const pid_t child = start_traced([] {
      errno = 0;
      _exit(trace(PTRACE_TRACEME, 0) == -1 && errno == EPERM ? 0 : 1);
    });
    CHECK_ERRNO(trace(PTRACE_ATTACH, child), EPERM);
    CHECK_OK(trace(PTRACE_CONT, child));
    expect_exit(child, 0);
  })), 0);
}

TEST(stop_is_told_once) {
  const pid_t child = start_traced([] {});
  CHECK_EQ(waitpid(child, nullptr, WNOHANG | __WALL), 0);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(waitid_tells_a_stop_as_a_trap) {
  const pid_t child = start_child([] {
    trace(PTRACE_TRACEME, 0);
    raise(SIGUSR1);
  });
  siginfo_t info = {};
  CHECK_OK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT));
  CHECK_EQ(info.si_code, CLD_TRAPPED);
  CHECK_EQ(info.si_status, SIGUSR1);
  CHECK_EQ(info.si_pid, child);
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(tracer_gets_sigchld_for_a_stop) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const pid_t child = start_child([] {
    trace(PTRACE_TRACEME, 0);
    raise(SIGUSR1);
  });
  siginfo_t info = {};
  CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
  CHECK_EQ(info.si_code, CLD_TRAPPED);
  CHECK_EQ(info.si_status, SIGUSR1);
  CHECK_EQ(info.si_pid, child);
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

// --- System calls ---

TEST(system_calls_stop_at_entry_and_exit) {
  const pid_t child = start_traced([] { syscall(SYS_getppid, 11, 22, 33, 44, 55, 66); }, PTRACE_O_TRACESYSGOOD);
  // The rest of raise() comes first.
  for (;;) {
    CHECK_OK(trace(PTRACE_SYSCALL, child));
    expect_stop(child, SIGTRAP | 0x80);
    if (registers_of(child).orig_rax == SYS_getppid) break;
  }
  const user_regs_struct entry = registers_of(child);
  CHECK_EQ(static_cast<long>(entry.rax), -ENOSYS);
  CHECK_EQ(entry.rdi, 11ul);
  CHECK_EQ(entry.r9, 66ul);
  CHECK_EQ(event_message(child), 1ul);
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP | 0x80);
  const user_regs_struct exit = registers_of(child);
  CHECK_EQ(exit.orig_rax, static_cast<unsigned long>(SYS_getppid));
  CHECK_EQ(static_cast<pid_t>(exit.rax), getpid());
  CHECK_EQ(event_message(child), 2ul);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(without_sysgood_a_system_call_is_a_plain_trap) {
  const pid_t child = start_traced([] { getppid(); });
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP);
  CHECK_EQ(signal_info(child).si_code, SIGTRAP);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

namespace {

// Lets `child` go on to the entry of the next call of this number.
void run_to_call(pid_t child, long number) {
  do {
    CHECK_OK(trace(PTRACE_SYSCALL, child));
    expect_stop(child, SIGTRAP | 0x80);
  } while (static_cast<long>(registers_of(child).orig_rax) != number);
}

}  // namespace

TEST(tracer_can_change_a_call_and_its_result) {
  const pid_t child = start_traced([] {
    if (syscall(SYS_getppid) != 1234) _exit(1);       // its result is changed
    if (syscall(SYS_getuid) != getpid()) _exit(2);    // it becomes getpid
    _exit(0);
  }, PTRACE_O_TRACESYSGOOD);
  run_to_call(child, SYS_getppid);
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP | 0x80);
  CHECK_OK(trace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, rax), 1234));
  run_to_call(child, SYS_getuid);
  CHECK_OK(trace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, orig_rax), SYS_getpid));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(tracer_can_skip_a_call) {
  const pid_t child = start_traced([] {
    errno = 0;
    if (syscall(SYS_close, 0) != -1 || errno != ENOSYS) _exit(1);
    if (fcntl(0, F_GETFD) < 0) _exit(2);   // it is still open
    if (syscall(SYS_close, 0) != 77) _exit(3);
    _exit(0);
  }, PTRACE_O_TRACESYSGOOD);
  CHECK_EQ(open("/", O_RDONLY) >= 0, true);
  run_to_call(child, SYS_close);
  CHECK_OK(trace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, orig_rax), static_cast<uintptr_t>(-1)));
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP | 0x80);
  run_to_call(child, SYS_close);
  CHECK_OK(trace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, orig_rax), static_cast<uintptr_t>(-1)));
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP | 0x80);
  CHECK_OK(trace(PTRACE_POKEUSER, child, offsetof(user_regs_struct, rax), 77));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(call_info_tells_entry_and_exit) {
  struct Info {
    unsigned char operation, padding[3];
    unsigned architecture;
    unsigned long ip, sp, words[7];
  } info = {};
  constexpr int kGetCallInfo = 0x420e;
  const auto get = [&](pid_t child) { return trace(kGetCallInfo, child, sizeof info, reinterpret_cast<uintptr_t>(&info)); };
  const pid_t child = start_traced([] { syscall(SYS_kill, 0x7fffffff, 0); }, PTRACE_O_TRACESYSGOOD);
  CHECK_EQ(get(child), 24);
  CHECK_EQ(info.operation, 0);
  run_to_call(child, SYS_kill);
  CHECK_EQ(get(child), 80);
  CHECK_EQ(info.operation, 1);
  CHECK_EQ(info.architecture, 0xc000003eu);
  CHECK_EQ(info.words[0], static_cast<unsigned long>(SYS_kill));
  CHECK_EQ(info.words[1], 0x7ffffffful);
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGTRAP | 0x80);
  CHECK_EQ(get(child), 33);
  CHECK_EQ(info.operation, 2);
  CHECK_EQ(static_cast<long>(info.words[0]), -ESRCH);
  CHECK_EQ(info.words[1] & 0xff, 1ul);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(interrupted_call_is_made_again_after_a_signal_that_was_kept_back) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_traced([&] {
    char byte = 0;
    _exit(read(ends[0], &byte, 1) == 1 ? byte : 1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  check::sleep_ms(20);
  CHECK_OK(kill(child, SIGUSR1));
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child));
  const char byte = 33;
  CHECK_EQ(write(ends[1], &byte, 1), 1);
  expect_exit(child, 33);
}

TEST(stops_at_calls_do_not_disturb_a_fork_or_a_sleep) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_traced([&] {
    signal(SIGCHLD, SIG_IGN);
    const pid_t made = fork();
    if (made == 0) {
      check::sleep_ms(20);
      if (write(ends[1], "!", 1) != 1) _exit(1);
      _exit(0);
    }
    char byte = 0;
    _exit(read(ends[0], &byte, 1) == 1 ? byte : 1);
  }, PTRACE_O_TRACESYSGOOD);
  int status = 0, stops = 0;
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  while (WIFSTOPPED(status = wait_status(child))) {
    CHECK(++stops < 100);   // no call is made again and again
    CHECK_OK(trace(PTRACE_SYSCALL, child, 0, WSTOPSIG(status) == SIGCHLD ? SIGCHLD : 0));
  }
  CHECK_EQ(status, '!' << 8);
}

TEST(interrupted_call_that_is_stopped_at_goes_on) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_traced([&] {
    char byte = 0;
    _exit(read(ends[0], &byte, 1) == 1 ? byte : 1);
  }, PTRACE_O_TRACESYSGOOD);
  run_to_call(child, SYS_read);
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  check::sleep_ms(20);
  CHECK_OK(kill(child, SIGUSR1));
  expect_stop(child, SIGTRAP | 0x80);   // the exit of the read, with ERESTARTSYS
  CHECK_EQ(static_cast<long>(registers_of(child).rax), -512);
  CHECK_OK(trace(PTRACE_SYSCALL, child));
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child));   // without the signal: the read is made again
  const char byte = 34;
  CHECK_EQ(write(ends[1], &byte, 1), 1);
  expect_exit(child, 34);
}

// --- Memory ---

TEST(memory_is_read_and_written_also_where_it_is_protected) {
  static long word = 0x1122334455667788;
  static const char* volatile text = "constant";
  const pid_t child = start_traced([] { _exit(word == 99 && text[0] == 'K' ? 0 : 1); });
  CHECK_EQ(trace(PTRACE_PEEKDATA, child, reinterpret_cast<uintptr_t>(&word)), 0x1122334455667788);
  CHECK_OK(trace(PTRACE_POKEDATA, child, reinterpret_cast<uintptr_t>(&word), 99));
  CHECK_EQ(word, 0x1122334455667788);
  const auto place = reinterpret_cast<uintptr_t>(text);
  errno = 0;
  const long old = trace(PTRACE_PEEKTEXT, child, place);
  CHECK_EQ(errno, 0);
  CHECK_OK(trace(PTRACE_POKETEXT, child, place, (old & ~0xfful) | 'K'));
  CHECK_ERRNO(trace(PTRACE_PEEKDATA, child, 8), EIO);
  CHECK_ERRNO(trace(PTRACE_POKEDATA, child, 8, 1), EIO);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(memory_file_of_a_tracee_is_read_and_written) {
  static long word = 5;
  const pid_t child = start_traced([] { _exit(static_cast<int>(word)); });
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  const int file = CHECK_OK(open(path, O_RDWR));
  long value = 0;
  CHECK_EQ(pread(file, &value, sizeof value, reinterpret_cast<off_t>(&word)), static_cast<ssize_t>(sizeof value));
  CHECK_EQ(value, 5);
  value = 17;
  CHECK_EQ(pwrite(file, &value, sizeof value, reinterpret_cast<off_t>(&word)), static_cast<ssize_t>(sizeof value));
  close(file);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 17);
}

TEST(status_names_the_tracer) {
  const pid_t child = start_traced([] {});
  char path[64], wanted[64];
  snprintf(path, sizeof path, "/proc/%d/status", child);
  snprintf(wanted, sizeof wanted, "TracerPid:\t%d\n", getpid());
  const char* text = check::read_text(path);
  CHECK(strstr(text, wanted) != nullptr);
  CHECK(strstr(text, "State:\tt (tracing stop)") != nullptr);
  CHECK_OK(trace(PTRACE_DETACH, child));
  CHECK(eventually([&] { return waitpid(child, nullptr, WNOHANG) == child; }));
}
