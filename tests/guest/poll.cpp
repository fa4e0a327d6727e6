// SPDX-License-Identifier: BSD-2-Clause
// Waiting for many files: poll, select, epoll, eventfd, and Unix sockets as something to wait for.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

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
int watch(int epoll, int file, uint32_t events, uint64_t data) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
}
}  // namespace

TEST(poll_times_out) {
  const Pipe pipe;
  pollfd watched = {pipe.out, POLLIN, 0};
  const int64_t began = now_ns();
  CHECK_EQ(poll(&watched, 1, 50), 0);
  CHECK(now_ns() - began >= 50'000'000);
}

TEST(poll_wakes_when_data_comes) {
  const Pipe pipe;
  const pid_t child = start_child([&] {
    sleep_ms(50);
    CHECK_EQ(write(pipe.in, "x", 1), 1);
  });
  pollfd watched[] = {{-1, POLLIN, 0}, {pipe.out, POLLIN, 0}, {99, POLLIN, 0}};
  CHECK_EQ(poll(watched, 2, 10'000), 1);
  CHECK_EQ(watched[1].revents, static_cast<short>(POLLIN));
  CHECK_EQ(poll(watched, 3, 10'000), 2);
  CHECK_EQ(watched[2].revents, static_cast<short>(POLLNVAL));
  CHECK_EQ(wait_for(child), 0);
}

TEST(poll_is_interrupted_by_signals_and_ppoll_swaps_the_mask) {
  static volatile int caught;
  struct sigaction action = {};
  action.sa_handler = [](int) { caught = caught + 1; };
  action.sa_flags = SA_RESTART;  // poll does not restart
  CHECK_OK(sigaction(SIGUSR1, &action, nullptr));
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
  raise(SIGUSR1);
  timespec wait = {0, 20'000'000};
  CHECK_EQ(ppoll(nullptr, 0, &wait, nullptr), 0);
  CHECK_EQ(caught, 0);
  wait = {5, 0};
  CHECK_ERRNO(ppoll(nullptr, 0, &wait, &none), EINTR);
  CHECK_EQ(caught, 1);
}

TEST(select_marks_ready_descriptors) {
  const Pipe first, second;
  CHECK_EQ(write(second.in, "x", 1), 1);
  fd_set reading, writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(first.out, &reading);
  FD_SET(second.out, &reading);
  FD_SET(first.in, &writing);
  timeval wait = {5, 0};
  CHECK_EQ(select(second.in + 1, &reading, &writing, nullptr, &wait), 2);
  CHECK(!FD_ISSET(first.out, &reading) && FD_ISSET(second.out, &reading) && FD_ISSET(first.in, &writing));
  FD_ZERO(&reading);
  FD_SET(60, &reading);
  CHECK_ERRNO(select(61, &reading, nullptr, nullptr, &wait), EBADF);
  CHECK_ERRNO(select(-1, nullptr, nullptr, nullptr, &wait), EINVAL);
}

TEST(epoll_level_triggered_reports_until_read) {
  const int epoll = CHECK_OK(epoll_create1(EPOLL_CLOEXEC));
  const Pipe pipe;
  CHECK_OK(watch(epoll, pipe.out, EPOLLIN, 77));
  epoll_event events[4];
  CHECK_EQ(epoll_wait(epoll, events, 4, 0), 0);
  CHECK_EQ(write(pipe.in, "xy", 2), 2);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(epoll_wait(epoll, events, 4, 1000), 1);
    CHECK_EQ(events[0].data.u64, 77u);
    CHECK_EQ(events[0].events, static_cast<uint32_t>(EPOLLIN));
    char byte;
    CHECK_EQ(read(pipe.out, &byte, 1), 1);
  }
  CHECK_EQ(epoll_wait(epoll, events, 4, 0), 0);
}

TEST(epoll_edge_triggered_and_oneshot) {
  const int epoll = CHECK_OK(epoll_create1(0));
  const Pipe edge, once;
  CHECK_OK(watch(epoll, edge.out, EPOLLIN | EPOLLET, 1));
  CHECK_OK(watch(epoll, once.out, EPOLLIN | EPOLLONESHOT, 2));
  epoll_event events[4];
  CHECK_EQ(write(edge.in, "x", 1), 1);
  CHECK_EQ(epoll_wait(epoll, events, 4, 1000), 1);
  CHECK_EQ(epoll_wait(epoll, events, 4, 0), 0);
  CHECK_EQ(write(edge.in, "x", 1), 1);
  CHECK_EQ(epoll_wait(epoll, events, 4, 1000), 1);
  CHECK_EQ(events[0].data.u64, 1u);
  CHECK_EQ(write(once.in, "x", 1), 1);
  CHECK_EQ(epoll_wait(epoll, events, 4, 1000), 1);
  CHECK_EQ(events[0].data.u64, 2u);
  CHECK_EQ(epoll_wait(epoll, events, 4, 0), 0);
  epoll_event again = {};
  again.events = EPOLLIN | EPOLLONESHOT;
  again.data.u64 = 3;
  CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, once.out, &again));
  CHECK_EQ(epoll_wait(epoll, events, 4, 1000), 1);
  CHECK_EQ(events[0].data.u64, 3u);
}

TEST(epoll_errors_and_removal) {
  const int epoll = CHECK_OK(epoll_create1(0));
  const Pipe pipe;
  CHECK_OK(watch(epoll, pipe.out, EPOLLIN, 0));
  CHECK_ERRNO(watch(epoll, pipe.out, EPOLLIN, 0), EEXIST);
  CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.in, nullptr), ENOENT);
  CHECK_ERRNO(watch(epoll, 99, EPOLLIN, 0), EBADF);
  CHECK_ERRNO(watch(epoll, epoll, EPOLLIN, 0), EINVAL);
  const int file = CHECK_OK(open("/tmp/epollfile", O_RDWR | O_CREAT, 0600));
  CHECK_OK(unlink("/tmp/epollfile"));
  CHECK_ERRNO(watch(epoll, file, EPOLLIN, 0), EPERM);
  epoll_event events[1];
  CHECK_ERRNO(epoll_wait(epoll, events, 0, 0), EINVAL);
  CHECK_EQ(write(pipe.in, "x", 1), 1);
  CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.out, nullptr));
  CHECK_EQ(epoll_wait(epoll, events, 1, 0), 0);
  CHECK_OK(watch(epoll, pipe.out, EPOLLIN, 0));
  CHECK_OK(close(pipe.out));
  CHECK_EQ(epoll_wait(epoll, events, 1, 0), 0);
}

