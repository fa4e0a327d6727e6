// SPDX-License-Identifier: BSD-2-Clause
// How many forks a second 1, 2 and 4 CPUs do when all of them fork at once: a process on each CPU that forks children
// which end at once, and waits for them. Real time, since instruction counting has one CPU only.
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Shared {
  _Atomic(int) ready;
  _Atomic(bool) go, stop;
  _Atomic(int64_t) forks;
};

[[noreturn]] void fork_until_told(Shared& shared, int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<size_t>(cpu), &only);
  if (sched_setaffinity(0, sizeof only, &only) != 0) give_up("sched_setaffinity");
  shared.ready++;
  while (!shared.go) sched_yield();
  int64_t forks = 0;
  while (!shared.stop) {
    fork_exit_wait_once();
    forks++;
  }
  shared.forks += forks;
  _exit(0);
}

template <int kCpus>
void forks_at_once() {
  auto* const shared = static_cast<Shared*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) give_up("mmap");
  for (int cpu = 0; cpu < kCpus; cpu++) {
    if (fork_or_give_up() == 0) fork_until_told(*shared, cpu);
  }
  while (shared->ready < kCpus) usleep(1'000);
  const Stopwatch watch;
  shared->go = true;
  usleep(2'000'000);
  shared->stop = true;
  const int64_t took = watch.elapsed();
  while (wait(nullptr) > 0) {
  }
  report(nullptr, kPerSecond, shared->forks * kSecond / took);
  munmap(shared, kPage);
}

BENCHMARK(one, "forks-at-once-1-cpu", (Machine{1, 1024, Clock::Real}), forks_at_once<1>(););
BENCHMARK(two, "forks-at-once-2-cpus", (Machine{2, 1024, Clock::Real}), forks_at_once<2>(););
BENCHMARK(four, "forks-at-once-4-cpus", (Machine{4, 1024, Clock::Real}), forks_at_once<4>(););

}  // namespace
}  // namespace bench
