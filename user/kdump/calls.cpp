// SPDX-License-Identifier: BSD-2-Clause
#include "calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

namespace kdump {

namespace {

struct Name {
  int number;
  const char* name;
};
constexpr Name kCalls[] = {
#include "call_names.inc"
};
constexpr Name kErrors[] = {
#include "error_names.inc"
};
constexpr const char* kSignals[] = {
    nullptr,   "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",    "SIGTRAP", "SIGABRT", "SIGBUS",    "SIGFPE",  "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",   "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
    "SIGTTOU", "SIGURG",  "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",    "SIGPWR",  "SIGSYS"};

template <size_t kCount>
const char* find(const Name (&names)[kCount], int number) {
  for (const Name& each : names)
    if (each.number == number) return each.name;
  return nullptr;
}

struct Flag {
  uint64_t bit;
  const char* name;
};
constexpr Flag kOpenFlags[] = {{O_CREAT, "O_CREAT"}, {O_EXCL, "O_EXCL"}, {O_NOCTTY, "O_NOCTTY"}, {O_TRUNC, "O_TRUNC"},
                               {O_APPEND, "O_APPEND"}, {O_NONBLOCK, "O_NONBLOCK"}, {O_DIRECTORY, "O_DIRECTORY"},
                               {O_NOFOLLOW, "O_NOFOLLOW"}, {O_CLOEXEC, "O_CLOEXEC"}};
constexpr Flag kProtections[] = {{PROT_READ, "PROT_READ"}, {PROT_WRITE, "PROT_WRITE"}, {PROT_EXEC, "PROT_EXEC"}};
constexpr Flag kMapFlags[] = {{MAP_SHARED, "MAP_SHARED"}, {MAP_PRIVATE, "MAP_PRIVATE"}, {MAP_FIXED, "MAP_FIXED"},
                              {MAP_ANONYMOUS, "MAP_ANON"}, {MAP_NORESERVE, "MAP_NORESERVE"}, {MAP_STACK, "MAP_STACK"}};
constexpr Flag kCloneFlags[] = {
    {0x100, "CLONE_VM"}, {0x200, "CLONE_FS"}, {0x400, "CLONE_FILES"}, {0x800, "CLONE_SIGHAND"}, {0x1000, "CLONE_PIDFD"},
    {0x4000, "CLONE_VFORK"}, {0x8000, "CLONE_PARENT"}, {0x10000, "CLONE_THREAD"}, {0x40000, "CLONE_SYSVSEM"},
    {0x80000, "CLONE_SETTLS"}, {0x100000, "CLONE_PARENT_SETTID"}, {0x200000, "CLONE_CHILD_CLEARTID"},
    {0x400000, "CLONE_DETACHED"}, {0x1000000, "CLONE_CHILD_SETTID"}};
constexpr Flag kForkFlags[] = {{1 << 2, "RFFDG"}, {1 << 4, "RFPROC"}, {1 << 5, "RFMEM"}, {1 << 6, "RFNOWAIT"},
                               {1 << 12, "RFCFDG"}, {1 << 13, "RFTHREAD"}, {1 << 14, "RFSIGSHARE"}, {1 << 16, "RFLINUXTHPN"}};
constexpr Flag kWaitOptions[] = {{1, "WNOHANG"}, {2, "WUNTRACED"}, {8, "WCONTINUED"}, {0x40000000, "__WALL"}};

// A letter for each argument: d decimal, x hexadecimal, o octal, p address, f descriptor (or AT_FDCWD), s signal, and sets
// of flags: O open, P protection, M mmap, C clone, R rfork, W wait.
struct Shape {
  const char* call;
  const char* arguments;
};
constexpr Shape kShapes[] = {
    {"read", "fpd"}, {"write", "fpd"}, {"open", "pOo"}, {"close", "f"}, {"stat", "pp"}, {"fstat", "fp"}, {"lstat", "pp"},
    {"poll", "pdd"}, {"lseek", "fdd"}, {"mmap", "pdPMfx"}, {"mprotect", "pdP"}, {"munmap", "pd"}, {"brk", "p"},
    {"rt_sigaction", "sppd"}, {"rt_sigprocmask", "dppd"}, {"rt_sigreturn", ""}, {"ioctl", "fxp"}, {"pread64", "fpdd"},
    {"pwrite64", "fpdd"}, {"readv", "fpd"}, {"writev", "fpd"}, {"access", "po"}, {"pipe", "p"}, {"sched_yield", ""},
    {"madvise", "pdd"}, {"dup", "f"}, {"dup2", "ff"}, {"pause", ""}, {"nanosleep", "pp"}, {"alarm", "d"}, {"getpid", ""},
    {"socket", "ddd"}, {"connect", "fpd"}, {"accept", "fpp"}, {"sendfile", "ffpd"}, {"sendto", "fpdxpd"}, {"recvfrom", "fpdxpp"}, {"bind", "fpd"},
    {"listen", "fd"}, {"socketpair", "dddp"}, {"clone", "Cpppp"}, {"fork", ""}, {"vfork", ""}, {"execve", "ppp"}, {"exit", "d"},
    {"wait4", "dpWp"}, {"kill", "ds"}, {"uname", "p"}, {"fcntl", "fdp"}, {"flock", "fd"}, {"fsync", "f"}, {"truncate", "pd"},
    {"ftruncate", "fd"}, {"getcwd", "pd"}, {"chdir", "p"}, {"fchdir", "f"}, {"rename", "pp"}, {"mkdir", "po"}, {"rmdir", "p"},
    {"creat", "po"}, {"link", "pp"}, {"unlink", "p"}, {"symlink", "pp"}, {"readlink", "ppd"}, {"chmod", "po"}, {"fchmod", "fo"},
    {"chown", "pdd"}, {"fchown", "fdd"}, {"umask", "o"}, {"gettimeofday", "pp"}, {"getrlimit", "dp"}, {"getrusage", "dp"},
    {"getuid", ""}, {"getgid", ""}, {"setuid", "d"}, {"setgid", "d"}, {"geteuid", ""}, {"getegid", ""}, {"setpgid", "dd"},
    {"getppid", ""}, {"getpgrp", ""}, {"setsid", ""}, {"getpgid", "d"}, {"getsid", "d"}, {"sigaltstack", "pp"},
    {"prctl", "dxxxx"}, {"arch_prctl", "xp"}, {"setrlimit", "dp"}, {"sync", ""}, {"gettid", ""}, {"tkill", "ds"}, {"time", "p"},
    {"futex", "pdxppx"}, {"getdents64", "fpd"}, {"set_tid_address", "p"}, {"clock_gettime", "dp"},
    {"clock_nanosleep", "ddpp"}, {"exit_group", "d"}, {"epoll_wait", "fpdd"}, {"epoll_ctl", "fdfp"}, {"tgkill", "dds"},
    {"waitid", "ddpWp"}, {"openat", "fpOo"}, {"mkdirat", "fpo"}, {"newfstatat", "fppx"}, {"unlinkat", "fpx"},
    {"renameat", "fpfp"}, {"readlinkat", "fppd"}, {"fchmodat", "fpo"}, {"faccessat", "fpo"}, {"ppoll", "pdppd"},
    {"set_robust_list", "pd"}, {"dup3", "ffO"}, {"pipe2", "pO"}, {"epoll_create1", "O"}, {"prlimit64", "ddpp"},
    {"getrandom", "pdx"}, {"execveat", "fpppx"}, {"statx", "fpxxp"}, {"rseq", "pdxx"}, {"pidfd_open", "dx"}, {"clone3", "pd"},
    {"close_range", "ddx"}, {"faccessat2", "fpox"}, {"rfork", "R"}, {"tfork", "pd"}, {"threxit", "p"}, {"getthrid", ""},
    {"minherit", "pdd"}, {"issetugid", ""}, {"getlogin", "pd"}, {"setlogin", "p"}, {"closefrom", "f"},
    {"sysctl", "pdpppd"}, {"sysctlbyname", "pdpppd"}, {"pdfork", "px"}, {"pdkill", "fs"}, {"pdgetpid", "fp"},
    {"pdwait4", "fpWp"}, {"pdwait", "fpWppp"}, {"procctl", "dddp"}, {"kqueue", "x"}, {"kevent", "fpdpdp"}, {"ktrace", "pdxd"}, {"utrace", "ppd"},
    {"acct", "p"}, {"profil", "pdpx"}, {"pledge", "pp"}, {"unveil", "pp"},
};

const char* shape_of(const char* call) {
  for (const Shape& shape : kShapes)
    if (call != nullptr && strcmp(shape.call, call) == 0) return shape.arguments;
  return "xxxxxx";
}

// "<A|B|0x40>", or nothing where no flag is set.
template <size_t kCount>
void print_flags(uint64_t value, const Flag (&flags)[kCount], const char* first = nullptr) {
  const char* before = "<";
  if (first != nullptr) {
    printf("<%s", first);
    before = "|";
  }
  for (const Flag& flag : flags) {
    if ((value & flag.bit) != flag.bit || flag.bit == 0) continue;
    printf("%s%s", before, flag.name);
    before = "|";
    value &= ~flag.bit;
  }
  if (value != 0 && *before == '|') printf("|%#llx", static_cast<unsigned long long>(value));
  if (*before == '|') putchar('>');
}

void print_argument(char shape, uint64_t value) {
  const auto number = static_cast<int>(value);
  const auto wide = static_cast<unsigned long long>(value);
  switch (shape) {
    case 'd': printf("%lld", value >> 32 == 0 ? number : static_cast<long long>(value)); return;   // an int, or a long
    case 'o': printf("0%llo", wide & 0xffffffff); return;
    case 'f':
      if (number == AT_FDCWD) fputs("AT_FDCWD", stdout);
      else printf("%d", number);
      return;
    case 's':
      if (const char* name = signal_name(number)) fputs(name, stdout);
      else printf("%d", number);
      return;
    case 'p':
      if (value == 0) fputs("NULL", stdout);
      else printf("%#llx", wide);
      return;
    default: printf("%#llx", wide);
  }
  switch (shape) {
    case 'O':
      print_flags(value & ~uint64_t{O_ACCMODE | 0100000}, kOpenFlags,
                  (value & O_ACCMODE) == O_RDONLY ? "O_RDONLY" : (value & O_ACCMODE) == O_WRONLY ? "O_WRONLY" : "O_RDWR");
      return;
    case 'P': return print_flags(value, kProtections, value == 0 ? "PROT_NONE" : nullptr);
    case 'M': return print_flags(value, kMapFlags);
    case 'C': return print_flags(value & ~uint64_t{0xff}, kCloneFlags, signal_name(number & 0xff));
    case 'R': return print_flags(value, kForkFlags);
    case 'W': return print_flags(value, kWaitOptions);
    default: return;
  }
}

bool returns_address(const char* call) {
  return strcmp(call, "mmap") == 0 || strcmp(call, "mremap") == 0 || strcmp(call, "brk") == 0;
}

}  // namespace

const char* call_name(int number) { return find(kCalls, number); }
const char* error_name(int number) { return find(kErrors, number); }
const char* signal_name(int number) {
  return number > 0 && number < static_cast<int>(sizeof kSignals / sizeof *kSignals) ? kSignals[number] : nullptr;
}

void print_arguments(const char* call, const uint64_t* arguments, size_t count) {
  const char* shape = shape_of(call);
  putchar('(');
  for (size_t i = 0; i < count && shape[i] != '\0'; i++) {
    if (i != 0) fputs(", ", stdout);
    print_argument(shape[i], arguments[i]);
  }
  putchar(')');
}

void print_value(const char* call, uint64_t value) {
  if (call != nullptr && returns_address(call)) printf("%#llx", static_cast<unsigned long long>(value));
  else printf("%lld", static_cast<long long>(value));
}

}  // namespace kdump
