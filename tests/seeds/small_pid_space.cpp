// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// guest-test: boot kern.pid_max=400
// Process ids in a space so small that all of it is used. Rows P3, P6, P7, P8, P11.
#include <signal.h>

#include "setting.h"

namespace {

constexpr int kPidMax = 400;
constexpr int kQuarantine = 128;   // freed numbers that wait before they are used again

pid_t pid_of_new_process() {
  const pid_t child = start_child([] {});
  CHECK_EQ(wait_for(child), 0);
  return child;
}

bool is_used(pid_t number) {
  if (kill(number, 0) == 0 || errno == EPERM) return true;
  if (kill(-number, 0) == 0 || errno == EPERM) return true;
  return getsid(number) >= 0;
}

int used_numbers() {
  int used = 0;
  for (pid_t number = 1; number <= kPidMax; number++) used += number == 1 || is_used(number);
  return used;
}

[[noreturn]] void wait_for_ever() {
  for (;;) pause();
}

// Takes every number that there is, and checks that these are all but those in quarantine.
void use_them_all() {
  for (int i = 0; i < 2 * kQuarantine; i++) pid_of_new_process();   // the quarantine is full
  static pid_t children[kPidMax];
  int count = 0;
  for (int refusals = 0; refusals < 10;) {   // the last of a dead process goes a moment after its wait
    const pid_t child = fork();
    if (child == 0) wait_for_ever();
    if (child > 0) {
      CHECK(count < kPidMax);
      children[count++] = child;
      refusals = 0;
    } else {
      CHECK_EQ(errno, EAGAIN);
      refusals++;
      sleep_ms(5);
    }
  }
  CHECK_EQ(used_numbers(), kPidMax - kQuarantine);
  // Each number that comes free lets exactly one more process be made, and it gets another number.
  for (int i = 0; i < 20; i++) {
    CHECK_OK(kill(children[i], SIGKILL));
    CHECK_EQ(wait_for(children[i]), 128 + SIGKILL);
    pid_t child = -1;
    CHECK(eventually([&] { return (child = fork()) != -1; }));
    if (child == 0) wait_for_ever();
    CHECK(child != children[i]);
    children[i] = child;
    CHECK_ERRNO(fork(), EAGAIN);
  }
  for (int i = 0; i < count; i++) kill(children[i], SIGKILL);
  for (int i = 0; i < count; i++) CHECK_EQ(wait_for(children[i]), 128 + SIGKILL);
  pid_of_new_process();
}

}  // namespace

TEST(P11_pid_max_is_set_at_boot) {
  CHECK_EQ(setting("pid_max"), kPidMax);
  for (int i = 0; i < 300; i++) {
    const pid_t pid = pid_of_new_process();
    CHECK(pid >= 2 && pid <= kPidMax);
  }
}

TEST(P3_order_starts_again_at_100) {
  const ChangedSetting mode("pidmode", "sequential");
  pid_t previous = pid_of_new_process();
  int wraps = 0;
  for (int i = 0; i < 1500; i++) {
    const pid_t pid = pid_of_new_process();
    CHECK(pid < kPidMax);
    if (pid < previous) {
      wraps++;
      CHECK(pid >= 100);
      CHECK(previous > kPidMax - 30);   // nothing free was left above
    }
    previous = pid;
  }
  CHECK(wraps >= 3);
}

TEST(P6_numbers_of_groups_sessions_and_zombies_are_not_given_out) {
  // A group and a session whose leaders are gone, with a member each, and a zombie.
  Gate made;
  const auto leave_member_behind = [&](auto become_leader) {
    const pid_t leader = start_child([&] {
      become_leader();
      start_child([&] {
        made.open();
        wait_for_ever();
      });
    });
    CHECK_EQ(wait_for(leader), 0);
    made.wait();
    return leader;
  };
  const pid_t group = leave_member_behind([] { CHECK_OK(setpgid(0, 0)); });
  const pid_t session = leave_member_behind([] { CHECK_OK(setsid()); });
  const pid_t zombie = start_child([] {});
  siginfo_t info;
  CHECK_OK(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
  CHECK_OK(kill(-group, 0));
  CHECK_ERRNO(kill(group, 0), ESRCH);
  CHECK_OK(kill(-session, 0));
  CHECK_OK(kill(zombie, 0));

  const char* const modes[] = {"random", "sequential"};
  for (const char* each : modes) {
    const ChangedSetting mode("pidmode", each);
    for (int i = 0; i < 1500; i++) {
      const pid_t pid = pid_of_new_process();
      CHECK(pid != group && pid != session && pid != zombie && pid != getpid() && pid != getppid());
    }
  }
  CHECK_EQ(wait_for(zombie), 0);
  CHECK_OK(kill(-group, SIGKILL));
  CHECK_OK(kill(-session, SIGKILL));
}

TEST(P7_freed_pid_waits_until_128_more_are_freed) {
  constexpr int kForks = 2000;
  static pid_t pids[kForks];
  for (int i = 0; i < kForks; i++) {
    pids[i] = pid_of_new_process();
    for (int before = i > kQuarantine ? i - kQuarantine : 0; before < i; before++)
      if (pids[before] == pids[i]) fail(__FILE__, __LINE__, "pid %d came again after %d", pids[i], i - before);
  }
}

TEST(P8_every_pid_can_be_used_in_random_mode) {
  const ChangedSetting processes("maxproc", 4096ll), threads("maxthread", 4096ll);
  use_them_all();
}

TEST(P8_every_pid_can_be_used_in_sequential_mode) {
  const ChangedSetting processes("maxproc", 4096ll), threads("maxthread", 4096ll), mode("pidmode", "sequential");
  use_them_all();
}
