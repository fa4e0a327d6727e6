// SPDX-License-Identifier: BSD-2-Clause
// The first moments of processes and threads: where they start, when, on which CPU, and what others see of them until
// then. Rows C14, K3, S1, S2, S4, S5, H3, A2, A3.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "kernel_state.h"

namespace {

pthread_t start_thread(void* (*body)(void*), void* argument = nullptr) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, nullptr, body, argument), 0);
  return thread;
}

int cpu_count() {
  cpu_set_t set;
  CHECK_OK(sched_getaffinity(0, sizeof set, &set));
  return CPU_COUNT(&set);
}

struct Stat {
  char state;
  int parent, group, session, threads;
  unsigned long long start_ticks;
};

// False when the process is gone.
bool read_stat(pid_t process, Stat& stat) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  FILE* file = fopen(path, "re");
  if (!file) return false;
  const char* line = fgets(text, sizeof text, file);
  fclose(file);
  if (!line) return false;
  const char* after_name = strrchr(line, ')');
  CHECK(after_name != nullptr);
  CHECK_EQ(sscanf(after_name, ") %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %llu", &stat.state,
                  &stat.parent, &stat.group, &stat.session, &stat.threads, &stat.start_ticks),
           6);
  return true;
}

}  // namespace

// --- C14 ---

TEST(C14_start_time_is_of_the_uptime_clock) {
  const auto uptime_ticks = [] {
    timespec now;
    CHECK_OK(clock_gettime(CLOCK_BOOTTIME, &now));
    return static_cast<unsigned long long>(now.tv_sec) * 100 + static_cast<unsigned long long>(now.tv_nsec) / 10'000'000;
  };
  for (int i = 0; i < 5; i++) {
    sleep_ms(30);
    const unsigned long long before = uptime_ticks();
    Gate go;
    const pid_t child = start_child([&] { go.wait(); });
    const unsigned long long after = uptime_ticks();
    Stat stat;
    CHECK(read_stat(child, stat));
    CHECK(stat.start_ticks + 1 >= before && stat.start_ticks <= after);
    go.open();
    CHECK_EQ(wait_for(child), 0);
  }
}

// --- K3 ---

TEST(K3_each_process_and_thread_is_found_by_its_id) {
  constexpr int kMany = 40;
  static pid_t tids[kMany];
  static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&held);
  pthread_t threads[kMany];
  pid_t children[kMany];
  for (int i = 0; i < kMany; i++) {
    threads[i] = start_thread(
        [](void* tid) -> void* {
          __atomic_store_n(static_cast<pid_t*>(tid), static_cast<pid_t>(syscall(SYS_gettid)), __ATOMIC_SEQ_CST);
          pthread_mutex_lock(&held);
          pthread_mutex_unlock(&held);
          return nullptr;
        },
        &tids[i]);
    children[i] = start_child([] {
      for (;;) pause();
    });
  }
  const pid_t self = getpid();
  for (int i = 0; i < kMany; i++) {
    CHECK(eventually([&] { return __atomic_load_n(&tids[i], __ATOMIC_SEQ_CST) != 0; }));
    CHECK_OK(static_cast<int>(syscall(SYS_tgkill, self, tids[i], 0)));
    CHECK_ERRNO(static_cast<int>(syscall(SYS_tgkill, children[i], tids[i], 0)), ESRCH);
    CHECK_OK(kill(children[i], 0));
    CHECK_EQ(getpgid(children[i]), getpgrp());
  }
  pthread_mutex_unlock(&held);
  for (int i = 0; i < kMany; i++) {
    pthread_join(threads[i], nullptr);
    CHECK(eventually([&] { return syscall(SYS_tgkill, self, tids[i], 0) != 0 && errno == ESRCH; }));
    CHECK_OK(kill(children[i], SIGKILL));
    CHECK_EQ(wait_for(children[i]), 128 + SIGKILL);
    CHECK_ERRNO(kill(children[i], 0), ESRCH);
  }
}

// --- S1 ---

