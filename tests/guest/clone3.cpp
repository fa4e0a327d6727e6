// SPDX-License-Identifier: BSD-2-Clause
// clone3(2): what it refuses, and the pid that its caller chooses. pidfds as files.
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace {

struct CloneArguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
constexpr uint64_t kSigHand = 0x800, kVm = 0x100, kParent = 0x8000,
                   kClearSigHand = 0x100000000, kIntoCgroup = 0x200000000;

long clone3(const CloneArguments& arguments, size_t size = sizeof(CloneArguments)) {
  const long pid = syscall(SYS_clone3, &arguments, size);
  if (pid == 0) _exit(5);
  return pid;
}

CloneArguments plain() {
  CloneArguments arguments{};
  arguments.exit_signal = SIGCHLD;
  return arguments;
}

CloneArguments with_flags(uint64_t flags) {
  CloneArguments arguments = plain();
  arguments.flags = flags;
  return arguments;
}

pid_t unused_pid() {
  const pid_t child = start_child([] {});
  CHECK_EQ(wait_for(child), 0);
  return child;
}

int64_t descriptor_field(int descriptor, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor);
  const char* at = strstr(read_text(path), name);
  return at ? strtoll(at + strlen(name), nullptr, 10) : INT64_MIN;
}

}  // namespace

TEST(clone3_refuses_flags_that_it_does_not_know) {
  for (unsigned bit = 34; bit < 64; ++bit) CHECK_ERRNO(clone3(with_flags(uint64_t{1} << bit)), EINVAL);
  CHECK_ERRNO(clone3(with_flags(1)), EINVAL);            // a signal belongs into its own field
  CHECK_ERRNO(clone3(with_flags(0x400000)), EINVAL);     // CLONE_DETACHED
}

TEST(clone3_refuses_contradictions) {
  CHECK_ERRNO(clone3(with_flags(kVm | kSigHand | kClearSigHand)), EINVAL);
  CHECK_ERRNO(clone3(with_flags(kParent)), EINVAL);      // with an exit signal
  CHECK_ERRNO(clone3(with_flags(kSigHand)), EINVAL);     // without CLONE_VM
  CloneArguments arguments = plain();
  arguments.exit_signal = 65;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments.exit_signal = (uint64_t{1} << 32) | SIGCHLD;
  CHECK_ERRNO(clone3(arguments), EINVAL);
}

TEST(clone3_wants_a_stack_with_a_size) {
  static char stack[4096];
  CloneArguments arguments = plain();
  arguments.stack = reinterpret_cast<uint64_t>(stack);
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments = plain();
  arguments.stack_size = sizeof stack;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments.stack = ~uint64_t{0} - 4096;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments.stack = 4096;
  arguments.stack_size = ~uint64_t{0} - 100;
  CHECK_ERRNO(clone3(arguments), EINVAL);
}

TEST(clone3_into_a_control_group_wants_a_descriptor_of_one) {
  CloneArguments arguments = with_flags(kIntoCgroup);
  arguments.cgroup = 4000;
  CHECK_ERRNO(clone3(arguments), EBADF);
  arguments.cgroup = static_cast<uint64_t>(CHECK_OK(open("/", O_RDONLY)));
  CHECK_ERRNO(clone3(arguments), EBADF);
  arguments.cgroup = uint64_t{1} << 32;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  CHECK_ERRNO(clone3(with_flags(kIntoCgroup), 64), EINVAL);   // the field is not passed
}

TEST(clone3_gives_the_pid_that_root_asks_for) {
  const pid_t wanted = unused_pid();
  CloneArguments arguments = plain();
  arguments.set_tid = reinterpret_cast<uint64_t>(&wanted);
  arguments.set_tid_size = 1;
  CHECK_EQ(CHECK_OK(clone3(arguments)), wanted);
  CHECK_ERRNO(clone3(arguments), EEXIST);
  CHECK_EQ(wait_for(wanted), 5);
  CHECK_EQ(CHECK_OK(clone3(arguments)), wanted);
  CHECK_EQ(wait_for(wanted), 5);
}

TEST(clone3_checks_the_pid_that_is_asked_for) {
  pid_t wanted = 0;
  CloneArguments arguments = plain();
  arguments.set_tid = reinterpret_cast<uint64_t>(&wanted);
  CHECK_ERRNO(clone3(arguments), EINVAL);   // a place, but no number
  arguments.set_tid_size = 1;
  for (const int number : Ints{0, -1, INT32_MAX}) {
    wanted = number;
    CHECK_ERRNO(clone3(arguments), EINVAL);
  }
  wanted = unused_pid();
  arguments.set_tid = 8;
  CHECK_ERRNO(clone3(arguments), EFAULT);
  arguments.set_tid = 0;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments.set_tid = reinterpret_cast<uint64_t>(&wanted);
  arguments.set_tid_size = 33;
  CHECK_ERRNO(clone3(arguments), EINVAL);
  arguments.set_tid_size = 1;
  CHECK_EQ(in_child([&] {
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(clone3(arguments), EPERM);
           }),
           0);
}

TEST(waitid_by_a_non_blocking_pidfd_does_not_wait) {
  Gate go;
  const pid_t child = start_child([&] { go.wait(); });
  const int fd = static_cast<int>(CHECK_OK(syscall(SYS_pidfd_open, child, O_NONBLOCK)));
  siginfo_t info;
  CHECK_ERRNO(waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(fd), &info, WEXITED), EAGAIN);
  CHECK_OK(waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(fd), &info, WEXITED | WNOHANG));
  go.open();
  CHECK(eventually([&] { return waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(fd), &info, WEXITED) == 0; }));
  CHECK_EQ(info.si_pid, child);
}

TEST(pidfd_send_signal_takes_a_directory_of_proc) {
  const pid_t child = start_child([] { pause(); });
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", child);
  const int place = CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
  CHECK_OK(syscall(SYS_pidfd_send_signal, place, 0, nullptr, 0));
  CHECK_OK(syscall(SYS_pidfd_send_signal, place, SIGTERM, nullptr, 0));
  CHECK_EQ(wait_for(child), 128 + SIGTERM);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, place, 0, nullptr, 0), ESRCH);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, CHECK_OK(open("/proc", O_RDONLY)), 0, nullptr, 0), EBADF);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, CHECK_OK(open("/", O_RDONLY)), 0, nullptr, 0), EBADF);
}

TEST(fdinfo_of_a_pidfd_names_its_process) {
  const pid_t child = start_child([] { pause(); });
  const int fd = static_cast<int>(CHECK_OK(syscall(SYS_pidfd_open, child, 0)));
  CHECK_EQ(descriptor_field(fd, "Pid:\t"), child);
  CHECK_EQ(descriptor_field(fd, "NSpid:\t"), child);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
  CHECK_EQ(descriptor_field(fd, "Pid:\t"), -1);
}
