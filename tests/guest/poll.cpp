// SPDX-License-Identifier: BSD-2-Clause
// poll(2), ppoll(2), select(2), pselect(2).
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
struct Pipe {
  Pipe() {
    int ends[2];
    CHECK_OK(pipe(ends));
    out = ends[0];
    in = ends[1];
  }
  int out, in;
};

void ignore_alarm_and_set(unsigned milliseconds) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  CHECK_OK(sigaction(SIGALRM, &action, nullptr));
  if (milliseconds == 0) return;
  timer_t timer;
  CHECK_OK(timer_create(CLOCK_MONOTONIC, nullptr, &timer));
  const itimerspec setting = {{}, {0, milliseconds * 1'000'000}};
  CHECK_OK(timer_settime(timer, 0, &setting, nullptr));
}
}  // namespace

TEST(poll_reports_what_is_ready_now) {
  const Pipe pipe;
  pollfd requests[3] = {{pipe.out, POLLIN, 0}, {pipe.in, POLLOUT, 0}, {-1, POLLIN, 7}};
  CHECK_EQ(poll(requests, 3, 0), 1);
  CHECK_EQ(requests[0].revents, 0);
  CHECK_EQ(requests[1].revents, POLLOUT);
  CHECK_EQ(requests[2].revents, 0);
  CHECK_EQ(write(pipe.in, "x", 1), 1);
  CHECK_EQ(poll(requests, 3, -1), 2);
  CHECK_EQ(requests[0].revents, POLLIN);
}

TEST(poll_reports_hangups_and_closed_descriptors_unasked) {
  const Pipe first, second;
  close(first.in);
  close(second.out);
  pollfd requests[3] = {{first.out, 0, 0}, {second.in, 0, 0}, {999, POLLIN, 0}};
  CHECK_EQ(poll(requests, 3, 0), 3);
  CHECK_EQ(requests[0].revents, POLLHUP);
  CHECK_EQ(requests[1].revents, POLLERR);
  CHECK_EQ(requests[2].revents, POLLNVAL);
}

TEST(poll_waits_for_its_timeout) {
  const Pipe pipe;
  pollfd request = {pipe.out, POLLIN, 0};
  const int64_t start = now_ns();
  CHECK_EQ(poll(&request, 1, 30), 0);
  CHECK(now_ns() - start >= 30'000'000);
  CHECK_EQ(poll(nullptr, 0, 10), 0);
}

TEST(poll_wakes_when_another_process_writes) {
  const Pipe pipe;
  const pid_t child = start_child([&] {
    sleep_ms(30);
    CHECK_EQ(write(pipe.in, "x", 1), 1);
  });
  pollfd request = {pipe.out, POLLIN, 0};
  CHECK_EQ(poll(&request, 1, -1), 1);
  CHECK_EQ(wait_for(child), 0);
}

TEST(poll_wakes_when_the_other_end_closes) {
  const Pipe pipe;
  const pid_t child = start_child([&] { sleep_ms(30); });
  close(pipe.in);
  pollfd request = {pipe.out, POLLIN, 0};
  CHECK_EQ(poll(&request, 1, -1), 1);
  CHECK_EQ(request.revents, POLLHUP);
  CHECK_EQ(wait_for(child), 0);
}

TEST(poll_of_thousands_of_descriptors) {
  constexpr unsigned kCount = 3000;
  const rlimit limit = {4096, 4096};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) SKIP("RLIMIT_NOFILE cannot be raised");
  const Pipe pipe;
  static pollfd requests[kCount];
  for (unsigned i = 0; i < kCount; i++) requests[i] = {CHECK_OK(dup(pipe.out)), POLLIN, 0};
  CHECK_EQ(poll(requests, kCount, 5), 0);
  const pid_t child = start_child([&] {
    sleep_ms(20);
    CHECK_EQ(write(pipe.in, "x", 1), 1);
  });
  CHECK_EQ(poll(requests, kCount, -1), static_cast<int>(kCount));
  CHECK_EQ(wait_for(child), 0);
  CHECK_ERRNO(poll(requests, 4097, 0), EINVAL);
}

TEST(poll_is_ended_by_a_signal_handler) {
  CHECK_EQ(in_child([] {
             ignore_alarm_and_set(30);
             CHECK_ERRNO(poll(nullptr, 0, -1), EINTR);
           }),
           0);
}

