// SPDX-License-Identifier: BSD-2-Clause
// The two ways in which init runs the one program of a boot. Both start it in a session of its own, reap every orphan
// meanwhile, and return its status as a shell would tell it (128 + signal number for a death by signal).
#pragma once

#include "request.h"

namespace init {

// On the console's terminal, which becomes the session's controlling terminal.
int run_on_terminal(const Request& request);

// On pipes that init pumps to and from the console's line, byte for byte.
int run_command(const Request& request);

// For both, in the child: replaces the process image, or says why not and exits with 127 or 126.
[[noreturn]] void exec_or_explain(char** command);

// For both: collects whatever child has ended. Returns true, with its status, once `main_child` is among them.
bool reap(int main_child, int wait_flags, int* status);

}  // namespace init
