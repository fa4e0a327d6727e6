// SPDX-License-Identifier: BSD-2-Clause
// What Tine tells of itself: its audit, what is allocated, how many processes there are. Each is silent where the kernel
// has no such file, as Linux. Also: ending all descendants of a test that lost sight of them.
#pragma once

#include "check.h"

namespace check {

// Fails with the findings when the kernel finds itself out of order. Exact only when nothing else runs.
void check_audit();

// How much of everything is allocated, with the caches of all CPUs drained.
struct KernelState {
  static constexpr int kMost = 128;
  struct Count {
    char name[48];
    long long value;
  };
  Count counts[kMost];
  int size = 0;

  // Takes what must not change. Nothing where the kernel does not tell.
  void take();
};

// Waits until as much is allocated as before; fails with what differs. What a dead process held may be given back a
// moment after its parent was told.
void check_state_is_again(const KernelState& before);

// Makes orphaned descendants children of this process.
void adopt_orphans();
// Kills and waits for every descendant. Fails when one lives on for so many seconds.
void end_descendants(int seconds);

}  // namespace check
