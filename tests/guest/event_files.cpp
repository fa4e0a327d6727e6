// SPDX-License-Identifier: BSD-2-Clause
// eventfd(2), timerfd_create(2), signalfd(2).
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "check.h"

namespace {
bool readable(int file) {
  pollfd request = {file, POLLIN, 0};
  return poll(&request, 1, 0) == 1 && (request.revents & POLLIN);
}
bool writable(int file) {
  pollfd request = {file, POLLOUT, 0};
  return poll(&request, 1, 0) == 1 && (request.revents & POLLOUT);
}
sigset_t set_of(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}
}  // namespace

TEST(eventfd_counts) {
  const int event = CHECK_OK(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
  CHECK(readable(event));
  eventfd_t value;
  CHECK_OK(eventfd_read(event, &value));
  CHECK_EQ(value, 3u);
  CHECK(!readable(event));
  CHECK_ERRNO(eventfd_read(event, &value), EAGAIN);
  CHECK_OK(eventfd_write(event, 2));
  CHECK_OK(eventfd_write(event, 5));
  CHECK_OK(eventfd_read(event, &value));
  CHECK_EQ(value, 7u);
}

TEST(eventfd_semaphore_gives_one_at_a_time) {
  const int event = CHECK_OK(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
  eventfd_t value;
  CHECK_OK(eventfd_read(event, &value));
  CHECK_EQ(value, 1u);
  CHECK_OK(eventfd_read(event, &value));
  CHECK_EQ(value, 1u);
  CHECK_ERRNO(eventfd_read(event, &value), EAGAIN);
}

TEST(eventfd_refuses_overflow_and_short_transfers) {
  const int event = CHECK_OK(eventfd(0, EFD_NONBLOCK));
  CHECK_ERRNO(eventfd_write(event, UINT64_MAX), EINVAL);
  CHECK_OK(eventfd_write(event, UINT64_MAX - 1));
  CHECK(!writable(event));
  CHECK_ERRNO(eventfd_write(event, 1), EAGAIN);
  char small[4];
  CHECK_ERRNO(read(event, small, sizeof small), EINVAL);
  CHECK_ERRNO(write(event, small, sizeof small), EINVAL);
  CHECK_ERRNO(eventfd(0, 4), EINVAL);
}

TEST(eventfd_wakes_a_reader_in_another_process) {
  const int event = CHECK_OK(eventfd(0, 0));
  const pid_t child = start_child([&] {
    eventfd_t value;
    CHECK_OK(eventfd_read(event, &value));
    CHECK_EQ(value, 42u);
  });
  sleep_ms(20);
  CHECK_OK(eventfd_write(event, 42));
  CHECK_EQ(wait_for(child), 0);
}

TEST(timerfd_expires_once) {
  const int timer = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  const itimerspec setting = {{}, {0, 20'000'000}};
  const int64_t start = now_ns();
  CHECK_OK(timerfd_settime(timer, 0, &setting, nullptr));
  uint64_t count = 0;
  CHECK_ERRNO(read(timer, &count, sizeof count), EAGAIN);
  pollfd request = {timer, POLLIN, 0};
  CHECK_EQ(poll(&request, 1, -1), 1);
  CHECK(now_ns() - start >= 20'000'000);
  CHECK_EQ(read(timer, &count, sizeof count), 8);
  CHECK_EQ(count, 1u);
  itimerspec left;
  CHECK_OK(timerfd_gettime(timer, &left));
  CHECK_EQ(left.it_value.tv_nsec + left.it_value.tv_sec, 0);
}

TEST(timerfd_counts_missed_periods) {
  const int timer = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, 0));
  const itimerspec setting = {{0, 10'000'000}, {0, 10'000'000}};
  CHECK_OK(timerfd_settime(timer, 0, &setting, nullptr));
  sleep_ms(55);
  uint64_t count = 0;
  CHECK_EQ(read(timer, &count, sizeof count), 8);
  CHECK(count >= 5);
  CHECK_EQ(read(timer, &count, sizeof count), 8);  // waits for the next one
  CHECK(count >= 1);
  itimerspec left, old;
  CHECK_OK(timerfd_gettime(timer, &left));
  CHECK_EQ(left.it_interval.tv_nsec, 10'000'000);
  const itimerspec off = {};
  CHECK_OK(timerfd_settime(timer, 0, &off, &old));
  CHECK_EQ(old.it_interval.tv_nsec, 10'000'000);
  sleep_ms(15);
  CHECK(!readable(timer));
}

TEST(timerfd_with_an_interval_beyond_all_time_expires_once) {
  const int timer = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, 0));
  const itimerspec setting = {{INT64_MAX, 0}, {0, 1'000'000}};
  CHECK_OK(timerfd_settime(timer, 0, &setting, nullptr));
  uint64_t count = 0;
  CHECK_EQ(read(timer, &count, sizeof count), 8);
  CHECK_EQ(count, 1u);
  pollfd request = {timer, POLLIN, 0};
  CHECK_EQ(poll(&request, 1, 20), 0);
}

TEST(timerfd_absolute_in_the_past_expires_at_once) {
  for (clockid_t clock : Ints{CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    const int timer = CHECK_OK(timerfd_create(clock, 0));
    const itimerspec setting = {{}, {0, 1}};
    CHECK_OK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, nullptr));
    uint64_t count = 0;
    CHECK_EQ(read(timer, &count, sizeof count), 8);
    CHECK_EQ(count, 1u);
  }
}