TEST(epoll_of_epoll) {
  const int inner = CHECK_OK(epoll_create1(0)), outer = CHECK_OK(epoll_create1(0));
  const Pipe pipe;
  CHECK_OK(watch(inner, pipe.out, EPOLLIN, 5));
  CHECK_OK(watch(outer, inner, EPOLLIN, 6));
  CHECK_ERRNO(watch(inner, outer, EPOLLIN, 7), ELOOP);
  epoll_event events[2];
  CHECK_EQ(epoll_wait(outer, events, 2, 0), 0);
  CHECK_EQ(write(pipe.in, "x", 1), 1);
  CHECK_EQ(epoll_wait(outer, events, 2, 1000), 1);
  CHECK_EQ(events[0].data.u64, 6u);
}

TEST(eventfd_counts) {
  const int event = CHECK_OK(eventfd(3, EFD_NONBLOCK));
  uint64_t value = 0;
  CHECK_EQ(read(event, &value, sizeof value), 8);
  CHECK_EQ(value, 3u);
  CHECK_ERRNO(read(event, &value, sizeof value), EAGAIN);
  value = 2;
  for (int i = 0; i < 2; i++) CHECK_EQ(write(event, &value, sizeof value), 8);
  pollfd watched = {event, POLLIN | POLLOUT, 0};
  CHECK_EQ(poll(&watched, 1, 0), 1);
  CHECK_EQ(watched.revents, static_cast<short>(POLLIN | POLLOUT));
  CHECK_EQ(read(event, &value, sizeof value), 8);
  CHECK_EQ(value, 4u);
  value = UINT64_MAX;
  CHECK_ERRNO(write(event, &value, sizeof value), EINVAL);
  CHECK_ERRNO(read(event, &value, 4), EINVAL);
}

