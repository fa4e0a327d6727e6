/* SPDX-License-Identifier: BSD-2-Clause
 * ptrace(2): what PT_READ_I and PT_READ_D find comes back as the value; -1 may be one, so errno is cleared. */
#include <errno.h>
#include <sys/ptrace.h>
#include <tine/syscall.h>
#include <unistd.h>

int ptrace(int request, pid_t pid, caddr_t addr, int data) {
  int word = 0;
  const int result = (int)syscall(TINE_SYS_ptrace, request, pid, addr, data, &word);
  if (result != 0 || (request != PT_READ_I && request != PT_READ_D)) return result;
  errno = 0;
  return word;
}
