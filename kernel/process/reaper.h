// SPDX-License-Identifier: BSD-2-Clause
// Reapers: processes that adopt the orphans among their descendants. Source: procctl(2) of FreeBSD, PROC_REAP_*; it is
// the same thing as prctl(2) PR_SET_CHILD_SUBREAPER. Seed row K1.
#pragma once

#include "process/process.h"

namespace tine::process {

// The nearest reaper from `process` on upwards: itself, a reaper above it, or init.
Process& nearest_reaper(Process& process) REQUIRES(tree_lock);

// Whether `process` descends from `ancestor`. False for the same process.
bool descends_from(const Process& process, const Process& ancestor) REQUIRES(tree_lock);

// The child of `ancestor` through which `process` descends from it, which must be so.
const Process& subtree_of(const Process& process, const Process& ancestor) REQUIRES(tree_lock);

}  // namespace tine::process
