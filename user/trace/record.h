// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace trace {

// What each recorded line begins with, so that kernel messages on the same line can be told apart.
inline constexpr char kMark[] = "tine-trace: ";

// Runs the command with tracing on and adds the tracepoints to `path`; the status to exit with.
int record(const char* path, char** command);

}  // namespace trace
