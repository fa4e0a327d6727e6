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
