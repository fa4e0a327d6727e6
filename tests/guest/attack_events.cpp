// SPDX-License-Identifier: BSD-2-Clause
// What an ordinary user can make large and others must not feel: sets of sets, sockets on their way through sockets, timers.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>

#include "heartbeat.h"
#include "passing.h"

namespace {

void raise_descriptor_limit(rlim_t wanted) {
  rlimit limit;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

bool put_in(int set, int file) {
  epoll_event event = {.events = EPOLLIN, .data = {}};
  return epoll_ctl(set, EPOLL_CTL_ADD, file, &event) == 0;
}

}  // namespace

// The wake-up of one file would travel by N * N paths.
TEST(one_write_wakes_no_more_sets_than_Linux_allows) {
  constexpr int kSets = 400;
  const int event = CHECK_OK(eventfd(0, 0));
  const int middle = CHECK_OK(epoll_create1(0));
  int above = 0;
  for (int i = 0; i < kSets; i++) {
    const int inner = CHECK_OK(epoll_create1(0));
    CHECK(put_in(inner, event));
    CHECK(put_in(middle, inner));
  }
  for (int i = 0; i < kSets; i++) above += put_in(CHECK_OK(epoll_create1(0)), middle);
  CHECK_EQ(above, 0);   // one set above is one path of three from each of 400
  const int64_t start = now_ns();
  CHECK_OK(eventfd_write(event, 1));
  CHECK(now_ns() - start < 1'000'000'000);
}

// Sockets that carry sockets: whoever closes one must not look through all of them.
TEST(sockets_in_flight_do_not_slow_the_closing_of_others) {
  raise_descriptor_limit(4096);   // before the attacker inherits it
  expect_little_effect([](Gate& under_way) {
    for (int sent = 0; sent < 1500; sent++) {
      int carrier[2], passenger[2];
      CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, carrier));
      CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, passenger));
      for (int i = 0; i < 20; i++) CHECK_EQ(write(passenger[1], "x", 1), 1);
      // Each lies in the other's queue.
      if (send_descriptor(carrier[0], passenger[0]) != 1 || send_descriptor(passenger[1], carrier[1]) != 1) break;
      close(carrier[1]);
      close(passenger[0]);
    }
    under_way.open();
  }, time_of_socket_close, 20);
}

TEST(sender_of_sockets_ends_soon) {
  raise_descriptor_limit(4096);
  const pid_t sender = start_child([] {
    become_ordinary_user();
    int carrier[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, carrier));
    for (int i = 0; i < 500; i++) {
      int passenger[2];
      CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, passenger));
      if (send_descriptor(carrier[0], passenger[0]) != 1) break;
      close(passenger[0]);
      close(passenger[1]);
    }
  });
  const int64_t start = now_ns();
  CHECK_EQ(wait_for(sender), 0);
  CHECK(now_ns() - start < 10'000'000'000);
}

// Timers of a nanosecond that tell nobody, and some whose signals nobody takes.
TEST(fast_timers_leave_time_for_others) {
  expect_little_effect([](Gate& under_way) {
    sigset_t blocked;
    sigfillset(&blocked);
    CHECK_OK(sigprocmask(SIG_SETMASK, &blocked, nullptr));
    for (int process = 0; process < 12; process++) {
      if (process != 0 && fork() != 0) continue;
      for (int i = 0; i < 1500; i++) {
        sigevent event = {};
        event.sigev_notify = i % 8 == 0 ? SIGEV_SIGNAL : SIGEV_NONE;
        event.sigev_signo = SIGRTMIN;
        timer_t timer;
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) break;
        const itimerspec always = {{0, 1}, {0, 1}};
        CHECK_OK(timer_settime(timer, 0, &always, nullptr));
      }
      if (process != 0) while (true) pause();
    }
    under_way.open();
  }, time_of_fork_exit_wait, 6);
}
