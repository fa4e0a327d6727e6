// SPDX-License-Identifier: BSD-2-Clause
// Who may look into a process: ptrace, process_vm_readv, pidfd_getfd, /proc.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tracee.h"

namespace {

// As a user who may look into what it starts.
void become_user() {
  CHECK_OK(setgid(1000));
  CHECK_OK(setuid(1000));
  CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
}

// A field of /proc/PID/NAME, `skip` words behind the label; -1: there is none.
long number_in(pid_t pid, const char* name, const char* label, int skip, int base = 10) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size > 0 ? size : 0] = '\0';
  char* at = strstr(text, label);
  if (at == nullptr) return -1;
  at += strlen(label);
  while (skip-- > 0) at += strspn(at, " \t"), at += strcspn(at, " \t");
  return strtol(at, nullptr, base);
}

}  // namespace

TEST(descriptor_of_another_process_is_for_whoever_may_trace_it) {
  CHECK_EQ(in_child([] {
    become_user();
    Gate closed;
    const pid_t child = start_child([&] {
      CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
      closed.open();
      while (true) pause();
    });
    const int process = CHECK_OK(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    closed.wait();
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, process, STDIN_FILENO, 0), EPERM);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(wait_for(child), 128 + SIGKILL);
  }), 0);
}

TEST(process_with_more_capabilities_is_guarded) {
  Gate ready;
  const pid_t able = start_child([&] {
    CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
    become_user();
    ready.open();
    while (true) pause();
  });
  ready.wait();
  CHECK_EQ(in_child([&] {
    become_user();
    char path[64];
    for (const char* name : (const char*[]){"mem", "environ", "maps"}) {
      snprintf(path, sizeof path, "/proc/%d/%s", able, name);
      char byte;
      const int file = open(path, O_RDONLY);
      if (file >= 0) CHECK_ERRNO(read(file, &byte, 1), EACCES);
      else CHECK_EQ(errno, EACCES);
    }
    CHECK_ERRNO(trace(PTRACE_SEIZE, able), EPERM);
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, CHECK_OK(static_cast<int>(syscall(SYS_pidfd_open, able, 0))), 0, 0), EPERM);
  }), 0);
  CHECK_OK(kill(able, SIGKILL));
  wait_for(able);
}

TEST(stat_tells_where_the_heap_is_to_whoever_may_look) {
  const auto heap = [](pid_t pid) { return number_in(pid, "stat", ")", 44); };
  const pid_t child = start_child([] {
    while (true) pause();
  });
  CHECK(heap(child) != 0);
  CHECK_EQ(in_child([&] {
    become_user();
    CHECK_EQ(heap(child), 0);
  }), 0);
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
}
