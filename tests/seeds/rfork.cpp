// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// rfork(2) and __tfork(2): what their flags do. Rows E4, E5, H2, P10, R1-R9, R12.
#include "check.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/tfork.h>
#include <tine/syscall.h>

namespace {

constexpr size_t kStackSize = 64 * 1024;
char* stack_top() {
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(stack != MAP_FAILED);
  return static_cast<char*>(stack) + kStackSize;
}

template <class Body>
pid_t start_rfork(unsigned flags, Body body) {
  const pid_t child = CHECK_OK(rfork(static_cast<int>(flags)));
  if (child == 0) {
    body();
    _exit(0);
  }
  return child;
}

int end_status(pid_t child) {
  int how = 0;
  CHECK_EQ(waitpid(child, &how, __WALL), child);
  return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}

bool is_open(int file) { return fcntl(file, F_GETFD) >= 0; }

volatile sig_atomic_t seen_signal;
void note_signal(int signal) { seen_signal = signal; }

}  // namespace

TEST(E4_rfork_returns_pid_and_zero_and_ignores_kernel_bits) {
  auto& seen = shared<pid_t>();
  const pid_t child = start_rfork(RFPROC | RFFDG | RFSTOPPED | RFHIGHPID | RFPPWAIT, [&] { seen = getpid(); });
  CHECK(child > 0);
  CHECK_EQ(end_status(child), 0);
  CHECK_EQ(seen, child);
}

TEST(R1_copying_and_closing_descriptors_at_once_is_refused) {
  CHECK_ERRNO(rfork(RFPROC | RFFDG | RFCFDG), EINVAL);
  CHECK_ERRNO(rfork(RFFDG | RFCFDG), EINVAL);
  CHECK_ERRNO(waitpid(-1, nullptr, __WALL), ECHILD);
  CHECK(is_open(STDERR_FILENO));
}

TEST(R2_copied_table_keeps_closes_apart_and_offsets_together) {
  const int file = CHECK_OK(open("/tmp/r2", O_RDWR | O_CREAT | O_TRUNC, 0600));
  const pid_t child = start_rfork(RFPROC | RFFDG, [&] {
    CHECK_EQ(write(file, "abc", 3), 3);
    CHECK_OK(close(file));
  });
  CHECK_EQ(end_status(child), 0);
  CHECK(is_open(file));
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 3);
}

TEST(R3_child_starts_without_descriptors) {
  const pid_t child = start_rfork(RFPROC | RFCFDG, [] {
    for (int file = 0; file < 64; ++file)
      if (is_open(file)) _exit(1);
  });
  CHECK_EQ(end_status(child), 0);
  CHECK(is_open(STDERR_FILENO));
}

TEST(R4_shared_table_shows_opens_to_both) {
  auto& opened = shared<int>();
  const pid_t child = start_rfork(RFPROC, [&] { opened = open("/dev/null", O_RDONLY); });
  CHECK_EQ(end_status(child), 0);
  CHECK(opened > STDERR_FILENO);
  CHECK(is_open(opened));
}

TEST(R5_rfork_thread_shares_memory_on_a_stack_of_its_own) {
  static volatile int seen = 0;
  static int argument = 41;
  const pid_t child = CHECK_OK(rfork_thread(
      RFPROC | RFMEM, stack_top(),
      [](void* argument) {
        seen = *static_cast<int*>(argument);
        return 7;
      },
      &argument));
  CHECK_EQ(end_status(child), 7);
  CHECK_EQ(static_cast<int>(seen), 41);
}

TEST(R6_shared_actions_change_for_both) {
  const pid_t child = start_rfork(RFPROC | RFFDG | RFSIGSHARE, [] { signal(SIGUSR1, note_signal); });
  CHECK_EQ(end_status(child), 0);
  raise(SIGUSR1);
  CHECK_EQ(static_cast<int>(seen_signal), SIGUSR1);
}

TEST(R6_copied_actions_change_for_one) {
  const pid_t child = start_rfork(RFPROC | RFFDG, [] { signal(SIGUSR1, note_signal); });
  CHECK_EQ(end_status(child), 0);
  struct sigaction action;
  CHECK_OK(sigaction(SIGUSR1, nullptr, &action));
  CHECK(action.sa_handler == SIG_DFL);
}

TEST(R7_init_is_the_parent_of_a_child_nobody_waits_for) {
  auto& parent = shared<pid_t>();
  signal(SIGCHLD, note_signal);
  const pid_t child = start_rfork(RFPROC | RFFDG | RFNOWAIT, [&] { parent = getppid(); });
  CHECK_ERRNO(waitpid(child, nullptr, __WALL), ECHILD);
  CHECK(eventually([&] { return kill(child, 0) != 0 && errno == ESRCH; }));
  CHECK_EQ(parent, 1);
  CHECK_EQ(static_cast<int>(seen_signal), 0);
}

TEST(R8_end_is_told_by_another_signal) {
  signal(SIGUSR1, note_signal);
  const pid_t child = start_rfork(RFPROC | RFFDG | RFLINUXTHPN, [] {});
  CHECK_EQ(end_status(child), 0);
  CHECK_EQ(static_cast<int>(seen_signal), SIGUSR1);
}

TEST(R9_leader_kills_its_peers_and_waits_for_them) {
  auto& peers = shared<pid_t[2]>();
  const pid_t leader = start_child([&] {
    for (pid_t& peer : peers) peer = start_rfork(RFPROC | RFFDG | RFTHREAD, [] { pause(); });
  });
  CHECK_EQ(wait_for(leader), 0);
  for (pid_t peer : peers) {
    CHECK(peer > 0);
    CHECK(eventually([&] { return kill(peer, 0) != 0 && errno == ESRCH; }));
  }
}

