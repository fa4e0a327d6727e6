// SPDX-License-Identifier: BSD-2-Clause
// What `./tine run` wants of this boot: a file of NUL-terminated strings in the initrd, first KEY=VALUE settings, then
// "--", then the command and its arguments.
#pragma once

namespace init {

struct Request {
  enum class Mode { Terminal, Command };
  Mode mode = Mode::Terminal;
  bool input_streams = false;  // standard input comes over the serial line; else it is /dev/null
  const char* term = "vt100";
  unsigned short rows = 0, columns = 0;  // 0: unknown
  char** command = nullptr;              // as for execvp; null for a login shell
};

// Reads the request. Without one (a plain boot of the initrd) this is a shell on the console, or the command that
// the kernel command line gives after `--`.
Request read_request(char** kernel_arguments);

}  // namespace init
