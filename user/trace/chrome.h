// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace trace {

// Prints the tracepoints of a file (null: of standard input) as Chrome's trace format; the status to exit with.
int print_chrome(const char* path);

}  // namespace trace
