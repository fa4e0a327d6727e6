// SPDX-License-Identifier: BSD-2-Clause
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trace {

namespace {

// As a shell tells it.
int run(char** command) {
  const pid_t child = fork();
  if (child < 0) {
    perror("tine-trace: fork");
    return 1;
  }
  if (child == 0) {
    execvp(command[0], command);
    fprintf(stderr, "tine-trace: %s: %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  signal(SIGINT, SIG_IGN);   // the command's to act on
  signal(SIGQUIT, SIG_IGN);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

constexpr char kAllEvents[] = "32768";   // as many as the kernel can keep
constexpr char kSetting[] = "/proc/sys/kern/trace_events";

bool tracing_is_on() {
  FILE* from = fopen(kSetting, "r");
  unsigned kept = 0;
  if (from == nullptr) return false;
  const bool read = fscanf(from, "%u", &kept) == 1;
  fclose(from);
  return read && kept != 0;
}

bool keep_events(const char* count) {
  FILE* to = fopen(kSetting, "w");
  const bool written = to != nullptr && fputs(count, to) >= 0;
  const bool kept = to != nullptr && fclose(to) == 0 && written;
  if (!kept) perror("tine-trace: kern.trace_events");
  return kept;
}

bool copy_events(const char* path) {
  FILE* from = fopen("/proc/tine/trace", "r");
  FILE* to = fopen(path, "a");
  if (from == nullptr || to == nullptr) {
    perror(from == nullptr ? "tine-trace: /proc/tine/trace" : path);
    return false;
  }
  char line[256];
  while (fgets(line, sizeof line, from) != nullptr) fprintf(to, "%s%s", kMark, line);
  fclose(from);
  return fclose(to) == 0;
}

}  // namespace

int record(const char* path, char** command) {
  const bool was_on = tracing_is_on();
  if (!was_on && !keep_events(kAllEvents)) return 1;
  const int status = run(command);
  const bool copied = copy_events(path);
  if (!was_on) keep_events("0");
  return copied ? status : 1;
}

}  // namespace trace