TEST(S1_child_starts_in_user_mode_with_interrupts_on) {
  // The flags of the child's first instruction after the call.
  auto& flags = shared<uint64_t>();
  long pid;
  uint64_t seen;
  asm volatile("syscall\n pushfq\n pop %[seen]" : "=a"(pid), [seen] "=r"(seen) : "a"(SYS_fork) : "rcx", "r11", "memory");
  if (pid == 0) {
    flags = seen;
    _exit(0);
  }
  CHECK_EQ(wait_for(static_cast<pid_t>(pid)), 0);
  constexpr uint64_t kInterruptsOn = 1 << 9, kTrap = 1 << 8, kDirection = 1 << 10;
  CHECK((flags & kInterruptsOn) != 0);
  CHECK_EQ(flags & (kTrap | kDirection), 0u);
}

TEST(S1_children_that_never_call_the_kernel_can_be_preempted_and_killed) {
  // More than there are CPUs, so that each has to be interrupted for the others; they share their progress.
  constexpr int kMany = 6;
  auto& turns = shared<volatile unsigned long[kMany]>();
  pid_t children[kMany];
  for (int i = 0; i < kMany; i++) {
    children[i] = start_child([&] {
      for (;;) turns[i] = turns[i] + 1;
    });
  }
  for (int i = 0; i < kMany; i++) CHECK(eventually([&] { return turns[i] > 0; }));
  for (pid_t child : children) CHECK_OK(kill(child, SIGKILL));
  for (pid_t child : children) CHECK_EQ(wait_for(child), 128 + SIGKILL);
}

// --- S2 ---

TEST(S2_child_of_a_busy_parent_starts_on_an_idle_cpu) {
  if (cpu_count() < 2) SKIP("one CPU");
  // The parent stays on its CPU without a pause until the child has told where it is.
  auto& child_cpu = shared<volatile int>();
  int elsewhere = 0;
  constexpr int kTries = 40;
  for (int i = 0; i < kTries; i++) {
    sleep_ms(2);   // the others are idle again
    child_cpu = -1;
    const pid_t child = start_child([&] { child_cpu = sched_getcpu(); });
    const int64_t end = now_ns() + 2'000'000'000;
    while (child_cpu < 0 && now_ns() < end) {
    }
    elsewhere += child_cpu >= 0 && child_cpu != sched_getcpu();
    CHECK_EQ(wait_for(child), 0);
  }
  CHECK(elsewhere >= kTries * 3 / 4);
}

TEST(S2_busy_children_spread_over_all_cpus) {
  const int cpus = cpu_count();
  CHECK(cpus <= 16);
  auto& where = shared<volatile int[16]>();
  Gate done;
  pid_t children[16];
  for (int i = 0; i < cpus; i++) {
    where[i] = -1;
    children[i] = start_child([&] {
      for (;;) where[i] = sched_getcpu();
    });
  }
  const auto all_differ = [&] {
    unsigned seen = 0;
    for (int i = 0; i < cpus; i++)
      if (where[i] >= 0) seen |= 1u << where[i];
    return __builtin_popcount(seen) == cpus;
  };
  const bool spread = eventually(all_differ);
  for (int i = 0; i < cpus; i++) kill(children[i], SIGKILL);
  for (int i = 0; i < cpus; i++) CHECK_EQ(wait_for(children[i]), 128 + SIGKILL);
  CHECK(spread);
}

// --- S4 ---

namespace {
volatile sig_atomic_t ticks;
void count_tick(int) { ticks = ticks + 1; }
}  // namespace

