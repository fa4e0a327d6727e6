// SPDX-License-Identifier: BSD-2-Clause
#include "process/peers.h"

#include "process/thread.h"
#include "sched/scheduler.h"

namespace tine::process {

void join_peers(Process& creator, Process& child) {
  Process& leader = creator.leader ? *creator.leader : creator;
  child.leader = &leader;
  child.next_peer = std::exchange(leader.next_peer, &child);
  leader.peer_wait.wake_all();   // a leader that is ending kills this one too
}

void end_peers(Process& leader) {
  if (leader.leader) return;
  // A peer may itself be forking: what joins meanwhile wakes the leader, which kills again. It is past taking signals.
  (void)sched::wait_until(leader.peer_wait, {"peers", sched::Sleep::Uninterruptible}, [&] {
    sync::SpinGuard guard(tree_lock);
    for (Process* peer = leader.next_peer; peer != nullptr; peer = peer->next_peer)
      send_signal(*peer, kernel_signal(kSigKill));
    return leader.next_peer == nullptr;
  });
}

void leave_peers(Process& peer) {
  Ref<Process> leader;   // released after the lock
  sync::SpinGuard guard(tree_lock);
  leader.swap(peer.leader);
  if (!leader) return;
  Process** link = &leader->next_peer;
  while (*link != &peer) link = &(*link)->next_peer;
  *link = std::exchange(peer.next_peer, nullptr);
  leader->peer_wait.wake_all();
}

}  // namespace tine::process
