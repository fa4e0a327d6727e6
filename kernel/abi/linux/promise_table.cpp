// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/promise_table.h"

#include <array>
#include <initializer_list>

#include "abi/linux/table.h"
#include "process/process.h"
#include "tine/syscall.h"

namespace tine::abi::linux_abi {

using process::Promises;
using namespace process::promise;

namespace {

constexpr Promises kAlways = ~Promises{0};
constexpr Promises kNetwork = kInet | kUnix | kDns;

// --- What a call needs besides, by its arguments: what is missing ---

using Rule = Result<Promises> (*)(const Call& call, Promises held);

Promises unless_held(Promises held, Promises any) { return held & any ? 0 : any; }

bool is_own_id(const Call& call, int pid) { return pid == call.process().pid(); }

Result<Promises> mapping(const Call& call, Promises held) {
  constexpr uint32_t kProtectionExec = 4;
  return call.as_unsigned(2) & kProtectionExec ? unless_held(held, kProtExec) : 0;
}

// kill(2), rt_sigqueueinfo(2), tgkill(2), rt_tgsigqueueinfo(2): oneself, or one's own group.
Result<Promises> signalling(const Call& call, Promises held) {
  const int pid = call.as_int(0);
  return pid == 0 || is_own_id(call, pid) ? 0 : unless_held(held, kProc);
}

// tkill(2): the threads of one's own process.
Result<Promises> signalling_thread(const Call& call, Promises held) {
  const Ref<process::Thread> thread = process::find_thread(call.as_int(0));
  return thread && &thread->process() == &call.process() ? 0 : unless_held(held, kProc);
}

Result<Promises> file_control(const Call& call, Promises held) {
  switch (call.as_int(1)) {
    case 5: case 6: case 7: case 36: case 37: case 38:   // F_GETLK, F_SETLK, F_SETLKW, F_OFD_*
      return unless_held(held, kFlock);
    case 8: case 10: case 15:                            // F_SETOWN, F_SETSIG, F_SETOWN_EX
      return unless_held(held, kProc);
    case 1024: case 1026:                                // F_SETLEASE, F_NOTIFY
      return kNever;
    default: return 0;
  }
}

Result<Promises> device_control(const Call& call, Promises held) {
  switch (call.as_unsigned(1)) {
    case 0x541b: case 0x5421: case 0x5450: case 0x5451:   // FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
    case 0x5401: case 0x5413:                             // TCGETS, TIOCGWINSZ: isatty(3), and the buffer of stdout
      return 0;
    case 0x5410:                                          // TIOCSPGRP
      return (held & (kTty | kProc)) == (kTty | kProc) ? 0 : unless_held(held, kTty) | unless_held(held, kProc);
    case 0x5402: case 0x5403: case 0x5404:                // TCSETS, TCSETSW, TCSETSF
    case 0x5409: case 0x540a: case 0x540b: case 0x5425:   // TCSBRK, TCXONC, TCFLSH, TCSBRKP
    case 0x540c: case 0x540d: case 0x540e: case 0x5422:   // TIOCEXCL, TIOCNXCL, TIOCSCTTY, TIOCNOTTY
    case 0x540f: case 0x5411: case 0x5414: case 0x5429:   // TIOCGPGRP, TIOCOUTQ, TIOCSWINSZ, TIOCGSID
    case 0x80045430: case 0x40045431: case 0x5441:        // TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER
      return unless_held(held, kTty);
    default: return kNever;
  }
}

Result<Promises> process_control(const Call& call, Promises held) {
  switch (call.as_int(0)) {
    case 2: case 3: case 7: case 15: case 16: case 21: case 23: case 27: case 29: case 30: case 37: case 38: case 39:
    case 40: case 0x53564d41:   // what is asked; PR_SET_NAME, PR_SET_TIMERSLACK, PR_SET_NO_NEW_PRIVS, PR_SET_VMA
      return 0;
    case 1: case 4: case 36:    // PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER
      return unless_held(held, kProc);
    case 8: case 24: case 28: case 47:   // PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_CAP_AMBIENT
      return unless_held(held, kId);
    default: return kNever;
  }
}

// prlimit64(pid, resource, new, old)
Result<Promises> limits(const Call& call, Promises held) {
  const bool changes = call.args[2] != 0;
  const bool own = call.as_int(0) == 0 || is_own_id(call, call.as_int(0));
  return changes || !own ? unless_held(held, own ? kProc | kId : kProc) : 0;
}

Result<Promises> opening_socket(const Call& call, Promises held) {
  switch (call.as_int(0)) {
    case 1: return unless_held(held, kUnix);              // AF_UNIX
    case 2: case 10: return unless_held(held, kInet | kDns);   // AF_INET, AF_INET6
    case 16: return unless_held(held, kRoute | kWroute);  // AF_NETLINK
    default: return kNever;
  }
}

// "fattr" lets one give a file to oneself and one's groups only.
Result<Promises> changing_owner(const Call& call, Promises held, unsigned uid_argument) {
  if (held & kChownAny || !(held & kChown)) return unless_held(held, kChown);
  const auto credentials = call.process().credentials();
  const unsigned uid = call.as_unsigned(uid_argument), gid = call.as_unsigned(uid_argument + 1);
  if (uid != ~0u && uid != credentials->euid) return Error(Errno::Perm);
  if (gid != ~0u && gid != credentials->egid && !credentials->in_group(gid)) return Error(Errno::Perm);
  return 0;
}
Result<Promises> changing_owner_at_1(const Call& call, Promises held) { return changing_owner(call, held, 1); }
Result<Promises> changing_owner_at_2(const Call& call, Promises held) { return changing_owner(call, held, 2); }

// sysctl(2), sysctlbyname(3): settings are read, not written.
Result<Promises> setting(const Call& call, Promises) { return call.args[4] != 0 ? kNever : 0; }

// --- The table ---

struct Row {
  Promises any_of = kNever;   // a call that is not in the table needs what nobody can promise
  Rule rule = nullptr;
};

class Table {
 public:
  constexpr void add(Promises any_of, std::initializer_list<uint16_t> numbers, Rule rule = nullptr) {
    for (const uint16_t number : numbers) rows_[index(number)] = {any_of, rule};
  }
  constexpr const Row* find(uint64_t number) const {
    const bool known = number < kSystemCallCount || (number >= TINE_SYS_first && number <= TINE_SYS_last);
    return known ? &rows_[index(number)] : nullptr;
  }