// The process's own thread sleeps: only the new thread's time moves the clocks.
TEST(S4_interval_clocks_count_a_new_thread_from_its_first_run) {
  const struct {
    int timer, signal;
  } kClocks[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (const auto& clock : kClocks) {
    ticks = 0;
    signal(clock.signal, count_tick);
    const itimerval every = {{0, 20'000}, {0, 20'000}};
    CHECK_OK(setitimer(clock.timer, &every, nullptr));
    const pthread_t thread = start_thread([](void*) -> void* {
      const int64_t end = now_ns() + 10'000'000'000;
      // Mostly in user mode, also where a look at the clock is a system call.
      while (ticks < 5 && now_ns() < end)
        for (int i = 0; i < 100'000 && ticks < 5; i++) asm volatile("");
      return nullptr;
    });
    pthread_join(thread, nullptr);
    const itimerval never = {};
    CHECK_OK(setitimer(clock.timer, &never, nullptr));
    CHECK(ticks >= 5);
  }
}

constexpr int64_t kTimeOfAll = 1'200'000'000;   // of all threads together

// How long it takes until so much time is used by this thread and three that come after the timer was set.
static int64_t expiry_with_later_threads() {
  ticks = 0;
  const itimerval once = {{0, 0}, {1, 200'000}};
  CHECK_OK(setitimer(ITIMER_PROF, &once, nullptr));
  const int64_t began = now_ns();
  pthread_t threads[3];
  for (pthread_t& thread : threads)
    thread = start_thread([](void*) -> void* {
      while (ticks == 0) {
      }
      return nullptr;
    });
  while (ticks == 0) {
  }
  const int64_t took = now_ns() - began;
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return took;
}

// Threads that come after the timer was set make the process's time pass faster, and the timer expire sooner.
TEST(S4_threads_made_later_bring_the_expiry_forward) {
  if (cpu_count() < 4) SKIP("fewer than four CPUs");
  signal(SIGPROF, count_tick);
  int64_t quickest = kTimeOfAll;
  // A busy host does not run four CPUs at once each time.
  for (int tries = 0; tries < 8 && quickest >= kTimeOfAll * 3 / 4; tries++) {
    const int64_t took = expiry_with_later_threads();
    if (took < quickest) quickest = took;
  }
  CHECK(quickest < kTimeOfAll * 3 / 4);
}

// --- S5 ---

// Another thread takes every child as soon as it ends, which can be before fork has returned.
TEST(S5_child_may_be_gone_before_fork_returns) {
  constexpr int kMany = 400;
  static volatile pid_t reaped[kMany];
  static volatile int reaped_count, stop;
  const pthread_t reaper = start_thread([](void*) -> void* {
    while (true) {
      const bool all_made = stop;   // before the look
      const pid_t child = waitpid(-1, nullptr, 0);
      if (child > 0) {
        reaped[reaped_count] = child;
        reaped_count = reaped_count + 1;
      } else {
        CHECK_EQ(errno, ECHILD);
        if (all_made) break;
      }
    }
    return nullptr;
  });
  static pid_t made[kMany];
  for (pid_t& child : made) child = start_child([] {});
  stop = 1;
  pthread_join(reaper, nullptr);
  CHECK_EQ(static_cast<int>(reaped_count), kMany);
  for (pid_t child : made) {
    bool found = false;
    for (volatile pid_t& each : reaped) {
      found = each == child;
      if (found) {
        each = 0;   // a pid may come twice
        break;
      }
    }
    CHECK(found);
  }
}

TEST(S5_child_that_reaps_itself_may_be_gone_before_fork_returns) {
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < 400; i++) CHECK(start_child([] {}) > 0);
  CHECK(eventually([] { return waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }));
}

// --- H3 ---

namespace {

// A process whose threads go on making threads, and count each.
struct Breeder {
  volatile unsigned long made;
  volatile int stop;
};
Breeder* breeder;

void* breed(void*) {
  while (!breeder->stop) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr,
                       [](void*) -> void* {
                         __atomic_add_fetch(&breeder->made, 1, __ATOMIC_SEQ_CST);
                         return nullptr;
                       },
                       nullptr) == 0)
      pthread_join(thread, nullptr);
  }
  return nullptr;
}

// Starts it and waits until it breeds; `end_by` runs in its first thread.
template <class EndBy>
pid_t start_breeder(EndBy end_by) {
  breeder = &shared<Breeder>();
  const pid_t process = start_child([&] {
    for (int i = 0; i < 4; i++) start_thread(breed);
    while (breeder->made < 8) sched_yield();
    end_by();
  });
  CHECK(eventually([] { return breeder->made >= 8; }));
  return process;
}

}  // namespace

TEST(H3_threads_made_during_a_stop_stop_too) {
  const pid_t process = start_breeder([] {
    for (;;) pause();
  });
  for (int round = 0; round < 10; round++) {
    CHECK_OK(kill(process, SIGSTOP));
    int how = 0;
    CHECK_EQ(waitpid(process, &how, WUNTRACED), process);
    CHECK(WIFSTOPPED(how));
    const unsigned long made = breeder->made;
    sleep_ms(20);
    CHECK_EQ(static_cast<unsigned long>(breeder->made), made);
    CHECK_OK(kill(process, SIGCONT));
    CHECK(eventually([=] { return breeder->made > made; }));
  }
  CHECK_OK(kill(process, SIGKILL));
  CHECK_EQ(wait_for(process), 128 + SIGKILL);
}