TEST(poll_goes_on_after_a_stop) {
  const Pipe pipe;
  const pid_t child = start_child([&] {
    const int64_t start = now_ns();
    pollfd request = {pipe.out, POLLIN, 0};
    CHECK_EQ(poll(&request, 1, 300), 0);
    CHECK(now_ns() - start >= 300'000'000);
  });
  sleep_ms(50);
  CHECK_OK(kill(child, SIGSTOP));
  int status;
  CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
  CHECK_OK(kill(child, SIGCONT));
  CHECK_EQ(wait_for(child), 0);
}

TEST(ppoll_unblocks_a_signal_only_while_it_waits) {
  CHECK_EQ(in_child([] {
             static volatile int handled;
             struct sigaction action = {};
             action.sa_handler = [](int) { handled = 1; };
             CHECK_OK(sigaction(SIGUSR1, &action, nullptr));
             sigset_t blocked, none, now;
             sigemptyset(&none);
             sigemptyset(&blocked);
             sigaddset(&blocked, SIGUSR1);
             CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
             CHECK_OK(raise(SIGUSR1));
             CHECK_EQ(poll(nullptr, 0, 1), 0);
             CHECK_EQ(static_cast<int>(handled), 0);
             CHECK_ERRNO(ppoll(nullptr, 0, nullptr, &none), EINTR);
             CHECK_EQ(static_cast<int>(handled), 1);
             CHECK_OK(sigprocmask(SIG_BLOCK, nullptr, &now));
             CHECK(sigismember(&now, SIGUSR1));
           }),
           0);
}

TEST(select_counts_members_of_all_sets) {
  const Pipe pipe;
  CHECK_EQ(write(pipe.in, "x", 1), 1);
  fd_set readable, writable;
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_SET(pipe.out, &readable);
  FD_SET(pipe.in, &writable);
  const int above = (pipe.out > pipe.in ? pipe.out : pipe.in) + 1;
  CHECK_EQ(select(above, &readable, &writable, nullptr, nullptr), 2);
  CHECK(FD_ISSET(pipe.out, &readable));
  CHECK(FD_ISSET(pipe.in, &writable));
  char byte;
  CHECK_EQ(read(pipe.out, &byte, 1), 1);
  timeval timeout = {0, 10'000};
  CHECK_EQ(syscall(SYS_select, above, &readable, nullptr, nullptr, &timeout),
           0);  // musl's own hides what is left
  CHECK(!FD_ISSET(pipe.out, &readable));
  CHECK_EQ(timeout.tv_usec, 0);
}

TEST(select_refuses_closed_descriptors_and_bad_counts) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(40, &set);
  timeval timeout = {};
  CHECK_ERRNO(select(41, &set, nullptr, nullptr, &timeout), EBADF);
  CHECK_ERRNO(select(-1, nullptr, nullptr, nullptr, &timeout), EINVAL);
  timeout.tv_sec = -1;
  CHECK_ERRNO(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &timeout), EINVAL);
}

TEST(select_ignores_bits_beyond_its_count) {
  const Pipe pipe;
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipe.out, &set);
  FD_SET(200, &set);
  timeval timeout = {};
  CHECK_EQ(select(pipe.out + 1, &set, nullptr, nullptr, &timeout), 0);
}

TEST(pselect_is_ended_by_the_signal_it_lets_through) {
  CHECK_EQ(in_child([] {
             ignore_alarm_and_set(0);
             sigset_t blocked, none;
             sigemptyset(&none);
             sigemptyset(&blocked);
             sigaddset(&blocked, SIGALRM);
             CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
             CHECK_OK(raise(SIGALRM));
             CHECK_ERRNO(pselect(0, nullptr, nullptr, nullptr, nullptr, &none), EINTR);
           }),
           0);
}

// Each byte must wake the poller; a lost wake-up hangs this.
TEST(pollers_and_writers_at_once) {
  static int ends[2];
  CHECK_OK(pipe(ends));
  constexpr int kBytes = 5000;
  pthread_t writer;
  CHECK_EQ(pthread_create(
               &writer, nullptr,
               [](void*) -> void* {
                 for (int i = 0; i < kBytes; i++) CHECK_EQ(write(ends[1], "x", 1), 1);
                 return nullptr;
               },
               nullptr),
           0);
  for (int left = kBytes; left > 0;) {
    pollfd request = {ends[0], POLLIN, 0};
    CHECK_EQ(poll(&request, 1, -1), 1);
    char bytes[16];
    left -= static_cast<int>(CHECK_OK(read(ends[0], bytes, sizeof bytes)));
  }
  CHECK_EQ(pthread_join(writer, nullptr), 0);
}
