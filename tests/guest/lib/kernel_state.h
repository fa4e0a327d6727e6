// SPDX-License-Identifier: BSD-2-Clause
// What Tine tells of itself: its audit, what is allocated, how many processes there are. Each is silent where the kernel
// has no such file, as Linux. Also: ending all descendants of a test that lost sight of them.
#pragma once

#include <dirent.h>

#include "check.h"

namespace check {

// Fails with the findings when the kernel finds itself out of order. Exact only when nothing else runs.
void check_audit();

// How much of everything is allocated, with the caches of all CPUs drained.
struct KernelState {
  static constexpr int kMost = 128;
  struct Count {
    char name[80];
    long long value;
  };
  Count counts[kMost];
  int size = 0;

  // Takes what must not change. Nothing where the kernel does not tell.
  void take();
};

// Waits until as much is allocated as before: whether that came true, or else fails with what differs. What a dead process held may be given back a
// moment after its parent was told.
bool is_state_again(const KernelState& before);
void check_state_is_again(const KernelState& before);

// Calls `visit(pid)` for each process of the machine.
template <class Visitor>
void for_each_process(Visitor visit) {
  DIR* processes = opendir("/proc");
  CHECK(processes != nullptr);
  while (const dirent* entry = readdir(processes))
    if (const pid_t process = atoi(entry->d_name); process > 0) visit(process);
  closedir(processes);
}

// All processes with their states and what they wait for, a line each, to standard error.
void print_processes();

// Makes orphaned descendants children of this process.
void adopt_orphans();
// Kills and waits for every descendant. Fails when one lives on for so many seconds.
void end_descendants(int seconds);

}  // namespace check
