/* SPDX-License-Identifier: BSD-2-Clause
 * The BSD calls that are one system call each. */
#include <errno.h>
#include <string.h>
#include <sys/event.h>
#include <sys/ktrace.h>
#include <sys/mman.h>
#include <sys/procctl.h>
#include <sys/procdesc.h>
#include <sys/sysctl.h>
#include <sys/tfork.h>
#include <tine/syscall.h>
#include <unistd.h>

pid_t rfork(int flags) { return (pid_t)syscall(TINE_SYS_rfork, flags); }

void __threxit(pid_t* not_dead) {
  for (;;) syscall(TINE_SYS_threxit, not_dead);
}

int getthrid(void) { return (int)syscall(TINE_SYS_getthrid); }
int minherit(void* start, size_t size, int inherit) { return (int)syscall(TINE_SYS_minherit, start, size, inherit); }
extern void* libc_mmap(void*, size_t, int, int, int, off_t) __asm__("mmap");
void* mmap(void* start, size_t size, int protection, int flags, int descriptor, off_t offset) {
  const int sharing = flags & (MAP_PRIVATE | MAP_SHARED) ? 0 : MAP_PRIVATE;
  return libc_mmap(start, size, protection, flags | sharing, descriptor, offset);
}
int issetugid(void) { return (int)syscall(TINE_SYS_issetugid); }
int pledge(const char* promises, const char* execpromises) {
  return (int)syscall(TINE_SYS_pledge, promises, execpromises);
}
int unveil(const char* path, const char* permissions) { return (int)syscall(TINE_SYS_unveil, path, permissions); }
int pinsyscalls(void* base, size_t size, const unsigned int* pins, int count) {
  return (int)syscall(TINE_SYS_pinsyscalls, base, size, pins, (long)count);
}
int profil(char* counters, size_t size, unsigned long offset, unsigned int scale) {
  return (int)syscall(TINE_SYS_profil, counters, size, offset, scale);
}
int closefrom(int lowest) { return (int)syscall(TINE_SYS_closefrom, lowest); }
int setlogin(const char* name) { return (int)syscall(TINE_SYS_setlogin, name); }

int getlogin_r(char* name, size_t size) { return syscall(TINE_SYS_getlogin, name, size) == 0 ? 0 : errno; }

char* getlogin(void) {
  static char name[32];
  return getlogin_r(name, sizeof name) == 0 && name[0] != '\0' ? name : NULL;
}

pid_t pdfork(int* descriptor, int flags) { return (pid_t)syscall(TINE_SYS_pdfork, descriptor, flags); }
int pdkill(int descriptor, int signal) { return (int)syscall(TINE_SYS_pdkill, descriptor, signal); }
int pdgetpid(int descriptor, pid_t* pid) { return (int)syscall(TINE_SYS_pdgetpid, descriptor, pid); }
pid_t pdwait4(int descriptor, int* status, int options, struct rusage* usage) {
  return (pid_t)syscall(TINE_SYS_pdwait4, descriptor, status, options, usage);
}
int pdwait(int descriptor, int* status, int options, struct __wrusage* usage, siginfo_t* info) {
  struct rusage* self = usage != NULL ? &usage->wru_self : NULL;
  struct rusage* children = usage != NULL ? &usage->wru_children : NULL;
  return (int)syscall(TINE_SYS_pdwait, descriptor, status, options, self, children, info);
}

int procctl(idtype_t type, id_t id, int command, void* data) {
  return (int)syscall(TINE_SYS_procctl, type, id, command, data);
}

int kqueue1(int flags) { return (int)syscall(TINE_SYS_kqueue, flags); }
int kqueue(void) { return kqueue1(0); }
int kevent(int kq, const struct kevent* changes, int change_count, struct kevent* events, int event_count,
           const struct timespec* timeout) {
  return (int)syscall(TINE_SYS_kevent, kq, changes, change_count, events, event_count, timeout);
}

int ktrace(const char* file, int operation, int trace_points, pid_t pid) {
  return (int)syscall(TINE_SYS_ktrace, file, operation, trace_points, pid);
}
int utrace(const char* label, const void* address, size_t size) {
  return (int)syscall(TINE_SYS_utrace, label, address, size);
}

int sysctl(const int* name, unsigned int length, void* old, size_t* old_size, const void* value, size_t value_size) {
  return (int)syscall(TINE_SYS_sysctl, name, length, old, old_size, value, value_size);
}
int sysctlbyname(const char* name, void* old, size_t* old_size, const void* value, size_t value_size) {
  return (int)syscall(TINE_SYS_sysctlbyname, name, strlen(name), old, old_size, value, value_size);
}

/* stacks.S ends here: a value, or an error as errno. */
__attribute__((visibility("hidden"))) int __tine_result(long value) {
  if (value >= 0 || value < -4095) return (int)value;
  errno = (int)-value;
  return -1;
}
