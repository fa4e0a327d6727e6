// SPDX-License-Identifier: BSD-2-Clause
// What a forked child takes while it sleeps: free memory, as sysinfo(2) tells it, before and after many forks. All that
// the kernel holds for the child counts, and the few pages that it writes before it sleeps. /proc/meminfo tells how much
// of that are page tables and how much the program's pages.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

// In bytes.
struct Memory {
  int64_t free, tables, pages;
};

int64_t field(const char* text, const char* name) {
  const char* found = strstr(text, name);
  return found == nullptr ? 0 : atoll(found + strlen(name)) * 1024;
}

Memory look() {
  struct sysinfo information;
  if (sysinfo(&information) != 0) give_up("sysinfo");
  static char text[8192];
  const int file = open("/proc/meminfo", O_RDONLY);
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) give_up("/proc/meminfo");
  text[size] = '\0';
  return {static_cast<int64_t>(information.freeram) * information.mem_unit, field(text, "PageTables:"),
          field(text, "AnonPages:")};
}

// The difference between the larger and the smaller number of children, per child: what the first children make a kernel
// fetch for all does not count. In a fresh machine, or what it has in stock after other children would be left out.
// The children are a process group, by which they are found again: a list of them would be a page that the program writes
// between any two forks, so that each child keeps a copy of it.
template <size_t kFew, size_t kMany>
void report_idle_children() {
  pid_t group = 0;
  Memory at_few = look();  // warms up: the kernel fetches what it needs for that
  int ready[2];
  if (pipe(ready) != 0) give_up("pipe");
  for (size_t i = 0; i < kMany; i++) {
    const pid_t child = fork_or_give_up();
    if (child == 0) {
      if (setpgid(0, group) != 0) give_up("setpgid");
      (void)!write(ready[1], "x", 1);
      for (;;) pause();
    }
    char byte;
    (void)!read(ready[0], &byte, 1);
    if (group == 0) group = child;
    if (i + 1 == kFew) at_few = look();
  }
  const Memory at_many = look();
  kill(-group, SIGKILL);
  while (waitpid(-group, nullptr, 0) > 0) {}
  close(ready[0]);
  close(ready[1]);
  constexpr auto kNumber = static_cast<int64_t>(kMany - kFew);
  report(nullptr, kBytes, (at_few.free - at_many.free) / kNumber);
  report("tables", kBytes, (at_many.tables - at_few.tables) / kNumber);
  report("pages", kBytes, (at_many.pages - at_few.pages) / kNumber);
}

BENCHMARK(small, "idle-child-small", kFresh, report_idle_children<200, 1'200>(););
BENCHMARK(large, "idle-child-256M", kFresh, const Touched memory(256 * kMiB); report_idle_children<20, 120>(););

}  // namespace
}  // namespace bench