TEST(R9_a_peer_that_ends_leaves_its_leader_alone) {
  const pid_t peer = start_rfork(RFPROC | RFFDG | RFTHREAD, [] {});
  CHECK_EQ(end_status(peer), 0);
}

TEST(R12_without_a_process_shared_memory_becomes_private) {
  static volatile int value = 1;
  struct Context {
    Gate unshared, written;
  };
  static Context* context;
  Context gates;
  context = &gates;
  const pid_t child = CHECK_OK(rfork_thread(
      RFPROC | RFMEM | RFFDG, stack_top(),
      [](void*) {
        if (rfork(RFFDG) != 0) return 1;
        context->unshared.open();
        context->written.wait();
        return value == 1 ? 0 : 2;
      },
      nullptr));
  context->unshared.wait();
  value = 2;
  context->written.open();
  CHECK_EQ(end_status(child), 0);
}

TEST(R12_without_a_process_descriptors_are_closed_or_unshared) {
  const pid_t emptied = start_child([] {
    if (rfork(RFCFDG) != 0 || is_open(STDERR_FILENO)) _exit(1);
  });
  CHECK_EQ(wait_for(emptied), 0);
  const pid_t unshared = start_rfork(RFPROC, [] {
    if (rfork(RFFDG) != 0) _exit(1);
    close(STDERR_FILENO);
  });
  CHECK_EQ(end_status(unshared), 0);
  CHECK(is_open(STDERR_FILENO));
  CHECK_EQ(rfork(RFFDG), 0);
  CHECK(is_open(STDERR_FILENO));
}

// Threads share their process's descriptors: one alone cannot have others.
TEST(R12_threads_cannot_unshare) {
  const pid_t child = start_rfork(RFPROC, [] {
    pthread_t other;
    CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
               for (;;) pause();
             }, nullptr), 0);
    CHECK_ERRNO(rfork(RFFDG), EBUSY);
    CHECK_ERRNO(unshare(CLONE_FILES), EINVAL);
    CHECK_ERRNO(unshare(CLONE_FS), EINVAL);
    CHECK_ERRNO(syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE), EINVAL);
    CHECK(is_open(STDERR_FILENO));
  });
  CHECK_EQ(end_status(child), 0);
}

TEST(close_range_can_unshare_first) {
  const pid_t child = start_rfork(RFPROC, [] { CHECK_OK(syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE)); });
  CHECK_EQ(end_status(child), 0);
  CHECK(is_open(STDERR_FILENO));
}

TEST(E5_tfork_checks_its_parameters) {
  __tfork parameters{nullptr, nullptr, stack_top()};
  const auto tfork = [](const void* from, size_t size) { return syscall(TINE_SYS_tfork, from, size); };
  CHECK_ERRNO(tfork(&parameters, 0), EINVAL);
  CHECK_ERRNO(tfork(&parameters, sizeof parameters + 1), EINVAL);
  CHECK_ERRNO(tfork(reinterpret_cast<void*>(8), sizeof parameters), EFAULT);
  CHECK_ERRNO(tfork(&parameters, 2 * sizeof(void*)), EINVAL);  // the stack, which is left out, is zero
  parameters.tf_tcb = reinterpret_cast<void*>(0x8000'0000'0000'0000);
  CHECK_ERRNO(tfork(&parameters, sizeof parameters), EINVAL);
}

TEST(E5_tfork_starts_a_thread_of_this_process) {
  static volatile pid_t process, thread;
  pid_t stored = 0;
  void* tcb;
  asm("mov %%fs:0, %0" : "=r"(tcb));
  const __tfork parameters{tcb, &stored, stack_top()};
  const pid_t made = CHECK_OK(__tfork_thread(
      &parameters, sizeof parameters,
      [](void*) {
        process = getpid();
        thread = getthrid();
      },
      nullptr));
  CHECK(eventually([] { return thread != 0; }));
  CHECK_EQ(stored, made);
  CHECK_EQ(static_cast<pid_t>(thread), made);
  CHECK_EQ(static_cast<pid_t>(process), getpid());
}

TEST(H1_tfork_starts_a_thread_without_a_name) {
  static volatile int may_end = 0;
  void* tcb;
  asm("mov %%fs:0, %0" : "=r"(tcb));
  const __tfork parameters{tcb, nullptr, stack_top()};
  const pid_t made = CHECK_OK(__tfork_thread(
      &parameters, sizeof parameters,
      [](void*) {
        while (!may_end) {
        }
      },
      nullptr));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", made);
  CHECK_EQ(read_text(path), "\n");
  CHECK_EQ(read_text("/proc/self/comm"), "rfork\n");
  may_end = 1;
}

TEST(H2_thread_id_that_cannot_be_stored_is_a_fault) {
  const int status = in_child([] {
    void* tcb;
    asm("mov %%fs:0, %0" : "=r"(tcb));
    const __tfork parameters{tcb, reinterpret_cast<pid_t*>(8), stack_top()};
    __tfork_thread(&parameters, sizeof parameters, [](void*) { pause(); }, nullptr);
  });
  CHECK_EQ(status, 128 + SIGSEGV);
}

TEST(P10_thread_ids_are_no_pids) {
  CHECK(getthrid() > 0x800000);
  CHECK(getthrid() != getpid());
}
