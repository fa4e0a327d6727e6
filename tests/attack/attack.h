// SPDX-License-Identifier: BSD-2-Clause
// Attacks: what an ordinary user does to stop the machine, beside what root must still be able to do. A program here is a guest
// test (tests/guest/lib/check.h); a case calls withstand() with the attack:
//
//   TEST(long_reads) { withstand([] { read_everything(); }); }
//
// The attack runs as user 1000, once on each CPU, until it ends or its time is over. Root has, on the same CPUs, a heartbeat of
// nice -20 that sleeps for a moment again and again, and a workload of fork, exit, wait, open and kill. The test fails when the
// heartbeat or a round of the workload had to wait too long, or when SIGKILL did not end the attack soon.
// How long is too long depends on the clock: where instructions are counted (tine-icount) it is what the kernel promises; where
// time is that of a busy host, only what nobody can overlook.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "check.h"
#include "setting.h"

namespace attack {

constexpr int64_t kMillisecond = 1'000'000;
constexpr uid_t kAttacker = 1000;
constexpr int kMostCpus = 16;

inline bool counts_instructions() {
  return access("/proc/sys/kern/latency_limit_kernel", F_OK) == 0 && setting("latency_limit_kernel") != 0 &&
         setting("latency_limit_kernel") < 100 * kMillisecond;
}

// What root waits for at most.
struct Patience {
  int64_t heartbeat, round, kill;
};
inline Patience patience() {
  // The end of the attack includes that of its memory, each page of which a debug kernel fills.
  if (counts_instructions()) return {10 * kMillisecond, 100 * kMillisecond, 200 * kMillisecond};
  return {5000 * kMillisecond, 10'000 * kMillisecond, 10'000 * kMillisecond};
}

inline void stay_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK_OK(sched_setaffinity(0, sizeof one, &one));
}

struct Seen {
  volatile int64_t longest_gap, longest_round;
  volatile int rounds;
};

// Ends only by a signal.
[[noreturn]] inline void beat(Seen& seen) {
  CHECK_OK(setpriority(PRIO_PROCESS, 0, -20));
  constexpr int64_t kNap = 200'000;
  for (;;) {
    const int64_t before = now_ns();
    const timespec nap = {0, kNap};
    nanosleep(&nap, nullptr);
    const int64_t gap = now_ns() - before - kNap;
    if (gap > seen.longest_gap) seen.longest_gap = gap;
  }
}

[[noreturn]] inline void work(Seen& seen) {
  CHECK_OK(setpriority(PRIO_PROCESS, 0, -20));
  for (;;) {
    const int64_t before = now_ns();
    const pid_t child = fork();
    if (child == 0) {
      for (;;) pause();
    }
    CHECK(child > 0);
    const int file = CHECK_OK(open("/tmp/root", O_RDWR | O_CREAT, 0600));
    close(file);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(waitpid(child, nullptr, 0), child);
    const int64_t took = now_ns() - before;
    if (took > seen.longest_round) seen.longest_round = took;
    seen.rounds = seen.rounds + 1;
    sleep_ms(1);
  }
}

// Runs `body` as the attacker on each CPU for at most so long. `body` may return.
template <class Body>
void withstand(Body body, int64_t milliseconds = 1500) {
  const int cpus = get_nprocs();
  CHECK(cpus <= kMostCpus);
  Seen& seen = shared<Seen>();
  pid_t roots[2 * kMostCpus], attackers[kMostCpus];
  for (int cpu = 0; cpu < cpus; cpu++) {
    roots[2 * cpu] = start_child([&] {
      stay_on(cpu);
      beat(seen);
    });
    roots[2 * cpu + 1] = start_child([&] {
      stay_on(cpu);
      work(seen);
    });
  }
  CHECK(eventually([&] { return seen.rounds >= cpus; }));
  for (int cpu = 0; cpu < cpus; cpu++) {
    attackers[cpu] = start_child([&] {
      stay_on(cpu);
      CHECK_OK(setgid(kAttacker));
      CHECK_OK(setuid(kAttacker));
      CHECK_OK(prctl(PR_SET_DUMPABLE, 1));   // as if it had executed a program since
      body();
    });
  }
  const int64_t end = now_ns() + milliseconds * kMillisecond;
  int left = cpus, status = 0;
  while (left != 0 && now_ns() < end) {
    sleep_ms(5);
    for (int cpu = 0; cpu < cpus; cpu++) {
      if (attackers[cpu] == 0 || waitpid(attackers[cpu], &status, WNOHANG) != attackers[cpu]) continue;
      CHECK_EQ(status, 0);
      attackers[cpu] = 0;
      --left;
    }
  }
  const int64_t killed = now_ns();
  for (int cpu = 0; cpu < cpus; cpu++)
    if (attackers[cpu] != 0) CHECK_OK(kill(attackers[cpu], SIGKILL));
  for (int cpu = 0; cpu < cpus; cpu++)
    if (attackers[cpu] != 0) CHECK_EQ(waitpid(attackers[cpu], nullptr, 0), attackers[cpu]);
  const int64_t dying = left != 0 ? now_ns() - killed : 0;
  for (int i = 0; i < 2 * cpus; i++) {
    CHECK_OK(kill(roots[i], SIGKILL));
    CHECK_EQ(wait_for(roots[i]), 128 + SIGKILL);
  }
  printf("longest gap of the heartbeat %lld us, longest round of the workload %lld us of %d, killed in %lld us\n",
         static_cast<long long>(seen.longest_gap / 1000), static_cast<long long>(seen.longest_round / 1000), seen.rounds,
         static_cast<long long>(dying / 1000));
  CHECK(seen.longest_gap <= patience().heartbeat);
  CHECK(seen.longest_round <= patience().round);
  CHECK(dying <= patience().kill);
}

}  // namespace attack

using attack::withstand;
