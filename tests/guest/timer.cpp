// SPDX-License-Identifier: BSD-2-Clause
// Clocks, sleeping, interval timers, POSIX timers.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>

#include "check.h"

namespace {
volatile int fired;
void catch_alarm(int signal) {
  struct sigaction action = {};
  action.sa_handler = [](int) { fired = fired + 1; };
  action.sa_flags = SA_RESTART;
  CHECK_OK(sigaction(signal, &action, nullptr));
}
int64_t clock_ns(clockid_t clock) {
  timespec now;
  CHECK_OK(clock_gettime(clock, &now));
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}
void burn_ms(int64_t milliseconds) {
  const int64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + milliseconds * 1'000'000;
  while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end) {
  }
}
// Its signal is blocked, so that expiries pile up.
timer_t timer_with_blocked_signal(clockid_t clock, int signal) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, signal);
  CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  timer_t timer;
  CHECK_OK(timer_create(clock, &event, &timer));
  return timer;
}
}  // namespace

TEST(monotonic_clock_never_goes_back) {
  int64_t last = now_ns();
  for (int i = 0; i < 20'000; i++) {
    const int64_t now = now_ns();
    CHECK(now >= last);
    last = now;
  }
}

TEST(realtime_clock_can_be_set_by_root_alone) {
  timespec before;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &before));
  CHECK_EQ(in_child([=] {
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &before), EPERM);
           }),
           0);
  const timespec later = {before.tv_sec + 1000, 0};
  CHECK_OK(clock_settime(CLOCK_REALTIME, &later));
  CHECK(time(nullptr) >= later.tv_sec);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &before));
}

TEST(realtime_clock_is_never_behind_the_uptime) {
  const timespec origin = {0, 0}, beyond = {INT64_MAX, 0};
  CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &origin), EINVAL);
  CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &beyond), EINVAL);
}

TEST(clock_errors) {
  timespec time;
  CHECK_ERRNO(syscall(SYS_clock_gettime, 77, &time), EINVAL);
  CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, reinterpret_cast<timespec*>(8)), EFAULT);
  const timespec bad = {0, 1'000'000'000};
  CHECK_ERRNO(nanosleep(&bad, nullptr), EINVAL);
}

TEST(sleep_is_at_least_as_long_as_asked) {
  for (const long milliseconds : Ints{1, 5, 20}) {
    const int64_t began = now_ns();
    sleep_ms(milliseconds);
    CHECK(now_ns() - began >= milliseconds * 1'000'000);
  }
}

TEST(absolute_sleep_in_the_past_returns_at_once) {
  const timespec past = {0, 1};
  CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, nullptr), 0);
}

TEST(process_cpu_clock_counts_only_when_running) {
  const int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  sleep_ms(100);
  CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 60'000'000);
  const int64_t wall = now_ns();
  burn_ms(50);
  CHECK(now_ns() - wall >= 45'000'000);
}

TEST(S3_cpu_time_starts_fresh_in_the_child) {
  burn_ms(80);
  CHECK_EQ(in_child([] { CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) < 50'000'000); }), 0);
}

TEST(times_counts_ticks_of_children_once_they_are_waited_for) {
  const pid_t child = start_child([] { burn_ms(60); });
  struct tms before, after;
  CHECK(times(&before) != static_cast<clock_t>(-1));
  CHECK_EQ(wait_for(child), 0);
  times(&after);
  CHECK_EQ(before.tms_cutime + before.tms_cstime, 0);
  CHECK(after.tms_cutime + after.tms_cstime >= 4);
}

TEST(interval_timer_repeats_until_stopped) {
  catch_alarm(SIGALRM);
  const itimerval often = {{0, 5000}, {0, 5000}};
  CHECK_OK(setitimer(ITIMER_REAL, &often, nullptr));
  CHECK(eventually([] { return fired >= 5; }));
  const itimerval off = {};
  itimerval old = {};
  CHECK_OK(setitimer(ITIMER_REAL, &off, &old));
  CHECK_EQ(old.it_interval.tv_usec, 5000);
  sleep_ms(20);
  const int count = fired;
  sleep_ms(30);
  CHECK_EQ(fired, count);
}

