// SPDX-License-Identifier: BSD-2-Clause
// Hearing of changes to what is mounted: mounts, moves, unmounts, other options.
#pragma once

#include "sched/wait_queue.h"

namespace tine::file {

sched::WaitQueue& mount_changes();    // woken after each
uint64_t mount_change_count();
void note_mount_change();             // no lock held

}  // namespace tine::file
