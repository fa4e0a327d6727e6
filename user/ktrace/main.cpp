// SPDX-License-Identifier: BSD-2-Clause
// ktrace: switches the tracing of processes on and off, or runs a command traced. Source: ktrace(1) of OpenBSD.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ktrace.h>
#include <unistd.h>

#include "points.h"

namespace {

int help(FILE* to) {
  fputs(
      "usage: ktrace [-aCcdi] [-f FILE] [-g GROUP | -p PID] [-t POINTS]\n"
      "       ktrace [-adi] [-f FILE] [-t POINTS] COMMAND [ARGUMENT...]\n"
      "\n"
      "Records system calls and more of processes in FILE (ktrace.out), which kdump prints.\n"
      "  -a  add to FILE instead of making it empty     -C  end all tracing into FILE\n"
      "  -c  end the tracing of these processes         -d  their descendants too\n"
      "  -i  children that they make from now on too    -t  c calls, e exec arguments, i I/O, n names, s signals,\n"
      "                                                     t structures, u user data, + all (the default)\n",
      to);
  return to == stdout ? 0 : 2;
}

int fail(const char* what) {
  fprintf(stderr, "ktrace: %s: %s\n", what, strerror(errno));
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  const char* file = "ktrace.out";
  bool append = false, clear = false, clear_file = false;
  unsigned points = ktrace_points::kAll, extra = 0;
  int flags = 0;
  pid_t pid = 0;
  if (count > 1 && strcmp(arguments[1], "--help") == 0) return help(stdout);
  for (int option; (option = getopt(count, arguments, "+aCcdif:g:p:t:")) != -1;) {
    switch (option) {
      case 'a': append = true; break;
      case 'C': clear_file = true; break;
      case 'c': clear = true; break;
      case 'd': flags |= KTRFLAG_DESCEND; break;
      case 'i': extra |= KTRFAC_INHERIT; break;
      case 'f': file = optarg; break;
      case 'g': pid = -atoi(optarg); break;
      case 'p': pid = atoi(optarg); break;
      case 't':
        points = ktrace_points::parse(optarg, ktrace_points::kAll);
        if (points == 0) return help(stderr);
        break;
      default: return help(stderr);
    }
  }
  const bool runs = optind < count;
  if (runs ? pid != 0 || clear || clear_file : pid == 0 && !clear_file) return help(stderr);
  if (clear_file) return ktrace(file, KTROP_CLEARFILE, static_cast<int>(points), 0) == 0 ? 0 : fail(file);
  if (clear) return ktrace(nullptr, KTROP_CLEAR | flags, static_cast<int>(points), pid) == 0 ? 0 : fail("cannot clear");

  const int made = open(file, O_CREAT | O_WRONLY | (append ? O_APPEND : O_TRUNC), 0600);
  if (made < 0) return fail(file);
  close(made);
  if (ktrace(file, KTROP_SET | flags, static_cast<int>(points | extra), runs ? getpid() : pid) != 0) return fail(file);
  if (!runs) return 0;
  execvp(arguments[optind], arguments + optind);
  fprintf(stderr, "ktrace: %s: %s\n", arguments[optind], strerror(errno));
  return errno == ENOENT ? 127 : 126;
}