TEST(C12_interval_timers_and_alarms_are_not_inherited) {
  catch_alarm(SIGALRM);
  alarm(100);
  CHECK_EQ(in_child([] { CHECK_EQ(alarm(0), 0u); }), 0);
  CHECK(alarm(0) > 0);
  const itimerval cpu = {{100, 0}, {100, 0}};
  for (int kind : Ints{ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    CHECK_OK(setitimer(kind, &cpu, nullptr));
    CHECK_EQ(in_child([=] {
               itimerval now;
               CHECK_OK(getitimer(kind, &now));
               CHECK_EQ(now.it_value.tv_sec, 0);
               CHECK_EQ(now.it_interval.tv_sec, 0);
             }),
             0);
  }
}

TEST(virtual_and_profiling_timers_count_cpu_time) {
  catch_alarm(SIGVTALRM);
  catch_alarm(SIGPROF);
  const itimerval soon = {{0, 0}, {0, 30'000}};
  CHECK_OK(setitimer(ITIMER_VIRTUAL, &soon, nullptr));
  sleep_ms(80);
  CHECK_EQ(fired, 0);
  for (int i = 0; i < 100 && fired == 0; i++) burn_ms(20);   // of which a busy host gives the machine only a part
  CHECK_EQ(fired, 1);
  CHECK_OK(setitimer(ITIMER_PROF, &soon, nullptr));
  for (int i = 0; i < 100 && fired == 1; i++) burn_ms(20);
  CHECK_EQ(fired, 2);
}

TEST(alarm_survives_exec) {
  CHECK_EQ(in_child([] {
             alarm(1);
             execl("/bin/busybox", "sleep", "10", static_cast<char*>(nullptr));
           }),
           128 + SIGALRM);
}

TEST(posix_timer_sends_a_value) {
  static volatile int value;
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    CHECK_EQ(info->si_code, SI_TIMER);
    value = info->si_value.sival_int;
  };
  action.sa_flags = SA_SIGINFO;
  CHECK_OK(sigaction(SIGRTMIN + 2, &action, nullptr));
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 2;
  event.sigev_value.sival_int = 1234;
  timer_t timer;
  CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  const itimerspec soon = {{0, 0}, {0, 10'000'000}};
  CHECK_OK(timer_settime(timer, 0, &soon, nullptr));
  CHECK(eventually([] { return value == 1234; }));
  itimerspec now;
  CHECK_OK(timer_gettime(timer, &now));
  CHECK_EQ(now.it_value.tv_nsec, 0);
  CHECK_OK(timer_delete(timer));
  CHECK_ERRNO(syscall(SYS_timer_delete, timer), EINVAL);
}

// A timer that began in 1970 has missed more than can be told at its first expiry, and misses more at the next ones.
TEST(posix_timer_that_is_far_behind_tells_the_most_overruns) {
  const timer_t timer = timer_with_blocked_signal(CLOCK_REALTIME, SIGRTMIN);
  const itimerspec long_ago = {{0, 1}, {0, 1}};
  CHECK_OK(timer_settime(timer, TIMER_ABSTIME, &long_ago, nullptr));
  sleep_ms(20);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  siginfo_t info = {};
  CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
  CHECK_EQ(info.si_overrun, INT32_MAX);
  CHECK_OK(timer_delete(timer));
}

TEST(C12_posix_timers_are_not_inherited) {
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  int timer = -1;
  CHECK_OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  CHECK_EQ(in_child([=] {
             itimerspec now;
             CHECK_ERRNO(syscall(SYS_timer_gettime, timer, &now), EINVAL);
           }),
           0);
}

TEST(many_fast_timers_leave_time_for_programs) {
  const pid_t child = start_child([] {
    const itimerspec always = {{0, 1}, {0, 1}};
    for (int i = 0; i < 500; i++)
      CHECK_OK(timer_settime(timer_with_blocked_signal(CLOCK_MONOTONIC, SIGUSR1), 0, &always, nullptr));
    raise(SIGSTOP);
  });
  int how = 0;
  CHECK_EQ(waitpid(child, &how, WUNTRACED), child);
  CHECK(WIFSTOPPED(how));
  burn_ms(50);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
}

TEST(RLIMIT_CPU_raises_SIGXCPU) {
  CHECK_EQ(in_child([] { system("ulimit -t 1; exec busybox sh -c 'while :; do :; done'") == 0 ? _exit(0) : _exit(1); }),
           1);
}

// --- Timers make no more interrupts than their signals are taken ---

namespace {

timer_t silent_timer() {
  sigevent event = {};
  event.sigev_notify = SIGEV_NONE;
  timer_t timer;
  CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  return timer;
}

// Sets the wall clock forward by an hour while it lives.
class ClockForward {
 public:
  static constexpr int kHour = 3600;
  ClockForward() { move(kHour); }
  ~ClockForward() { move(-kHour); }

 private:
  static void move(int seconds) {
    timespec now;
    CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
    now.tv_sec += seconds;
    CHECK_OK(clock_settime(CLOCK_REALTIME, &now));
  }
};

timespec wall_clock_in(int seconds) {
  timespec now;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  now.tv_sec += seconds;
  return now;
}

}  // namespace

TEST(timer_that_tells_nobody_is_worked_out_when_it_is_read) {
  timer_t timer = silent_timer();
  itimerspec now;
  const itimerspec once = {{0, 0}, {0, 10'000'000}};
  CHECK_OK(timer_settime(timer, 0, &once, nullptr));
  CHECK_OK(timer_gettime(timer, &now));
  CHECK(now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 10'000'000);
  sleep_ms(30);
  CHECK_OK(timer_gettime(timer, &now));
  CHECK_EQ(now.it_value.tv_sec, 0);
  CHECK_EQ(now.it_value.tv_nsec, 0);
  const itimerspec periodic = {{10, 0}, {0, 10'000'000}};
  CHECK_OK(timer_settime(timer, 0, &periodic, nullptr));
  sleep_ms(30);
  CHECK_OK(timer_gettime(timer, &now));
  CHECK_EQ(now.it_interval.tv_sec, 10);
  CHECK(now.it_value.tv_sec == 9);
  CHECK_OK(timer_delete(timer));
}

TEST(expiries_count_until_the_signal_is_taken) {
  const timer_t timer = timer_with_blocked_signal(CLOCK_MONOTONIC, SIGRTMIN);
  const itimerspec fast = {{0, 1'000'000}, {0, 1'000'000}};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  CHECK_OK(timer_settime(timer, 0, &fast, nullptr));
  for (int round = 0; round < 3; round++) {
    sleep_ms(50);
    siginfo_t info = {};
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    CHECK(info.si_overrun >= 45);
    CHECK_EQ(timer_getoverrun(timer), info.si_overrun);
  }
  CHECK_OK(timer_delete(timer));
}

TEST(several_timers_with_one_signal_all_go_on) {
  fired = 0;
  catch_alarm(SIGUSR1);
  for (int i = 0; i < 3; i++) {
    sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    timer_t timer;
    CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
    const itimerspec fast = {{0, 3'000'000}, {0, 3'000'000}};
    CHECK_OK(timer_settime(timer, 0, &fast, nullptr));
  }
  CHECK(eventually([] { return fired >= 50; }, 10));
}

TEST(relative_timer_on_the_wall_clock_does_not_move_when_that_is_set) {
  const timer_t timer = timer_with_blocked_signal(CLOCK_REALTIME, SIGRTMIN);
  const itimerspec in_a_minute = {{0, 0}, {60, 0}};
  CHECK_OK(timer_settime(timer, 0, &in_a_minute, nullptr));
  {
    const ClockForward forward;
    sleep_ms(50);
    itimerspec now;
    CHECK_OK(timer_gettime(timer, &now));
    CHECK(now.it_value.tv_sec >= 55 && now.it_value.tv_sec < 60);
    sigset_t pending;
    CHECK_OK(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGRTMIN));
  }
  CHECK_OK(timer_delete(timer));
}

TEST(absolute_timer_on_the_wall_clock_follows_its_setting) {
  const timer_t timer = timer_with_blocked_signal(CLOCK_REALTIME, SIGRTMIN);
  const itimerspec at = {{0, 0}, wall_clock_in(1800)};
  CHECK_OK(timer_settime(timer, TIMER_ABSTIME, &at, nullptr));
  const ClockForward forward;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  const timespec limit = {5, 0};
  CHECK_EQ(sigtimedwait(&set, nullptr, &limit), SIGRTMIN);
  CHECK_OK(timer_delete(timer));
}

TEST(sleep_until_a_time_of_the_wall_clock_follows_its_setting) {
  const pid_t child = start_child([] {
    const timespec at = wall_clock_in(1800);
    CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, nullptr), 0);
  });
  const pid_t relative = start_child([] {
    const timespec duration = {1800, 0};
    clock_nanosleep(CLOCK_REALTIME, 0, &duration, nullptr);
  });
  const pid_t futex = start_child([] {
    static uint32_t word;
    const timespec at = wall_clock_in(1800);
    constexpr int kWaitBitsetWall = 9 | 128 | 256;   // FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME
    CHECK_ERRNO(syscall(SYS_futex, &word, kWaitBitsetWall, 0, &at, nullptr, ~0u), ETIMEDOUT);
  });
  sleep_ms(100);
  const ClockForward forward;
  const int64_t start = now_ns();
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(wait_for(futex), 0);
  CHECK(now_ns() - start < 10'000'000'000);
  CHECK_EQ(waitpid(relative, nullptr, WNOHANG), 0);
  CHECK_OK(kill(relative, SIGKILL));
  CHECK_EQ(wait_for(relative), 128 + SIGKILL);
}
