// SPDX-License-Identifier: BSD-2-Clause
// Reapers: processes that adopt the orphans among their descendants. Each descendant belongs to the branch of one of the
// reaper's children, also when that child has ended. When a reaper ends or stops being one, what it had belongs to the branch
// that it is in itself. That is not written down for each process at that time: a process whose record names no reaper that
// is one takes its parent's. Source: procctl(2) of FreeBSD, PROC_REAP_*; it is the same thing as prctl(2)
// PR_SET_CHILD_SUBREAPER. Seed row K1.
#pragma once

#include "process/process.h"

namespace tine::process {

bool is_reaper(const Process& process) REQUIRES(tree_lock);
// False: it is one already, or none.
bool set_reaper(Process& process, bool value);

// The nearest reaper from `process` on upwards: itself, a reaper above it, or init.
Process& nearest_reaper(Process& process) REQUIRES(tree_lock);
// Whether `reaper` is the nearest one above `process`.
bool belongs_to(const Process& process, const Process& reaper) REQUIRES(tree_lock);

// Whether `process` descends from `ancestor`. False for the same process.
bool descends_from(const Process& process, const Process& ancestor) REQUIRES(tree_lock);

// The child of `reaper` from whose branch `process` comes, which must descend from it. Who was there before it was a reaper
// comes from the child of it now.
PidNumber branch_of(const Process& process, const Process& reaper) REQUIRES(tree_lock);

// Fork: `child` has its parent. Its creator begins a branch, or the child is in that of its creator.
void join_branch(const Process& creator, Process& child) REQUIRES(tree_lock);
// `child` of `former`, which ends, goes to `reaper` and stays in its branch, or comes into that of `former`.
void keep_branch(Process& child, const Process& former, const Process& reaper) REQUIRES(tree_lock);

}  // namespace tine::process