 private:
  static constexpr size_t index(uint64_t number) {
    return number < TINE_SYS_first ? number : kSystemCallCount + (number - TINE_SYS_first);
  }
  std::array<Row, kSystemCallCount + (TINE_SYS_last - TINE_SYS_first + 1)> rows_{};
};

consteval Table make_table() {
  Table t;
  // The end of a process or thread, and what a C library does before and after everything else.
  t.add(kAlways, {60, 231, 219, 202, 158});   // exit, exit_group, restart_syscall, futex, arch_prctl
  t.add(kAlways, {TINE_SYS_threxit, TINE_SYS_pledge, TINE_SYS_pinsyscalls, TINE_SYS_utrace, TINE_SYS_self_test});
  t.add(kAlways, {234}, signalling);          // tgkill: abort(3), raise(3)
  t.add(kAlways, {200}, signalling_thread);   // tkill

  // stdio: reading, writing and closing what is open
  t.add(kStdio, {0, 1, 17, 18, 19, 20});      // read, write, pread64, pwrite64, readv, writev
  t.add(kStdio, {295, 296, 327, 328});        // preadv, pwritev, preadv2, pwritev2
  t.add(kStdio, {3, 436, 32, 33, 292});       // close, close_range, dup, dup2, dup3
  t.add(kStdio, {5, 8, 74, 75, 77, 285});     // fstat, lseek, fsync, fdatasync, ftruncate, fallocate
  t.add(kStdio, {187, 221, 277});             // readahead, fadvise64, sync_file_range
  t.add(kStdio, {40, 275, 276, 326});         // sendfile, splice, tee, copy_file_range
  t.add(kStdio, {22, 293, 53, 48});           // pipe, pipe2, socketpair, shutdown
  t.add(kStdio, {45, 47, 299, 44, 46, 307});  // recvfrom, recvmsg, recvmmsg, sendto, sendmsg, sendmmsg: descriptors
                                              // and addresses are looked at where messages are decoded
  t.add(kStdio, {54, 55});                    // setsockopt, getsockopt
  t.add(kStdio, {72}, file_control);          // fcntl
  t.add(kStdio, {16}, device_control);        // ioctl
  t.add(kStdio, {193, 196, 81, 95});          // fgetxattr, flistxattr, fchdir, umask
  // stdio: waiting
  t.add(kStdio, {7, 23, 270, 271});           // poll, select, pselect6, ppoll
  t.add(kStdio, {213, 232, 233, 281, 291, 441});   // epoll_*
  t.add(kStdio, {282, 289, 283, 286, 287, 284, 290});   // signalfd, timerfd_*, eventfd
  t.add(kStdio, {TINE_SYS_kqueue, TINE_SYS_kevent});
  t.add(kStdio, {35, 230, 34});               // nanosleep, clock_nanosleep, pause
  t.add(kStdio, {61, 247, TINE_SYS_pdwait4, TINE_SYS_pdwait, TINE_SYS_pdgetpid});   // wait4, waitid
  // stdio: memory
  t.add(kStdio, {11, 12, 25, 26, 27, 28});    // munmap, brk, mremap, msync, mincore, madvise
  t.add(kStdio, {149, 150, 151, 152, 325, 324, TINE_SYS_minherit});   // mlock and its like, membarrier
  t.add(kStdio, {9, 10}, mapping);            // mmap, mprotect
  // stdio: signals and timers
  t.add(kStdio, {13, 14, 15, 127, 128, 130, 131});   // rt_sig*, sigaltstack
  t.add(kStdio, {62, 129, 297}, signalling);  // kill, rt_sigqueueinfo, rt_tgsigqueueinfo
  t.add(kStdio, {36, 37, 38, 222, 223, 224, 225, 226});   // getitimer, alarm, setitimer, timer_*
  // stdio: threads. clone and clone3 make processes too; those ask for "proc" when they come to it.
  t.add(kStdio | kProc, {56, 435});           // clone, clone3
  t.add(kStdio, {TINE_SYS_tfork, TINE_SYS_getthrid});
  t.add(kStdio, {218, 273, 274, 334, 24, 186, 309});   // set_tid_address, *_robust_list, rseq, sched_yield, gettid, getcpu
  t.add(kStdio, {143, 145, 146, 147, 148, 204, 315});  // sched_get*
  // stdio: asking about oneself, the time and the system
  t.add(kStdio, {39, 110, 102, 104, 107, 108, 118, 120, 115});   // getpid, getppid, get*id, getgroups
  t.add(kStdio, {111, 121, 124, 125, TINE_SYS_issetugid, TINE_SYS_getlogin});   // getpgrp, getpgid, getsid, capget
  t.add(kStdio, {97, 98, 100, 96, 201, 228, 229, 63, 99, 318});   // getrlimit, getrusage, times, clocks, uname, sysinfo, getrandom
  t.add(kStdio, {302}, limits);               // prlimit64
  t.add(kStdio, {157}, process_control);      // prctl
  t.add(kStdio, {TINE_SYS_sysctl, TINE_SYS_sysctlbyname}, setting);
  t.add(kStdio, {TINE_SYS_closefrom, TINE_SYS_profil});

  // Paths: path_use.cpp says what for, and path_policy.h which of them need no promise about paths.
  t.add(kAlways, {2, 85, 257, 437});          // open, creat, openat, openat2
  t.add(kAlways, {4, 6, 262, 332, 21, 269, 439, 89, 267});   // stat, access, readlink and their like
  t.add(kAlways, {80, 137, 76});              // chdir, statfs, truncate
  t.add(kAlways, {191, 192, 194, 195, 188, 189, 197, 198});  // *xattr
  t.add(kAlways, {90, 268, 132, 235, 261, 280});   // chmod, fchmodat, utimes and its like
  t.add(kAlways, {83, 258, 84, 88, 266, 87, 263, 133, 259});   // mkdir, rmdir, symlink, unlink, mknod
  t.add(kAlways, {82, 264, 316, 86, 265});    // rename, link
  t.add(kAlways, {59, 322});                  // execve, execveat
  t.add(kChown | kTmppath, {92, 94}, changing_owner_at_1);   // chown, lchown
  t.add(kChown | kTmppath, {260}, changing_owner_at_2);      // fchownat
  t.add(kId, {161});                          // chroot
  t.add(kRpath | kPs, {78, 217});             // getdents
  t.add(kRpath, {138});                       // fstatfs
  t.add(kRpath | kWpath, {79});               // getcwd
  t.add(kCpath | kTmppath, {319});            // memfd_create: a temporary file without a name
  t.add(kFattr, {91, 190, 199});              // fchmod, fsetxattr, fremovexattr
  t.add(kChown, {93}, changing_owner_at_1);   // fchown
  t.add(kFlock, {73});                        // flock
  t.add(kWpath, {162, 306});                  // sync, syncfs

  t.add(kInet | kUnix | kDns | kRoute | kWroute, {41}, opening_socket);   // socket
  t.add(kNetwork, {42, 49, 51});              // connect, bind, getsockname
  t.add(kInet | kUnix, {50, 43, 288, 52});    // listen, accept, accept4, getpeername

  t.add(kProc, {57, 58, TINE_SYS_rfork, TINE_SYS_pdfork});   // fork, vfork
  t.add(kProc, {109, 112, 424, 434, TINE_SYS_pdkill, TINE_SYS_procctl});   // setpgid, setsid, pidfd_*
  t.add(kProc, {142, 144, 203, 314});         // sched_set*
  t.add(kProc | kId, {140, 141, 160});        // getpriority, setpriority, setrlimit
  t.add(kId, {105, 106, 113, 114, 116, 117, 119, 122, 123, 126, TINE_SYS_setlogin});   // set*id, setgroups, capset
  t.add(kSettime, {159, 164, 227, 305});      // adjtimex, settimeofday, clock_settime, clock_adjtime
  t.add(kUnveil, {TINE_SYS_unveil});
  return t;
}
constexpr Table kTable = make_table();

}  // namespace

Result<Promises> missing_promises(const Call& call, uint64_t number, Promises held) {
  const Row* row = kTable.find(number);
  if (row == nullptr) return kNever;
  if (!(held & row->any_of) && row->any_of != kAlways) return row->any_of;
  if (row->rule == nullptr) return 0;
  return row->rule(call, held);
}

}  // namespace tine::abi::linux_abi