TEST(eventfd_semaphore) {
  const int event = CHECK_OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  uint64_t value = 0;
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(read(event, &value, sizeof value), 8);
    CHECK_EQ(value, 1u);
  }
  CHECK_ERRNO(read(event, &value, sizeof value), EAGAIN);
}

TEST(signalfd_reads_signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  const int signals = CHECK_OK(signalfd(-1, &set, SFD_NONBLOCK));
  signalfd_siginfo info;
  CHECK_ERRNO(read(signals, &info, sizeof info), EAGAIN);
  raise(SIGUSR1);
  CHECK_EQ(read(signals, &info, sizeof info), static_cast<ssize_t>(sizeof info));
  CHECK_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
  CHECK_EQ(info.ssi_pid, static_cast<uint32_t>(getpid()));
}

TEST(timerfd_counts_expirations) {
  const int timer = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, 0));
  const itimerspec often = {{0, 10'000'000}, {0, 10'000'000}};
  CHECK_OK(timerfd_settime(timer, 0, &often, nullptr));
  sleep_ms(55);
  uint64_t times = 0;
  CHECK_EQ(read(timer, &times, sizeof times), 8);
  CHECK(times >= 5);
  itimerspec now;
  CHECK_OK(timerfd_gettime(timer, &now));
  CHECK_EQ(now.it_interval.tv_nsec, 10'000'000);
}

TEST(socketpair_carries_both_ways_and_tells_of_the_end) {
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  CHECK_EQ(write(ends[0], "ping", 4), 4);
  char text[8] = {};
  CHECK_EQ(read(ends[1], text, sizeof text), 4);
  CHECK_EQ(static_cast<const char*>(text), "ping");
  CHECK_EQ(in_child([&] {
             close(ends[0]);
             CHECK_EQ(write(ends[1], "pong", 4), 4);
           }),
           0);
  CHECK_EQ(read(ends[0], text, sizeof text), 4);
  close(ends[1]);
  CHECK_EQ(read(ends[0], text, sizeof text), 0);
  CHECK_ERRNO(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
}

TEST(socketpair_datagrams_keep_their_borders) {
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
  CHECK_EQ(write(ends[0], "one", 3), 3);
  CHECK_EQ(write(ends[0], "three", 5), 5);
  char text[8] = {};
  CHECK_EQ(read(ends[1], text, 2), 2);  // the rest is lost
  CHECK_EQ(read(ends[1], text, sizeof text), 5);
}

TEST(descriptors_pass_over_a_socket) {
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  const pid_t child = start_child([&] {
    const Pipe pipe;
    CHECK_EQ(write(pipe.in, "via", 3), 3);
    char byte = 'd';
    iovec data = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pipe.out, sizeof(int));
    CHECK_EQ(sendmsg(ends[1], &message, 0), 1);
  });
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  CHECK_EQ(recvmsg(ends[0], &message, 0), 1);
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  CHECK(header && header->cmsg_type == SCM_RIGHTS);
  int received;
  memcpy(&received, CMSG_DATA(header), sizeof received);
  CHECK_EQ(wait_for(child), 0);
  char text[4] = {};
  CHECK_EQ(read(received, text, 3), 3);
  CHECK_EQ(static_cast<const char*>(text), "via");
}
