// SPDX-License-Identifier: BSD-2-Clause
// vfork: the parent's thread waits; signals wait with it; its other threads do not; a crash in the shared memory is the
// child's alone. Rows V1-V4.
#include <pthread.h>
#include <signal.h>

#include "check.h"

namespace {

volatile sig_atomic_t handled;
void note(int) { handled = handled + 1; }

}  // namespace

TEST(V1_exec_exit_and_death_of_the_child_wake_the_parent) {
  for (int way = 0; way < 4; way++) {
    const pid_t child = vfork();
    if (child == 0) {
      if (way == 0) execl("/bin/busybox", "false", static_cast<char*>(nullptr));
      if (way == 1) _exit(1);
      if (way == 2) kill(getpid(), SIGKILL);   // raise(3) would take the thread's id from the memory that both share
      __builtin_trap();
    }
    const int status = wait_for(child);
    CHECK_EQ(status, way < 2 ? 1 : way == 2 ? 128 + SIGKILL : 128 + SIGILL);
  }
}

TEST(V1_exec_that_fails_does_not_wake_the_parent) {
  auto& ended_at = shared<volatile int64_t>();
  const pid_t child = vfork();
  if (child == 0) {
    execl("/nowhere", "nowhere", static_cast<char*>(nullptr));
    sleep_ms(100);
    ended_at = now_ns();
    _exit(3);
  }
  CHECK(ended_at != 0 && now_ns() >= ended_at);
  CHECK_EQ(wait_for(child), 3);
}

TEST(V2_signals_to_the_waiting_parent_stay_pending) {
  signal(SIGUSR1, note);
  auto& seen_in_child = shared<volatile int>();
  const pid_t parent = getpid();
  const pid_t child = vfork();
  if (child == 0) {
    kill(parent, SIGUSR1);
    kill(parent, SIGUSR1);
    sleep_ms(50);
    seen_in_child = handled;   // in the memory that both share
    _exit(0);
  }
  CHECK_EQ(static_cast<int>(seen_in_child), 0);
  CHECK_EQ(static_cast<int>(handled), 1);   // both signals had become one
  CHECK_EQ(wait_for(child), 0);
}

TEST(V2_stop_waits_until_the_child_has_let_go) {
  auto& released = shared<volatile int>();
  const pid_t parent = start_child([&] {
    const pid_t child = vfork();
    if (child == 0) {
      kill(getppid(), SIGSTOP);
      sleep_ms(50);
      released = 1;
      _exit(0);
    }
    CHECK_EQ(wait_for(child), 0);
  });
  int how = 0;
  CHECK_EQ(waitpid(parent, &how, WUNTRACED), parent);
  CHECK(WIFSTOPPED(how));
  CHECK_EQ(static_cast<int>(released), 1);
  CHECK_OK(kill(parent, SIGCONT));
  CHECK_EQ(wait_for(parent), 0);
}

TEST(V2_kill_ends_the_waiting_parent_and_leaves_the_child) {
  Gate may_end;
  auto& child_pid = shared<volatile pid_t>();
  auto& child_ended = shared<volatile int>();
  const pid_t parent = start_child([&] {
    if (vfork() == 0) {
      child_pid = getpid();
      may_end.wait();
      child_ended = 1;
      _exit(0);
    }
    _exit(7);
  });
  CHECK(eventually([&] { return child_pid != 0; }));
  CHECK_OK(kill(parent, SIGKILL));
  CHECK_EQ(wait_for(parent), 128 + SIGKILL);
  CHECK_OK(kill(child_pid, 0));
  may_end.open();
  CHECK(eventually([&] { return child_ended == 1; }));
}

TEST(V3_other_threads_of_the_parent_run_on) {
  static volatile unsigned long turns;
  static volatile bool enough;
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr,
                          [](void*) -> void* {
                            while (!enough) turns = turns + 1;
                            return nullptr;
                          },
                          nullptr),
           0);
  CHECK(eventually([] { return turns > 0; }));
  static volatile unsigned long in_child_first, in_child_last;
  const pid_t child = vfork();
  if (child == 0) {
    in_child_first = turns;
    sleep_ms(100);
    in_child_last = turns;
    _exit(0);
  }
  CHECK(in_child_last > in_child_first);
  enough = true;
  pthread_join(other, nullptr);
  CHECK_EQ(wait_for(child), 0);
}

TEST(V3_other_threads_can_vfork_at_the_same_time) {
  static const auto fork_some = [](void*) -> void* {
    for (int i = 0; i < 50; i++) {
      const pid_t child = vfork();
      if (child == 0) _exit(i);
      CHECK_EQ(wait_for(child), i);
    }
    return nullptr;
  };
  pthread_t threads[3];
  for (pthread_t& thread : threads) CHECK_EQ(pthread_create(&thread, nullptr, fork_some, nullptr), 0);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
}

TEST(V4_crash_in_shared_memory_kills_the_child_alone) {
  static volatile int value = 1;
  static void* const kNowhere = reinterpret_cast<void*>(8);
  for (int round = 1; round <= 5; round++) {
    const pid_t child = vfork();
    if (child == 0) {
      value = value + 1;
      *static_cast<volatile int*>(kNowhere) = 0;
      _exit(0);
    }
    CHECK_EQ(wait_for(child), 128 + SIGSEGV);
    CHECK_EQ(static_cast<int>(value), 1 + round);
  }
  CHECK_EQ(in_child([] {}), 0);
}
