// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Reapers: procctl(PROC_REAP_*) of FreeBSD. What a reaper is told of its descendants, and of whose branch each one is.
#include <signal.h>
#include <sys/procctl.h>
#include <unistd.h>

#include "check.h"

namespace {

int reap_control(int command, void* data = nullptr) { return procctl(P_PID, static_cast<id_t>(getpid()), command, data); }
void become_reaper() { CHECK_OK(reap_control(PROC_REAP_ACQUIRE)); }

procctl_reaper_status reaper_status() {
  procctl_reaper_status status = {};
  CHECK_OK(reap_control(PROC_REAP_STATUS, &status));
  return status;
}

// Of this reaper's descendants.
struct Descendants {
  procctl_reaper_pidinfo all[8] = {};
  int count = 0;
  Descendants() {
    procctl_reaper_pids request = {};
    request.rp_count = 8;
    request.rp_pids = all;
    CHECK_OK(reap_control(PROC_REAP_GETPIDS, &request));
    while (count < 8 && all[count].pi_flags & REAPER_PIDINFO_VALID) count++;
  }
  // 0: not among them.
  pid_t branch_of(pid_t process) const {
    for (int i = 0; i < count; i++)
      if (all[i].pi_pid == process) return all[i].pi_subtree;
    return 0;
  }
};

[[noreturn]] void stay() {
  for (;;) pause();
}

// Ids of processes that this one does not make itself.
struct Family {
  volatile pid_t parent, child, grandchild;
};

// A child of the caller's, with a child of its own: both stay.
void start_pair(Family& family) {
  family = {};
  start_child([&] {
    family.grandchild = start_child(stay);
    family.child = getpid();
    stay();
  });
  CHECK(eventually([&] { return family.child != 0; }));
}

void kill_and_wait(pid_t child) {
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
}

}  // namespace

TEST(K1_reaper_knows_its_descendants) {
  Family& family = shared<Family>();
  CHECK(!(reaper_status().rs_flags & REAPER_STATUS_OWNED));
  become_reaper();
  CHECK_ERRNO(reap_control(PROC_REAP_ACQUIRE), EBUSY);
  CHECK_EQ(reaper_status().rs_pid, -1);
  start_pair(family);
  const procctl_reaper_status status = reaper_status();
  CHECK_EQ(status.rs_flags, REAPER_STATUS_OWNED);
  CHECK_EQ(status.rs_reaper, getpid());
  CHECK_EQ(status.rs_children, 1);
  CHECK_EQ(status.rs_descendants, 2);
  CHECK_EQ(status.rs_pid, static_cast<pid_t>(family.child));
  const Descendants descendants;
  CHECK_EQ(descendants.branch_of(family.child), static_cast<pid_t>(family.child));
  CHECK_EQ(descendants.branch_of(family.grandchild), static_cast<pid_t>(family.child));
  kill_and_wait(family.child);
  kill_and_wait(family.grandchild);
  CHECK_EQ(Descendants().count, 0);
  CHECK_OK(reap_control(PROC_REAP_RELEASE));
  CHECK_ERRNO(reap_control(PROC_REAP_RELEASE), EINVAL);
}

TEST(K1_branch_of_a_reapers_child_outlives_it) {
  Family& first = shared<Family>();
  Family& second = shared<Family>();
  become_reaper();
  start_pair(first);
  start_pair(second);
  kill_and_wait(first.child);
  kill_and_wait(second.child);
  const Descendants descendants;
  CHECK_EQ(descendants.count, 2);
  CHECK_EQ(descendants.branch_of(first.grandchild), static_cast<pid_t>(first.child));
  CHECK_EQ(descendants.branch_of(second.grandchild), static_cast<pid_t>(second.child));
  // So a whole branch can be killed.
  procctl_reaper_kill order = {};
  order.rk_sig = SIGTERM;
  order.rk_flags = REAPER_KILL_SUBTREE;
  order.rk_subtree = first.child;
  CHECK_OK(reap_control(PROC_REAP_KILL, &order));
  CHECK_EQ(order.rk_killed, 1);
  CHECK_EQ(wait_for(first.grandchild), 128 + SIGTERM);
  CHECK_ERRNO(reap_control(PROC_REAP_KILL, &order), ESRCH);
  kill_and_wait(second.grandchild);
}

TEST(K1_reaper_below_another_gives_up_its_descendants_to_it) {
  Family& family = shared<Family>();
  become_reaper();
  static Gate release, released, end;
  start_child([&] {
    become_reaper();
    start_pair(family);
    kill_and_wait(family.child);
    CHECK_EQ(Descendants().branch_of(family.grandchild), static_cast<pid_t>(family.child));
    family.parent = getpid();
    release.wait();
    CHECK_OK(reap_control(PROC_REAP_RELEASE));
    CHECK(!(reaper_status().rs_flags & REAPER_STATUS_OWNED));
    released.open();
    end.wait();
  });
  CHECK(eventually([&] { return family.parent != 0; }));
  // While it is one, they are its own.
  CHECK_EQ(Descendants().count, 1);
  CHECK_EQ(reaper_status().rs_descendants, 1);
  release.open();
  released.wait();
  CHECK_EQ(Descendants().count, 2);
  CHECK_EQ(Descendants().branch_of(family.grandchild), static_cast<pid_t>(family.parent));
  end.open();
  CHECK_EQ(wait_for(family.parent), 0);
  CHECK_EQ(Descendants().branch_of(family.grandchild), static_cast<pid_t>(family.parent));
  kill_and_wait(family.grandchild);
}

TEST(K1_reaper_that_ends_leaves_its_descendants_in_its_own_branch) {
  Family& family = shared<Family>();
  become_reaper();
  const pid_t inner = start_child([&] {
    become_reaper();
    start_pair(family);
    stay();
  });
  CHECK(eventually([&] { return family.child != 0; }));
  kill_and_wait(inner);
  const Descendants descendants;
  CHECK_EQ(descendants.count, 2);
  CHECK_EQ(descendants.branch_of(family.child), inner);
  CHECK_EQ(descendants.branch_of(family.grandchild), inner);
  kill_and_wait(family.child);
  CHECK_EQ(Descendants().branch_of(family.grandchild), inner);
  kill_and_wait(family.grandchild);
}

// FreeBSD leaves them to the reaper that they had; Linux's orphans go to the nearest one.
TEST(K1_reaper_has_also_who_was_there_before) {
  Family& family = shared<Family>();
  start_pair(family);
  become_reaper();
  CHECK_EQ(Descendants().count, 2);
  CHECK_EQ(Descendants().branch_of(family.grandchild), static_cast<pid_t>(family.child));
  kill_and_wait(family.child);
  CHECK_EQ(Descendants().branch_of(family.grandchild), static_cast<pid_t>(family.child));
  kill_and_wait(family.grandchild);
}
