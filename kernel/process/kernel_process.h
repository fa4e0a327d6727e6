// SPDX-License-Identifier: BSD-2-Clause
// Processes that run in the kernel only, and the first of all: process 0, from which every other one is forked.
// Seed rows E7, R11, R15, X1, X2.
#pragma once

#include "base/result.h"

namespace tine::process {

// Boot, once: makes process 0 with one thread that runs function(argument) on the boot CPU once the idle loop runs.
Result<> start_process_zero(void (*function)(void*), void* argument);

// Boot, once all CPUs run and before process 1: gives each of them a process for the time when there is nothing to do.
Result<> start_idle_processes();

// Boot: makes a process that runs function(nullptr), which never returns, for work that nobody is to wait for.
Result<> start_kernel_process(const char* name, void (*function)(void*));

}  // namespace tine::process