TEST(H3_threads_made_during_an_exec_end_with_the_others) {
  for (int round = 0; round < 10; round++) {
    const pid_t process = start_breeder([] {
      // The new program finds itself alone.
      execl("/bin/busybox", "grep", "-q", "^Threads:.1$", "/proc/self/status", static_cast<char*>(nullptr));
      _exit(127);
    });
    CHECK_EQ(wait_for(process), 0);
    const unsigned long made = breeder->made;
    sleep_ms(5);
    CHECK_EQ(static_cast<unsigned long>(breeder->made), made);
  }
}

TEST(H3_threads_made_during_an_exit_end_with_the_others) {
  for (int round = 0; round < 10; round++) {
    const pid_t process = start_breeder([] { _exit(9); });
    CHECK_EQ(wait_for(process), 9);
    const unsigned long made = breeder->made;
    sleep_ms(5);
    CHECK_EQ(static_cast<unsigned long>(breeder->made), made);
  }
}

// --- A2 ---

// While processes are made all the time, whoever is seen is complete.
TEST(A2_nobody_sees_a_half_made_child) {
  auto& stop = shared<volatile int>();
  const pid_t group = getpgrp(), session = getsid(0);
  pid_t makers[3];
  for (pid_t& maker : makers) {
    maker = start_child([&] {
      while (!stop) CHECK_EQ(in_child([] {}), 0);
    });
  }
  const int64_t end = now_ns() + 1'500'000'000;
  unsigned long seen = 0;
  while (now_ns() < end) {
    for_each_process([&](pid_t process) {
      Stat stat;
      if (!read_stat(process, stat)) return;
      bool ours = false;
      for (pid_t maker : makers) ours |= stat.parent == maker;
      if (!ours) return;
      seen++;
      CHECK_EQ(stat.group, group);
      CHECK_EQ(stat.session, session);
      CHECK(stat.start_ticks > 0);
      CHECK(stat.threads == 1 || stat.state == 'Z' || stat.threads == 0);
      if (kill(process, 0) != 0) CHECK_EQ(errno, ESRCH);
    });
  }
  stop = 1;
  for (pid_t maker : makers) CHECK_EQ(wait_for(maker), 0);
  CHECK(seen > 0);
}

// --- A3 ---

namespace {

// The bare call: the C library's fork blocks signals meanwhile, so that one that has come by then is the parent's alone.
pid_t bare_fork() { return static_cast<pid_t>(syscall(SYS_fork)); }

// Each member of the group forks a child that goes on in its place.
[[noreturn]] void go_on_in_children(int members) {
  for (int i = 1; i < members; i++)
    if (bare_fork() == 0) break;
  for (;;)
    if (bare_fork() > 0) _exit(0);
}

}  // namespace

// Processes of one group that fork as fast as they can, then one signal: nobody is left.
TEST(A3_no_member_of_a_killed_group_survives) {
  adopt_orphans();
  for (const int signal : Ints{SIGKILL, SIGTERM, SIGKILL, SIGHUP, SIGKILL, SIGTERM, SIGINT, SIGKILL}) {
    const pid_t leader = start_child([] {
      CHECK_OK(setpgid(0, 0));
      go_on_in_children(5);
    });
    setpgid(leader, leader);
    sleep_ms(30);
    CHECK_OK(kill(-leader, signal));
    // Those that had ended are waited for; one that lives would keep on, and never be.
    while (waitpid(-leader, nullptr, 0) > 0) {
    }
    CHECK_EQ(errno, ECHILD);
    CHECK_ERRNO(kill(-leader, 0), ESRCH);
  }
}

TEST(A3_group_signal_that_is_caught_reaches_the_child_or_its_parent_first) {
  // A handler that ends the process: also whoever is forked at that very moment must run it.
  adopt_orphans();
  for (int round = 0; round < 6; round++) {
    const pid_t leader = start_child([] {
      CHECK_OK(setpgid(0, 0));
      signal(SIGUSR1, [](int) { _exit(0); });
      go_on_in_children(4);
    });
    setpgid(leader, leader);
    sleep_ms(30);
    CHECK_OK(kill(-leader, SIGUSR1));
    while (waitpid(-leader, nullptr, 0) > 0) {
    }
    CHECK_ERRNO(kill(-leader, 0), ESRCH);
  }
}
