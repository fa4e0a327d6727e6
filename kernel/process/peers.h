// SPDX-License-Identifier: BSD-2-Clause
// Peers: processes that rfork(2) with RFTHREAD put under one leader, FreeBSD's threads before there were any. They are
// on a list that starts at the leader; when the leader exits it kills them and waits until none is left. Seed row R9.
// Lock: tree_lock.
#pragma once

#include "process/process.h"

namespace tine::process {

// Puts an embryo among the peers of its creator.
void join_peers(Process& creator, Process& child) REQUIRES(tree_lock);

// At the end of a process: a leader kills its peers and sleeps until they have ended; a peer leaves its leader.
void end_peers(Process& leader) EXCLUDES(tree_lock);
void leave_peers(Process& peer) EXCLUDES(tree_lock);

}  // namespace tine::process
