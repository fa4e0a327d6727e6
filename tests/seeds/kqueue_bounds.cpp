// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Kqueues that a program makes awkward on purpose: very many that follow one process, and circles.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <tine/syscall.h>

#include "check.h"

namespace {

constexpr int kFollowers = 900;

int new_kqueue() { return static_cast<int>(CHECK_OK(syscall(TINE_SYS_kqueue, 0))); }

long change(int kq, uintptr_t ident, short filter, unsigned fflags) {
  struct kevent change;
  EV_SET(&change, ident, filter, EV_ADD, fflags, 0, nullptr);
  return syscall(TINE_SYS_kevent, kq, &change, 1, nullptr, 0, nullptr);
}

// The library's fork blocks signals.
pid_t bare_fork() {
  const pid_t child = static_cast<pid_t>(CHECK_OK(syscall(SYS_fork)));
  if (child == 0) syscall(SYS_exit_group, 0);
  return child;
}

}  // namespace

// Each has a knote reserved for the child; a signal that comes in between makes the fork begin again, which gives all of
// them back.
TEST(T1_many_followers_of_a_fork_that_begins_again) {
  static volatile int signals;
  for (int i = 0; i < kFollowers; i++) CHECK_OK(change(new_kqueue(), static_cast<uintptr_t>(getpid()), EVFILT_PROC, NOTE_TRACK | NOTE_EXIT));
  struct sigaction action = {};
  action.sa_handler = [](int) { signals = signals + 1; };
  action.sa_flags = SA_RESTART;
  CHECK_OK(sigaction(SIGALRM, &action, nullptr));
  int64_t one_fork = 0;
  for (int i = 0; i <= 50; i++) {
    const itimerval soon = {{0, 0}, {0, one_fork * i / 50}};
    const int64_t before = now_ns();
    CHECK_OK(setitimer(ITIMER_REAL, &soon, nullptr));
    const pid_t child = bare_fork();
    if (i == 0) one_fork = (now_ns() - before) / 1000;
    CHECK_EQ(wait_for(child), 0);
  }
  CHECK(signals > 0);
}

TEST(T1_kqueue_watches_no_epoll_set_that_could_watch_it) {
  const int kq = new_kqueue();
  const int set = CHECK_OK(epoll_create1(0));
  epoll_event event = {};
  event.events = EPOLLIN;
  CHECK_OK(epoll_ctl(set, EPOLL_CTL_ADD, kq, &event));
  CHECK_ERRNO(change(kq, static_cast<uintptr_t>(set), EVFILT_READ, 0), EINVAL);
  CHECK_OK(change(kq, 1, EVFILT_USER, NOTE_TRIGGER));
  CHECK_EQ(epoll_wait(set, &event, 1, 1000), 1);
}