TEST(timerfd_on_the_wall_clock_follows_its_setting) {
  timespec now;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  const int absolute = CHECK_OK(timerfd_create(CLOCK_REALTIME, 0));
  const int relative = CHECK_OK(timerfd_create(CLOCK_REALTIME, 0));
  const itimerspec until = {{}, {now.tv_sec + 1000, 0}}, after = {{}, {1000, 0}};
  CHECK_OK(timerfd_settime(absolute, TFD_TIMER_ABSTIME, &until, nullptr));
  CHECK_OK(timerfd_settime(relative, 0, &after, nullptr));
  const pid_t reader = start_child([&] {
    uint64_t count = 0;
    CHECK_EQ(read(absolute, &count, sizeof count), 8);
    CHECK_EQ(count, 1u);
  });
  sleep_ms(20);
  const timespec later = {now.tv_sec + 2000, 0};
  CHECK_OK(clock_settime(CLOCK_REALTIME, &later));
  const bool woken = eventually([&] { return CHECK_OK(waitpid(reader, nullptr, WNOHANG)) == reader; }, 2);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &now));
  CHECK(woken);
  CHECK(!readable(absolute) && !readable(relative));
  itimerspec left;
  CHECK_OK(timerfd_gettime(relative, &left));
  CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000);
}

TEST(timerfd_that_a_setting_of_the_clock_cancels) {
  timespec now;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  const int timer = CHECK_OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
  const itimerspec setting = {{}, {now.tv_sec + 1000, 0}};
  CHECK_OK(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting, nullptr));
  uint64_t count = 0;
  CHECK_ERRNO(read(timer, &count, sizeof count), EAGAIN);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &now));
  CHECK(readable(timer));
  CHECK_ERRNO(read(timer, &count, sizeof count), ECANCELED);
  CHECK_ERRNO(read(timer, &count, sizeof count), EAGAIN);
}

TEST(timerfd_refuses_bad_arguments) {
  CHECK_ERRNO(timerfd_create(77, 0), EINVAL);
  CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
  const int timer = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, 0));
  const itimerspec bad = {{}, {0, 1'000'000'000}};
  CHECK_ERRNO(timerfd_settime(timer, 0, &bad, nullptr), EINVAL);
  const itimerspec good = {};
  CHECK_ERRNO(timerfd_settime(0, 0, &good, nullptr), EINVAL);
}

TEST(signalfd_reads_what_is_pending) {
  CHECK_EQ(in_child([] {
             const sigset_t mask = set_of(SIGUSR1);
             CHECK_OK(sigprocmask(SIG_BLOCK, &mask, nullptr));
             const int file = CHECK_OK(signalfd(-1, &mask, SFD_NONBLOCK));
             signalfd_siginfo info;
             CHECK_ERRNO(read(file, &info, sizeof info), EAGAIN);
             CHECK(!readable(file));
             CHECK_OK(kill(getpid(), SIGUSR1));
             CHECK(readable(file));
             CHECK_EQ(read(file, &info, sizeof info), static_cast<ssize_t>(sizeof info));
             CHECK_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
             CHECK_EQ(info.ssi_pid, static_cast<uint32_t>(getpid()));
             CHECK_EQ(info.ssi_code, SI_USER);
             CHECK(!readable(file));
             CHECK_ERRNO(read(file, &info, 10), EINVAL);
           }),
           0);
}

TEST(signalfd_wakes_a_poller_and_a_reader) {
  CHECK_EQ(in_child([] {
             sigset_t mask = set_of(SIGUSR1);
             sigaddset(&mask, SIGCHLD);
             CHECK_OK(sigprocmask(SIG_BLOCK, &mask, nullptr));
             const int file = CHECK_OK(signalfd(-1, &mask, 0));
             const pid_t parent = getpid();
             const pid_t child = start_child([&] {
               sleep_ms(20);
               CHECK_OK(kill(parent, SIGUSR1));
               sleep_ms(20);
               _exit(5);
             });
             pollfd request = {file, POLLIN, 0};
             CHECK_EQ(poll(&request, 1, -1), 1);
             signalfd_siginfo info;
             CHECK_EQ(read(file, &info, sizeof info), static_cast<ssize_t>(sizeof info));
             CHECK_EQ(info.ssi_signo, static_cast<uint32_t>(SIGUSR1));
             CHECK_EQ(read(file, &info, sizeof info), static_cast<ssize_t>(sizeof info));
             CHECK_EQ(info.ssi_signo, static_cast<uint32_t>(SIGCHLD));
             CHECK_EQ(info.ssi_status, 5);
             CHECK_EQ(info.ssi_pid, static_cast<uint32_t>(child));
             CHECK_EQ(wait_for(child), 5);
           }),
           0);
}

TEST(signalfd_mask_can_be_changed) {
  CHECK_EQ(in_child([] {
             const sigset_t first = set_of(SIGUSR1), second = set_of(SIGUSR2);
             CHECK_OK(sigprocmask(SIG_BLOCK, &first, nullptr));
             CHECK_OK(sigprocmask(SIG_BLOCK, &second, nullptr));
             const int file = CHECK_OK(signalfd(-1, &first, SFD_NONBLOCK));
             CHECK_OK(raise(SIGUSR2));
             CHECK(!readable(file));
             CHECK_EQ(signalfd(file, &second, 0), file);
             CHECK(readable(file));
             CHECK_ERRNO(signalfd(0, &second, 0), EINVAL);
           }),
           0);
}
