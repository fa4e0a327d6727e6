// SPDX-License-Identifier: BSD-2-Clause
// Very many live processes: the time to create them all, to signal each, to reap each, and fork + exit + wait beside
// them. A kernel that cannot hold so many in this machine's memory gives no result.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

// Where a kernel has such a setting; another one's absence is no error.
void set(const char* path, int64_t value) {
  const int file = open(path, O_WRONLY);
  if (file < 0) return;
  dprintf(file, "%lld", static_cast<long long>(value));
  close(file);
}

void raise_limits(int64_t processes) {
  const int64_t enough = 2 * processes + 10'000;
  set("/proc/sys/kernel/pid_max", enough);
  set("/proc/sys/kernel/threads-max", enough);
  set("/proc/sys/kern/maxproc", enough);
  set("/proc/sys/kern/maxthread", enough);
  const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_NPROC, &all);
}

size_t free_bytes() {
  struct sysinfo information;
  if (sysinfo(&information) != 0) give_up("sysinfo");
  return information.freeram * information.mem_unit;
}

// A child that sleeps until it is killed; `ready` hears from it once it is about to.
pid_t sleeping_child(int ready) {
  const pid_t child = fork_or_give_up();
  if (child != 0) return child;
  (void)!write(ready, "x", 1);
  for (;;) pause();
}

template <size_t kProcesses>
void live_processes() {
  raise_limits(kProcesses);
  static pid_t children[kProcesses];
  int ready[2];
  if (pipe(ready) != 0) give_up("pipe");

  // The first hundred tell what the rest will take: better no result than a machine that runs out of memory.
  constexpr size_t kProbe = 100;
  const size_t free_before = free_bytes();
  int64_t created = 0;
  char bytes[kProbe];
  for (size_t i = 0; i < kProcesses; i += kProbe) {
    const Stopwatch watch;
    for (size_t j = 0; j < kProbe; j++) children[i + j] = sleeping_child(ready[1]);
    for (size_t heard = 0; heard < kProbe;) {
      const ssize_t got = read(ready[0], bytes, kProbe - heard);
      if (got <= 0) give_up("read");
      heard += static_cast<size_t>(got);
    }
    created += watch.elapsed();
    const size_t left = free_bytes();
    if (i + kProbe < kProcesses && (free_before - left) / (i + kProbe) * (kProcesses - i - kProbe) > left * 49 / 50) {
      for (size_t j = 0; j < i + kProbe; j++) kill(children[j], SIGKILL);
      for (size_t j = 0; j < i + kProbe; j++) waitpid(children[j], nullptr, 0);
      printf("skip %zu live processes do not fit into this machine's memory\n", kProcesses);
      return;
    }
  }
  report("create", kNanoseconds, created);
  report("memory", kBytes, static_cast<int64_t>(free_before - free_bytes()));
  report("fork-exit-wait", kNanoseconds, median<11>(fork_exit_wait_once));

  const Stopwatch signalled;
  for (const pid_t child : children) kill(child, SIGKILL);
  report("signal", kNanoseconds, signalled.elapsed());
  const Stopwatch reaped;
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  report("reap", kNanoseconds, reaped.elapsed());
  close(ready[0]);
  close(ready[1]);
}

BENCHMARK(ten_thousand, "processes-10000", kFresh, live_processes<10'000>(););
BENCHMARK(hundred_thousand, "processes-100000", (Machine{1, 5120, Clock::Counted, Boot::Fresh}), live_processes<100'000>(););

}  // namespace
}  // namespace bench
