// SPDX-License-Identifier: BSD-2-Clause
// kdump [FILE]: prints the records of a ktrace(2) file (default ktrace.out), one or a few lines each. Builds for the guest
// and for the host. Source: kdump(1).
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ktrace.h>
#include <unistd.h>

namespace {

const char* type_name(unsigned type) {
  switch (type) {
    case KTR_SYSCALL: return "CALL";
    case KTR_SYSRET: return "RET ";
    case KTR_NAMEI: return "NAMI";
    case KTR_GENIO: return "GIO ";
    case KTR_PSIG: return "PSIG";
    case KTR_STRUCT: return "STRU";
    case KTR_USER: return "USER";
    case KTR_EXECARGS: return "ARGS";
    default: return "????";
  }
}

struct CallName {
  int number;
  const char* name;
};
constexpr CallName kNames[] = {
    {0, "read"}, {1, "write"}, {2, "open"}, {3, "close"}, {4, "stat"}, {5, "fstat"}, {6, "lstat"}, {7, "poll"}, {8, "lseek"},
    {9, "mmap"}, {10, "mprotect"}, {11, "munmap"}, {12, "brk"}, {13, "rt_sigaction"}, {14, "rt_sigprocmask"},
    {15, "rt_sigreturn"}, {16, "ioctl"}, {17, "pread64"}, {18, "pwrite64"}, {19, "readv"}, {20, "writev"}, {21, "access"},
    {22, "pipe"}, {32, "dup"}, {33, "dup2"}, {35, "nanosleep"}, {39, "getpid"}, {41, "socket"}, {56, "clone"}, {57, "fork"},
    {58, "vfork"}, {59, "execve"}, {60, "exit"}, {61, "wait4"}, {62, "kill"}, {63, "uname"}, {72, "fcntl"}, {79, "getcwd"},
    {80, "chdir"}, {82, "rename"}, {83, "mkdir"}, {84, "rmdir"}, {86, "link"}, {87, "unlink"}, {88, "symlink"},
    {89, "readlink"}, {90, "chmod"}, {102, "getuid"}, {104, "getgid"}, {107, "geteuid"}, {109, "setpgid"}, {110, "getppid"},
    {112, "setsid"}, {131, "sigaltstack"}, {158, "arch_prctl"}, {186, "gettid"}, {200, "tkill"}, {202, "futex"},
    {217, "getdents64"}, {218, "set_tid_address"}, {228, "clock_gettime"}, {230, "clock_nanosleep"}, {231, "exit_group"},
    {234, "tgkill"}, {257, "openat"}, {262, "newfstatat"}, {293, "pipe2"}, {302, "prlimit64"}, {318, "getrandom"},
    {334, "rseq"}, {435, "clone3"}, {0x1000, "rfork"}, {0x1001, "__tfork"}, {0x1010, "kqueue"}, {0x1011, "kevent"},
    {0x1012, "ktrace"}, {0x1013, "utrace"},
};

void print_call(int number) {
  for (const CallName& each : kNames) {
    if (each.number == number) {
      fputs(each.name, stdout);
      return;
    }
  }
  printf("#%d", number);
}

// As a C string would be written.
void print_text(const unsigned char* text, size_t size) {
  putchar('"');
  for (size_t i = 0; i < size; i++) {
    const unsigned char c = text[i];
    if (c == '\n') fputs("\\n", stdout);
    else if (c == '\t') fputs("\\t", stdout);
    else if (c == '"' || c == '\\') printf("\\%c", c);
    else if (isprint(c)) putchar(c);
    else printf("\\%03o", c);
  }
  putchar('"');
}

void print_hexadecimal(const unsigned char* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) printf("%s%02x", i % 8 == 0 && i != 0 ? " " : "", bytes[i]);
}

template <class T>
bool take(const unsigned char*& at, size_t& left, T& value) {
  if (left < sizeof value) return false;
  memcpy(&value, at, sizeof value);
  at += sizeof value;
  left -= sizeof value;
  return true;
}

void print_record(const ktr_header& header, const unsigned char* at, size_t left) {
  switch (header.ktr_type) {
    case KTR_SYSCALL: {
      ktr_syscall call;
      if (!take(at, left, call)) break;
      print_call(call.ktr_code);
      uint64_t argument;
      for (const char* before = "("; take(at, left, argument); before = ", ") printf("%s%#llx", before, static_cast<unsigned long long>(argument));
      putchar(')');
      break;
    }
    case KTR_SYSRET: {
      ktr_sysret done;
      if (!take(at, left, done)) break;
      print_call(done.ktr_code);
      uint64_t value;
      if (done.ktr_error >= 512) fputs(" RESTART", stdout);
      else if (done.ktr_error != 0) printf(" -1 errno %d %s", done.ktr_error, strerror(done.ktr_error));
      else if (take(at, left, value)) printf(" %lld", static_cast<long long>(value));
      break;
    }
    case KTR_GENIO: {
      ktr_genio io;
      if (!take(at, left, io)) break;
      printf("fd %d %s %zu bytes ", io.ktr_fd, io.ktr_rw == 0 ? "read" : "wrote", left);
      print_text(at, left);
      break;
    }
    case KTR_PSIG: {
      ktr_psig signal;
      if (!take(at, left, signal)) break;
      printf("SIG%d code %d ", signal.signo, signal.code);
      if (signal.action == 0) fputs("SIG_DFL", stdout);
      else printf("caught handler=%#llx mask=%#llx", static_cast<unsigned long long>(signal.action), static_cast<unsigned long long>(signal.mask));
      break;
    }
    case KTR_STRUCT: {
      const size_t name = strnlen(reinterpret_cast<const char*>(at), left);
      if (name == left) break;
      printf("struct %s { ", reinterpret_cast<const char*>(at));
      print_hexadecimal(at + name + 1, left - name - 1);
      fputs(" }", stdout);
      break;
    }
    case KTR_USER: {
      ktr_user user;
      if (!take(at, left, user)) break;
      printf("%.*s ", KTR_USER_MAXIDLEN, user.ktr_id);
      print_text(at, left);
      break;
    }
    default: print_text(at, left);   // names, arguments, and whatever is unknown
  }
}

}  // namespace

int main(int count, char** arguments) {
  const char* path = count > 1 ? arguments[1] : "ktrace.out";
  FILE* file = fopen(path, "rb");
  if (file == nullptr) {
    perror(path);
    return 1;
  }
  ktr_header header;
  size_t room = 0;
  unsigned char* contents = nullptr;
  while (fread(&header, sizeof header, 1, file) == 1) {
    if (header.ktr_len > room) {
      if (header.ktr_len > 1 << 20) break;   // not a trace file
      room = header.ktr_len;
      free(contents);
      contents = static_cast<unsigned char*>(malloc(room));
      if (contents == nullptr) return 1;
    }
    if (header.ktr_len != 0 && fread(contents, header.ktr_len, 1, file) != 1) break;
    printf("%6d %-15.24s %s ", header.ktr_pid, header.ktr_comm, type_name(header.ktr_type));
    print_record(header, contents, header.ktr_len);
    putchar('\n');
  }
  const bool whole = feof(file) != 0;
  if (!whole) fprintf(stderr, "%s: not a trace file, or cut off\n", path);
  return whole ? 0 : 1;
}
