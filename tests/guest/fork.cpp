// SPDX-License-Identifier: BSD-2-Clause
// fork and wait: what parent and child see of each other.
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

TEST(E1_fork_returns_child_pid_in_parent_and_zero_in_child) {
  auto& seen = shared<pid_t>();
  const pid_t child = start_child([&] { seen = getpid(); });
  CHECK(child > 0);
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(seen, child);
}

TEST(E1_registers_are_equal_after_fork) {
  struct Registers {
    uint64_t rbx, r12, r13, r14, r15, rsp;
  };
  // Known values in the callee-saved registers across a raw fork, stored by each side for itself.
  auto& seen = shared<Registers[2]>();
  long pid;
  Registers now;
  asm volatile(
      "mov $0x1111, %%rbx; mov $0x2222, %%r12; mov $0x3333, %%r13; mov $0x4444, %%r14; mov $0x5555, %%r15\n"
      "syscall\n"
      "mov %%rbx, 0(%[to]); mov %%r12, 8(%[to]); mov %%r13, 16(%[to]); mov %%r14, 24(%[to]); mov %%r15, 32(%[to])\n"
      "mov %%rsp, 40(%[to])"
      : "=a"(pid)
      : "a"(SYS_fork), [to] "r"(&now)
      : "rbx", "r12", "r13", "r14", "r15", "rcx", "r11", "memory");
  seen[pid == 0] = now;
  if (pid == 0) _exit(0);
  CHECK_EQ(wait_for(static_cast<pid_t>(pid)), 0);
  CHECK_EQ(seen[0].rbx, 0x1111u);
  CHECK_EQ(seen[0].r15, 0x5555u);
  CHECK(memcmp(&seen[0], &seen[1], sizeof now) == 0);
}

TEST(E1_child_memory_is_a_copy_from_the_moment_of_fork) {
  static int data = 1;
  int stack = 2;
  int* heap = static_cast<int*>(malloc(sizeof(int)));
  *heap = 3;
  Gate go;
  const pid_t child = start_child([&] {
    go.wait();
    CHECK_EQ(data, 1);
    CHECK_EQ(stack, 2);
    CHECK_EQ(*heap, 3);
    data = stack = *heap = 100;
  });
  data = stack = *heap = 50;
  go.open();
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(data, 50);
  CHECK_EQ(stack, 50);
  CHECK_EQ(*heap, 50);
}

TEST(exit_status_is_the_low_eight_bits) {
  for (int status : Ints{0, 1, 127, 128, 255}) CHECK_EQ(in_child([=] { _exit(status); }), status);
  int how = 0;
  const pid_t child = start_child([] { _exit(0x1ff); });
  CHECK_EQ(waitpid(child, &how, 0), child);
  CHECK(WIFEXITED(how));
  CHECK_EQ(WEXITSTATUS(how), 0xff);
}

TEST(death_by_signal_is_told_to_the_parent) {
  int how = 0;
  const pid_t child = start_child([] { raise(SIGKILL); });
  CHECK_EQ(waitpid(child, &how, 0), child);
  CHECK(WIFSIGNALED(how));
  CHECK_EQ(WTERMSIG(how), SIGKILL);
}

TEST(wait_without_children_says_ECHILD) {
  CHECK_ERRNO(wait(nullptr), ECHILD);
  CHECK_ERRNO(waitpid(1, nullptr, 0), ECHILD);
}

TEST(wait_nohang_returns_zero_while_the_child_lives) {
  Gate go;
  const pid_t child = start_child([&] { go.wait(); });
  CHECK_EQ(waitpid(child, nullptr, WNOHANG), 0);
  go.open();
  CHECK_EQ(wait_for(child), 0);
  CHECK_ERRNO(waitpid(child, nullptr, WNOHANG), ECHILD);
}

TEST(wait_invalid_options_say_EINVAL) { CHECK_ERRNO(waitpid(-1, nullptr, 0x40000), EINVAL); }

TEST(waitpid_selects_by_process_group) {
  Gate grouped;
  const pid_t own = start_child([&] {
    setpgid(0, 0);
    grouped.open();
  });
  const pid_t other = start_child([] {});
  grouped.wait();
  CHECK_EQ(waitpid(-own, nullptr, 0), own);
  CHECK_ERRNO(waitpid(-own, nullptr, 0), ECHILD);
  CHECK_EQ(waitpid(0, nullptr, 0), other);
}

