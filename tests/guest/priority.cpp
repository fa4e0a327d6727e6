// SPDX-License-Identifier: BSD-2-Clause
// setpriority(2), sched_setscheduler(2), sched_setaffinity(2).
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
long set_policy(int pid, int policy, int priority) {
  const sched_param parameter = {
      .sched_priority = priority, .__reserved1 = 0, .__reserved2 = {}, .__reserved3 = 0};
  return syscall(SYS_sched_setscheduler, pid, policy, &parameter);  // musl's own says ENOSYS
}
}  // namespace

TEST(nice_is_set_and_inherited) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setpriority(PRIO_PROCESS, 0, 7));
             CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
             CHECK_EQ(in_child([] { CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7); }), 0);
             CHECK_OK(setpriority(PRIO_PROCESS, getpid(), 100));
             CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
           }),
           0);
}

TEST(a_group_has_the_most_urgent_priority_of_its_members) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setpgid(0, 0));
             Gate gate;
             CHECK_OK(setpriority(PRIO_PROCESS, 0, 9));
             const pid_t child = start_child([&] { gate.wait(); });
             CHECK_OK(setpriority(PRIO_PROCESS, child, 12));
             CHECK_EQ(getpriority(PRIO_PGRP, 0), 9);
             CHECK_OK(setpriority(PRIO_PGRP, 0, 15));
             CHECK_EQ(getpriority(PRIO_PROCESS, child), 15);
             gate.open();
             CHECK_EQ(wait_for(child), 0);
           }),
           0);
}

TEST(only_root_lowers_nice_and_touches_others) {
  if (getuid() != 0) SKIP("not root");
  CHECK_EQ(in_child([] {
             CHECK_OK(setpriority(PRIO_PROCESS, 0, -5));
             CHECK_OK(setuid(1000));
             CHECK_OK(setpriority(PRIO_PROCESS, 0, 3));
             CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, 2), EACCES);
             CHECK_ERRNO(setpriority(PRIO_PROCESS, 1, 10), EPERM);
           }),
           0);
  CHECK_ERRNO(setpriority(PRIO_PROCESS, 0x3ffffe, 0), ESRCH);
  CHECK_ERRNO(setpriority(77, 0, 0), EINVAL);
}

TEST(policies) {
  CHECK_EQ(in_child([] {
             CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
             CHECK_OK(set_policy(0, SCHED_BATCH, 0));
             CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_BATCH);
             CHECK_ERRNO(set_policy(0, SCHED_FIFO, 0), EINVAL);
             CHECK_ERRNO(set_policy(0, SCHED_OTHER, 1), EINVAL);
             CHECK_ERRNO(set_policy(0, 99, 0), EINVAL);
             CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
             CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
             CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
             timespec slice;
             CHECK_OK(sched_rr_get_interval(0, &slice));
           }),
           0);
}

// Another thread changes the policy while this one changes nice: neither change may undo the other. Each round hands over twice;
// where a hypervisor runs the CPUs by turns, each of those takes a time slice, so that there are as many rounds as fit.
TEST(nice_and_policy_set_at_once_are_both_kept) {
  if (access("/proc/tine/audit", F_OK) != 0) SKIP("Linux loses one of them now and then");
  struct Race {
    pid_t thread = gettid();
    int go = 0, done = 0;
  } race;
  constexpr int kRounds = 3000, kEnd = kRounds + 1;
  constexpr int64_t kLongest = 10'000'000'000;
  pthread_t other;
  const auto set_policies = [](void* argument) -> void* {
    Race& race = *static_cast<Race*>(argument);
    for (int round = 1;; round++) {
      int go;
      while ((go = __atomic_load_n(&race.go, __ATOMIC_ACQUIRE)) < round) sched_yield();
      if (go == kEnd) break;
      CHECK_OK(set_policy(race.thread, round % 2 ? SCHED_BATCH : SCHED_OTHER, 0));
      __atomic_store_n(&race.done, round, __ATOMIC_RELEASE);
    }
    return nullptr;
  };
  CHECK_EQ(pthread_create(&other, nullptr, set_policies, &race), 0);
  const int64_t end = now_ns() + kLongest;
  for (int round = 1; round <= kRounds && now_ns() < end; round++) {
    __atomic_store_n(&race.go, round, __ATOMIC_RELEASE);
    CHECK_OK(setpriority(PRIO_PROCESS, 0, round % 16));
    while (__atomic_load_n(&race.done, __ATOMIC_ACQUIRE) < round) sched_yield();
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), round % 16);
    CHECK_EQ(syscall(SYS_sched_getscheduler, race.thread), round % 2 ? SCHED_BATCH : SCHED_OTHER);
  }
  __atomic_store_n(&race.go, kEnd, __ATOMIC_RELEASE);
  CHECK_EQ(pthread_join(other, nullptr), 0);
}

TEST(affinity_moves_to_the_cpu) {
  CHECK_EQ(in_child([] {
             cpu_set_t all;
             CHECK_OK(sched_getaffinity(0, sizeof all, &all));
             for (int cpu = 0; cpu < 64; cpu++) {
               if (!CPU_ISSET(cpu, &all)) continue;
               cpu_set_t one;
               CPU_ZERO(&one);
               CPU_SET(cpu, &one);
               CHECK_OK(sched_setaffinity(0, sizeof one, &one));
               unsigned now = 99;
               CHECK_OK(syscall(SYS_getcpu, &now, nullptr, nullptr));
               CHECK_EQ(now, static_cast<unsigned>(cpu));
             }
             cpu_set_t none;
             CPU_ZERO(&none);
             CHECK_ERRNO(sched_setaffinity(0, sizeof none, &none), EINVAL);
             CHECK_ERRNO(sched_setaffinity(0x3ffffe, sizeof all, &all), ESRCH);
             CHECK_OK(sched_yield());
           }),
           0);
}
