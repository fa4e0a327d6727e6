// SPDX-License-Identifier: BSD-2-Clause
// tine-trace: the two halves of ./tine trace. `record` runs in the guest, `chrome` anywhere.
#include <stdio.h>
#include <string.h>

#include "chrome.h"
#include "record.h"

namespace {

int help(FILE* to) {
  fputs(
      "usage: tine-trace record FILE COMMAND [ARGUMENT...]\n"
      "       tine-trace chrome [FILE]\n"
      "\n"
      "record  runs the command, then adds the kernel's tracepoints to FILE, a line each, after \"tine-trace: \".\n"
      "        Exits with the command's status. Where tracing is off (sysctl kern.trace_events) it is on meanwhile,\n"
      "        which only root can do.\n"
      "chrome  reads tracepoints (as record or /proc/tine/trace gives them) from FILE or standard input and prints them\n"
      "        in Chrome's trace format, which ui.perfetto.dev and chrome://tracing show.\n",
      to);
  return to == stdout ? 0 : 2;
}

}  // namespace

int main(int count, char** arguments) {
  const char* verb = count > 1 ? arguments[1] : "";
  if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) return help(stdout);
  if (strcmp(verb, "record") == 0 && count >= 4) return trace::record(arguments[2], arguments + 3);
  if (strcmp(verb, "chrome") == 0 && count <= 3) return trace::print_chrome(count == 3 ? arguments[2] : nullptr);
  return help(stderr);
}