TEST(waitid_fills_siginfo_and_nowait_leaves_the_zombie) {
  const pid_t child = start_child([] { _exit(42); });
  for (int options : Ints{WEXITED | WNOWAIT, WEXITED}) {
    siginfo_t info = {};
    CHECK_OK(waitid(P_PID, static_cast<id_t>(child), &info, options));
    CHECK_EQ(info.si_signo, SIGCHLD);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(info.si_status, 42);
  }
  siginfo_t info = {};
  CHECK_ERRNO(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED), ECHILD);
}

TEST(waitid_nohang_leaves_siginfo_zero) {
  Gate go;
  const pid_t child = start_child([&] { go.wait(); });
  siginfo_t info;
  memset(&info, 0xff, sizeof info);
  CHECK_OK(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG));
  CHECK_EQ(info.si_pid, 0);
  CHECK_EQ(info.si_signo, 0);
  go.open();
  wait_for(child);
}

TEST(waitid_needs_an_event_kind) {
  siginfo_t info;
  CHECK_ERRNO(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
}

TEST(stop_and_continue_are_reported) {
  const pid_t child = start_child([] {
    raise(SIGSTOP);
    for (;;) pause();
  });
  int how = 0;
  CHECK_EQ(waitpid(child, &how, WUNTRACED), child);
  CHECK(WIFSTOPPED(how));
  CHECK_EQ(WSTOPSIG(how), SIGSTOP);
  CHECK_OK(kill(child, SIGCONT));
  CHECK_EQ(waitpid(child, &how, WCONTINUED), child);
  CHECK(WIFCONTINUED(how));
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
}

TEST(K1_getppid_and_reparenting_to_init) {
  const pid_t self = getpid();
  auto& orphan_parent = shared<pid_t>();
  Gate middle_gone, looked;
  const pid_t middle = start_child([&] {
    CHECK_EQ(getppid(), self);
    start_child([&] {
      middle_gone.wait();
      orphan_parent = getppid();
      looked.open();
    });
  });
  CHECK_EQ(wait_for(middle), 0);
  middle_gone.open();
  looked.wait();
  CHECK_EQ(orphan_parent, 1);
}

TEST(C12_resource_usage_starts_at_zero_in_the_child) {
  const int64_t end = now_ns() + 100'000'000;
  while (now_ns() < end) {
  }
  struct rusage mine;
  CHECK_OK(getrusage(RUSAGE_SELF, &mine));
  CHECK(mine.ru_utime.tv_usec + mine.ru_stime.tv_usec > 0 || mine.ru_utime.tv_sec > 0);
  CHECK_EQ(in_child([] {
             struct rusage usage;
             CHECK_OK(getrusage(RUSAGE_SELF, &usage));
             CHECK(usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 50'000);
             CHECK_OK(getrusage(RUSAGE_CHILDREN, &usage));
             CHECK_EQ(usage.ru_utime.tv_usec, 0);
           }),
           0);
}

TEST(wait4_tells_the_childs_cpu_time) {
  const pid_t child = start_child([] {
    timespec used;
    do {
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec == 0 && used.tv_nsec < 60'000'000);
  });
  struct rusage usage = {};
  int how = 0;
  CHECK_EQ(wait4(child, &how, 0, &usage), child);
  const long used = usage.ru_utime.tv_sec * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1'000'000 +
                    usage.ru_stime.tv_usec;
  CHECK(used >= 50'000);
}

TEST(C11_root_directory_and_umask_are_inherited) {
  CHECK_OK(mkdir("/tmp/inherit", 0755));
  CHECK_OK(chdir("/tmp/inherit"));
  umask(027);
  CHECK_EQ(in_child([] {
             char where[64];
             CHECK(getcwd(where, sizeof where));
             CHECK_EQ(static_cast<const char*>(where), "/tmp/inherit");
             CHECK_EQ(umask(0), 027u);
             CHECK_OK(chdir("/"));
           }),
           0);
  char where[64];
  CHECK(getcwd(where, sizeof where));
  CHECK_EQ(static_cast<const char*>(where), "/tmp/inherit");
  CHECK_EQ(umask(0), 027u);
  CHECK_OK(rmdir("/tmp/inherit"));
}

TEST(R2_descriptors_are_copied_and_offsets_shared) {
  const int file = CHECK_OK(open("/tmp/offset", O_RDWR | O_CREAT | O_TRUNC, 0600));
  CHECK_OK(unlink("/tmp/offset"));
  CHECK_EQ(write(file, "abcdef", 6), 6);
  CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
  CHECK_EQ(in_child([=] {
             char byte;
             CHECK_EQ(read(file, &byte, 1), 1);
             CHECK_EQ(byte, 'a');
             CHECK_OK(close(file));
           }),
           0);
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 1);
}

TEST(two_thousand_children_one_after_another) {
  for (int i = 0; i < 2000; i++) CHECK_EQ(in_child([=] { _exit(i & 0x7f); }), i & 0x7f);
}

TEST(two_hundred_children_at_once) {
  Gate go;
  pid_t children[200];
  for (pid_t& child : children) child = start_child([&] { go.wait(); });
  for (size_t i = 0; i < 200; i++) go.open();
  for (pid_t child : children) CHECK_EQ(wait_for(child), 0);
  CHECK_ERRNO(wait(nullptr), ECHILD);
}

// Each crowd leaves more kernel stacks behind than are kept.
TEST(crowds_of_children_come_and_go) {
  constexpr int kCrowd = 500;
  static pid_t children[kCrowd];
  for (int round = 0; round < 8; round++) {
    for (pid_t& child : children)
      child = start_child([] {
        for (;;) pause();
      });
    for (pid_t child : children) CHECK_OK(kill(child, SIGKILL));
    for (pid_t child : children) CHECK_EQ(wait_for(child), 128 + SIGKILL);
  }
}

TEST(forks_nest_sixty_deep) {
  auto& depth = shared<int>();
  struct Down {
    static void go(int& depth, int left) {
      depth++;
      if (left == 0) return;
      CHECK_EQ(in_child([&] { go(depth, left - 1); }), 0);
    }
  };
  Down::go(depth, 60);
  CHECK_EQ(depth, 61);
}

TEST(C15_signal_mask_is_inherited) {
  sigset_t set, seen;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMAX);
  CHECK_OK(sigprocmask(SIG_SETMASK, &set, nullptr));
  CHECK_EQ(in_child([&] {
             CHECK_OK(sigprocmask(SIG_SETMASK, nullptr, &seen));
             CHECK(sigismember(&seen, SIGUSR1) && sigismember(&seen, SIGRTMAX) && !sigismember(&seen, SIGUSR2));
           }),
           0);
}

TEST(C12_pending_signals_are_not_inherited) {
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  CHECK_OK(raise(SIGUSR1));
  CHECK_EQ(in_child([&] {
             CHECK_OK(sigpending(&pending));
             CHECK(!sigismember(&pending, SIGUSR1));
           }),
           0);
  CHECK_OK(sigpending(&pending));
  CHECK(sigismember(&pending, SIGUSR1));
}

TEST(C19_vector_state_and_tls_base_are_equal_in_the_child) {
  static thread_local int in_tls = 77;
  in_tls = 78;
  uint64_t low = 0x0123456789abcdef, got = 0;
  long pid;
  asm volatile(
      "movq %[low], %%xmm15\n"
      "syscall\n"
      "movq %%xmm15, %[got]"
      : "=a"(pid), [got] "=&r"(got)
      : "a"(SYS_fork), [low] "r"(low)
      : "xmm15", "rcx", "r11", "memory");
  if (pid == 0) _exit(got == low && in_tls == 78 ? 0 : 1);
  CHECK_EQ(got, low);
  CHECK_EQ(wait_for(static_cast<pid_t>(pid)), 0);
}

TEST(E2_vfork_child_runs_in_the_parents_memory) {
  static volatile int value = 1;
  const pid_t child = vfork();
  if (child == 0) {
    value = 2;
    _exit(5);
  }
  CHECK_EQ(value, 2);
  CHECK_EQ(wait_for(child), 5);
}

TEST(E2_vfork_parent_sleeps_until_exec) {
  const int64_t began = now_ns();
  const pid_t child = vfork();
  if (child == 0) {
    timespec wait = {0, 200'000'000};
    nanosleep(&wait, nullptr);
    execl("/bin/busybox", "sleep", "1", static_cast<char*>(nullptr));
    _exit(127);
  }
  const int64_t after = now_ns() - began;
  CHECK(after >= 200'000'000);
  CHECK_EQ(waitpid(child, nullptr, WNOHANG), 0);
  CHECK_EQ(wait_for(child), 0);
}
