/* SPDX-License-Identifier: BSD-2-Clause
 * Waiting for children in the BSD form. Source: wait4(2) of FreeBSD. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status that wait(2) would have told. */
static int status_of(const siginfo_t* info) {
  switch (info->si_code) {
    case CLD_EXITED: return (info->si_status & 0xff) << 8;
    case CLD_KILLED: return info->si_status;
    case CLD_DUMPED: return info->si_status | 0x80;
    case CLD_CONTINUED: return 0xffff;
    default: return info->si_status << 8 | 0x7f; /* stopped */
  }
}

/* wait4(2) of Linux reaps in any case; waitid(2) need not. */
static pid_t wait_and_keep(pid_t pid, int* status, int options, struct rusage* usage) {
  const idtype_t type = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
  siginfo_t info = {0};
  if (syscall(SYS_waitid, type, pid < -1 ? -pid : pid, &info, options | WEXITED, usage) != 0) return -1;
  if (status != NULL && info.si_pid != 0) *status = status_of(&info);
  return info.si_pid;
}

extern pid_t libc_wait4(pid_t, int*, int, struct rusage*) __asm__("wait4");
pid_t wait4(pid_t pid, int* status, int options, struct rusage* usage) {
  options &= ~(WEXITED | WTRAPPED);
  return options & WNOWAIT ? wait_and_keep(pid, status, options, usage) : libc_wait4(pid, status, options, usage);
}

extern pid_t libc_waitpid(pid_t, int*, int) __asm__("waitpid"); /* a cancellation point */
pid_t waitpid(pid_t pid, int* status, int options) {
  return options & (WEXITED | WTRAPPED | WNOWAIT) ? wait4(pid, status, options, NULL)
                                                  : libc_waitpid(pid, status, options);
}
