// SPDX-License-Identifier: BSD-2-Clause
// For tests in which an ordinary user tries to stop the machine: how long root's work takes, beside the same work undisturbed.
// A ratio, not a time: the host may be busy.
#pragma once

#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check.h"

namespace check {

inline void become_ordinary_user() {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setgid(1000));
  CHECK_OK(setuid(1000));
}

inline int64_t time_of_fork_exit_wait() {
  const int64_t start = now_ns();
  CHECK_EQ(in_child([] {}), 0);
  return now_ns() - start;
}

inline int64_t time_of_socket_close() {
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  close(ends[0]);
  const int64_t start = now_ns();
  close(ends[1]);
  return now_ns() - start;
}

// The median of so many.
template <class Work>
int64_t median(Work work, int count = 101) {
  int64_t times[201];
  CHECK(count <= 201);
  for (int i = 0; i < count; i++) times[i] = work();
  qsort(times, static_cast<size_t>(count), sizeof *times, [](const void* a, const void* b) {
    const int64_t left = *static_cast<const int64_t*>(a), right = *static_cast<const int64_t*>(b);
    return left < right ? -1 : left > right;
  });
  return times[count / 2];
}

// Runs `attack` as an ordinary user in a child that says when it is under way and then goes on until it is killed, or
// returns. Root's `work` takes at most `factor` times as long meanwhile.
template <class Attack, class Work>
void expect_little_effect(Attack attack, Work work, int64_t factor) {
  int64_t before = median(work);
  if (before < 20'000) before = 20'000;   // less is not measured well
  Gate under_way;
  const pid_t attacker = start_child([&] {
    CHECK_OK(setpgid(0, 0));
    become_ordinary_user();
    attack(under_way);
    while (true) pause();
  });
  under_way.wait();
  const int64_t during = median(work);
  CHECK_OK(kill(-attacker, SIGKILL));
  CHECK_EQ(wait_for(attacker), 128 + SIGKILL);
  dprintf(STDERR_FILENO, "%lld us before, %lld us during\n", static_cast<long long>(before / 1000),
          static_cast<long long>(during / 1000));
  CHECK(during <= factor * before);
}

}  // namespace check
