// SPDX-License-Identifier: BSD-2-Clause
#include "kernel_state.h"

#include <signal.h>
#include <sys/prctl.h>

namespace check {

void check_audit() {
  if (access("/proc/tine/audit", R_OK) != 0) return;
  const char* findings = read_text("/proc/tine/audit");
  if (strcmp(findings, "audit: clean\n") != 0) fail(__FILE__, __LINE__, "%.400s", findings);
}

// What the kernel is compared with afterwards. Taken once before the first comparison starts, so that the pages that
// taking and comparing need are already there and do not count as lost.
static KernelState now;

// The stack that comparing takes, in pages that are there before frames are counted.
[[gnu::noinline]] static void touch_stack() {
  volatile char room[64 * 1024];
  for (size_t i = 0; i < sizeof room; i += 1024) room[i] = 0;
}

// The count at the end of "NAME SIZE COUNT", which is cut off to be "NAME"; -1: it is not like that.
static long long take_count(char* text) {
  char* count = strrchr(text, ' ');
  if (count == nullptr) return -1;
  *count++ = '\0';
  char* size = strrchr(text, ' ');
  if (size == nullptr) return -1;
  *size = '\0';
  return atoll(count);
}

// The parent that the process's line in /proc/PID/stat names; 0: it does not. The name before it may hold a parenthesis of
// its own: the last one ends it.
static pid_t parent_in(const char* stat_line) {
  const char* after_name = strrchr(stat_line, ')');
  pid_t parent = 0;
  return after_name != nullptr && sscanf(after_name, ") %*c %d", &parent) == 1 ? parent : 0;
}

// Anonymous pages of those who run the test, up to init. They go on meanwhile, and may touch one for the first time at any
// moment.
static long long frames_of_ancestors() {
  long long frames = 0;
  for (pid_t process = getppid(); process > 0;) {
    char path[32];
    long long resident = 0, of_files = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", process);
    CHECK_EQ(sscanf(read_text(path), "%*d %lld %lld", &resident, &of_files), 2);
    frames += resident - of_files;
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    process = parent_in(read_text(path));
  }
  return frames;
}

// The frames of each kind are named so; only told when something else is not as before.
static constexpr char kFrames[] = "frames ";

// Free frames and objects count; how frames in use are divided may shift between kinds. What is kept once made counts as
// free: the tables that map kernel stacks, and what the caches of objects occupy, as each kind of objects is counted itself.
// So does what those have who run the test.
void KernelState::take() {
  if (this != &now) {
    touch_stack();
    now.take();
  }
  memset(static_cast<void*>(counts), 0, sizeof counts);   // its pages, before frames are counted
  static void* volatile heap = malloc(1);   // the heap's region and first page
  (void)heap;
  long long free_frames = 0;
  size = 0;
  if (access("/proc/tine/objects", R_OK) != 0) return;
  const auto add = [this](const char* name, long long value) {
    if (size == kMost) fail(__FILE__, __LINE__, "more kinds of objects than %d", kMost);
    snprintf(counts[size].name, sizeof counts[size].name, "%s", name);
    counts[size++].value = value;
  };
  for (const char* line = read_text("/proc/tine/objects"); *line;) {
    char name[80];
    long long value;
    // A type's name may hold a space: "(anonymous namespace)".
    if (sscanf(line, "objects %79[^\n]", name) == 1 && (value = take_count(name)) >= 0) add(name, value);
    if (sscanf(line, "frames %39s %lld", name, &value) == 2) {
      static constexpr const char* kKept[] = {"free", "caches", "stack-tables"};
      for (const char* kind : kKept)
        if (strcmp(name, kind) == 0) free_frames += value;
      memmove(name + strlen(kFrames), name, strlen(name) + 1);
      memcpy(name, kFrames, strlen(kFrames));
      add(name, value);
    }
    line += strcspn(line, "\n");
    line += *line == '\n';
  }
  add("free frames", free_frames + frames_of_ancestors());
  const char* const files[] = {"/proc/sys/kern/nprocs", "/proc/sys/kern/nthreads"};
  for (const char* name : files) add(name, atoll(read_text(name)));
}

// By name: a kind that was never used before is not listed then.
static long long value_of(const KernelState& state, const char* name) {
  for (int i = 0; i < state.size; i++)
    if (strcmp(state.counts[i].name, name) == 0) return state.counts[i].value;
  return 0;
}

static bool is_again(const char* name, long long then, long long value) {
  if (strncmp(name, kFrames, strlen(kFrames)) == 0) return true;
  return value == then;
}

bool is_state_again(const KernelState& before) {
  if (before.size == 0) return true;
  return eventually([&] {
    now.take();
    for (int i = 0; i < now.size; i++)
      if (!is_again(now.counts[i].name, value_of(before, now.counts[i].name), now.counts[i].value)) return false;
    return true;
  });
}

void check_state_is_again(const KernelState& before) {
  if (is_state_again(before)) return;
  for (int i = 0; i < now.size; i++) {
    const long long then = value_of(before, now.counts[i].name);
    if (then != now.counts[i].value)
      dprintf(STDERR_FILENO, "%s: %lld before, %lld now\n", now.counts[i].name, then, now.counts[i].value);
  }
  fail(__FILE__, __LINE__, "not everything was given back");
}

void adopt_orphans() { CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }

// Calls `visit(process, line)` with /proc/PID/stat of each process.
template <class Visitor>
static void for_each_stat(Visitor visit) {
  for_each_process([&](pid_t process) {
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE* file = fopen(path, "re");
    if (!file) return;
    const char* line = fgets(text, sizeof text, file);
    fclose(file);
    if (line) visit(process, line);
  });
}

static void kill_children() {
  for_each_stat([](pid_t process, const char* line) {
    if (parent_in(line) == getpid()) kill(process, SIGKILL);
  });
}

void print_processes() {
  for_each_stat([](pid_t process, const char* line) {
    char path[32], where[64] = "";
    snprintf(path, sizeof path, "/proc/%d/wchan", process);
    if (FILE* file = fopen(path, "re")) {
      if (!fgets(where, sizeof where, file)) where[0] = '\0';
      fclose(file);
    }
    dprintf(STDERR_FILENO, "%.70s ... in %s\n", line, where);
  });
}

void end_descendants(int seconds) {
  const bool ended = eventually(
      [] {
        kill_children();
        pid_t child;
        while ((child = waitpid(-1, nullptr, WNOHANG | __WALL)) > 0) {
        }
        return child < 0 && errno == ECHILD;
      },
      seconds);
  if (!ended) fail(__FILE__, __LINE__, "a descendant does not end");
}

}  // namespace check
