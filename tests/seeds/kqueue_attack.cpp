// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Kqueues of an ordinary user that watch very many processes, and what that costs others.
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <tine/syscall.h>

#include "heartbeat.h"

// A fork looks for watchers of its own process alone.
TEST(T1_watchers_of_other_processes_do_not_slow_a_fork) {
  const rlimit many = {4096, 4096};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &many));
  expect_little_effect([](Gate& under_way) {
    constexpr int kProcesses = 64, kKqueues = 1000;
    pid_t watched[kProcesses];
    for (pid_t& each : watched) each = start_child([] { while (true) pause(); });
    for (int i = 0; i < kKqueues; i++) {
      const int kq = CHECK_OK(static_cast<int>(syscall(TINE_SYS_kqueue, 0)));
      for (const pid_t each : watched) {
        struct kevent change;
        EV_SET(&change, static_cast<uintptr_t>(each), EVFILT_PROC, EV_ADD, NOTE_FORK | NOTE_EXIT, 0, nullptr);
        CHECK_OK(syscall(TINE_SYS_kevent, kq, &change, 1, nullptr, 0, nullptr));
      }
    }
    under_way.open();
  }, time_of_fork_exit_wait, 4);
}
