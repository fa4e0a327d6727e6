// SPDX-License-Identifier: BSD-2-Clause
// For tests of ptrace(2): children that are traced, and what wait tells of them.
#pragma once

#define _TINE_LINUX_PTRACE
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "check.h"

namespace check {

constexpr int kEventStop = 128;   // PTRACE_EVENT_STOP

inline long trace(int request, pid_t pid, uintptr_t address = 0, uintptr_t data = 0) {
  return ptrace(static_cast<decltype(PTRACE_CONT)>(request), pid, address, data);
}

// The status that wait tells next of `pid`.
inline int wait_status(pid_t pid, int options = __WALL) {
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, options), pid);
  return status;
}

// It has stopped by `signal`, with `event` (0: none).
inline void expect_stop(pid_t pid, int signal, int event = 0) {
  const int status = wait_status(pid);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(status >> 8, signal | event << 8);
}

inline void expect_exit(pid_t pid, int code) {
  const int status = wait_status(pid);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), code);
}

// A child that has asked to be traced and stopped itself; it goes on with `body`.
template <class Body>
pid_t start_traced(Body body, long options = 0) {
  const pid_t child = start_child([&] {
    CHECK_OK(trace(PTRACE_TRACEME, 0));
    raise(SIGSTOP);
    body();
  });
  expect_stop(child, SIGSTOP);
  if (options != 0) CHECK_OK(trace(PTRACE_SETOPTIONS, child, 0, options));
  return child;
}

inline user_regs_struct registers_of(pid_t pid) {
  user_regs_struct registers = {};
  CHECK_OK(trace(PTRACE_GETREGS, pid, 0, reinterpret_cast<uintptr_t>(&registers)));
  return registers;
}

inline unsigned long event_message(pid_t pid) {
  unsigned long message = 0;
  CHECK_OK(trace(PTRACE_GETEVENTMSG, pid, 0, reinterpret_cast<uintptr_t>(&message)));
  return message;
}

inline siginfo_t signal_info(pid_t pid) {
  siginfo_t info = {};
  CHECK_OK(trace(PTRACE_GETSIGINFO, pid, 0, reinterpret_cast<uintptr_t>(&info)));
  return info;
}

}  // namespace check
