// SPDX-License-Identifier: BSD-2-Clause
// What a new thread starts with, and its first step. Shared by fork.cpp and thread_fork.cpp. Seed rows S1, C13, C19.
#pragma once

namespace tine::process {

class Thread;
struct ForkRequest;

// Registers, extended state, scheduling parameters and name, as the request says. The caller is the running thread.
void inherit_thread_state(Thread& caller, Thread& made, const ForkRequest& request);

// Makes the embryo's kernel stack start at the trampoline. It then goes to user mode or to its kernel function.
void prepare_first_step(Thread& thread);

// Hands a committed thread to the scheduler, which holds a reference until the thread's stack is free again.
void launch(Thread& thread);

}  // namespace tine::process
