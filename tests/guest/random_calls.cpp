// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Random system calls, of Linux and of the BSDs, with arguments that are random or nearly right, by root and by an
// ordinary user, from several processes of two threads each. Nothing is expected of the calls but that the kernel lives,
// that every process can be killed, and that the audit is clean. A process makes a batch of calls from its own seed;
// whoever stands still (the call waits for ever, or the arguments broke the process) is killed, and the next seed begins.
//
// As a test it takes some seconds. The long run, with as many calls as one likes and a seed, is
//   ./tine run --debug-kernel --add build/debug/tests/random_calls -- env TINE_CALLS=10000000 TINE_SEED=1
//     /root/random_calls random_calls_with_random_arguments
// On Linux it proves nothing: there root reaches beyond what it bounds (namespaces, modules, rings, keys).
//
// Left out: what ends the test by design (reboot, the clock's time, signals to and limits of others, mounts and roots
// outside of the batch's own folder, settings of the whole kernel).
#include <fcntl.h>
#include <grp.h>
#include <mntent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <tine/syscall.h>

#include "kernel_state.h"
#include "random.h"

namespace {

constexpr int kCells = 4;                 // processes at once; the odd ones are an ordinary user's
constexpr unsigned kBatch = 1000;         // calls before a cell starts afresh
constexpr int64_t kStandstill = 400'000'000;
constexpr long kLastCall = 462;
constexpr long kBsdCalls = 0x20;
constexpr size_t kArena = 64 * 4096;

struct Cell {
  unsigned long calls;
  volatile long last_call[2];   // of each thread: what to look at when something hangs
};
struct Shared {
  Cell cells[kCells];
};
Shared* shared_state;

// Bare, so that a thread without a usable errno can make it.
long bare_call(long number, const long (&a)[6]) {
  register long r10 asm("r10") = a[3];
  register long r8 asm("r8") = a[4];
  register long r9 asm("r9") = a[5];
  long result = number;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

constexpr const char* kPaths[] = {
    "a", "b", "dir", "dir/a", "dir/b", "link", "a/b", "", ".", "./dir/./", "missing/a", "proc/self/stat", "proc/self/maps",
    "proc/self/fd/3", "proc/self/cwd", "proc/self/status", "proc/self/task", "proc/self/fail-nth",
    "proc/self/oom_score_adj", "proc/meminfo", "proc/self/environ", "/proc/self/fd", "proc/mounts", "dir/proc", "fifo",
};

// A quarter megabyte: pages to read and write, to read, with a hole, and shared ones; beyond it nothing.
class Arena {
 public:
  explicit Arena(Random& random) {
    begin_ = static_cast<char*>(mmap(nullptr, kArena + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (begin_ == MAP_FAILED) _exit(0);
    munmap(begin_ + kArena, 8192);
    mprotect(begin_ + 16 * 4096, 4096, PROT_READ);
    munmap(begin_ + 20 * 4096, 4096);
    mmap(begin_ + 24 * 4096, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mprotect(begin_ + 28 * 4096, 4096, PROT_NONE);
    fill(random);
  }
  char* at(Random& random) const { return begin_ + (random.below(kArena) & ~7ul); }
  char* page(Random& random) const { return begin_ + random.below(kArena / 4096) * 4096; }
  char* end() const { return begin_ + kArena; }
  // Where writing is sure to work, unless a call changed that.
  char* writable(Random& random) const { return begin_ + (random.below(15 * 4096) & ~7ul); }

  // Numbers, pointers and names where calls look for structures.
  void fill(Random& random) const {
    for (int i = 0; i < 40; i++) {
      auto* words = reinterpret_cast<uint64_t*>(writable(random));
      switch (random.below(5)) {
        case 0: *words = random.below(16); break;
        case 1: *words = random.next(); break;
        case 2: *words = reinterpret_cast<uint64_t>(at(random)); break;
        case 3: *words = random.below(1'000'000); break;
        default: snprintf(reinterpret_cast<char*>(words), 32, "%s", random.of(kPaths)); break;
      }
    }
  }

 private:
  char* begin_;
};

long number_argument(Random& random) {
  constexpr long kEdges[] = {0, 1, -1, 2, 7, 8, 16, 64, 4095, 4096, 4097, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
                             0x7fffffffffffffff, -4096, -100, 1000, 0x8000000000000000 - 4096};
  switch (random.below(5)) {
    case 0: return random.of(kEdges);
    case 1: return static_cast<long>(random.below(256));
    case 2: return static_cast<long>(1ul << random.below(64));
    case 3: return static_cast<long>(random.next());
    default: return static_cast<long>(random.below(8192));
  }
}

long pointer_argument(Random& random, const Arena& arena) {
  constexpr uint64_t kWild[] = {0, 1, 4096, 0x7ffffffff000, 0x7fffffffefff, 0x800000000000, 0xffff800000000000,
                                0xffffffff80000000, 0xffffffffffffffff, 0xfffffffffffff000};
  switch (random.below(12)) {
    case 0: return static_cast<long>(random.of(kWild));
    case 1: return reinterpret_cast<long>(arena.end() - random.below(64));
    case 2: return reinterpret_cast<long>(arena.page(random));
    case 3: return reinterpret_cast<long>(random.of(kPaths));
    case 4:
    case 5:
    case 6:
    case 7: return reinterpret_cast<long>(arena.writable(random));
    default: return reinterpret_cast<long>(arena.at(random));
  }
}

long argument(Random& random, const Arena& arena) {
  switch (random.below(8)) {
    case 0:
    case 1: return static_cast<long>(random.below(24));   // a descriptor, a small choice
    case 2:
    case 3: return number_argument(random);
    case 4: return random.one_in(2) ? 0 : AT_FDCWD;
    default: return pointer_argument(random, arena);
  }
}

// A child that only waits, for calls that want one. It ends with its parent.
pid_t companion;

pid_t start_companion() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) _exit(1);   // with -1 for a companion, a signal to it would go to every process of the machine
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (getppid() == parent) pause();
  _exit(0);
}

// A process that may be signalled, limited, scheduled, traced: this one, its child, or none.
long own_process(Random& random) {
  const long choices[] = {getpid(), bare_call(SYS_gettid, {}), companion, companion, 0x7ffffff0, 0x7fffffff};
  return random.of(choices);
}

// An open file of each kind, from 3 on, whatever was there.
void furnish() {
  int pair[2];
  const int kinds[] = {
      open("/proc/self/status", O_RDONLY), open("a", O_RDWR | O_CREAT, 0666), open("dir", O_RDONLY | O_DIRECTORY),
      open(".", O_PATH), epoll_create1(0), eventfd(1, 0), timerfd_create(CLOCK_MONOTONIC, 0), inotify_init1(0),
      static_cast<int>(syscall(SYS_memfd_create, "m", 2)), static_cast<int>(syscall(SYS_pidfd_open, companion, 0)),
      static_cast<int>(syscall(TINE_SYS_kqueue, 0)), pipe(pair) == 0 ? pair[0] : -1,
      socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? pair[1] : -1, socket(AF_UNIX, SOCK_DGRAM, 0),
  };
  int next = 3;
  for (const int each : kinds)
    if (each >= 0) dup2(each, next++);
  syscall(SYS_close_range, 24, ~0u, 0);
}

// The BSD calls, where a random argument would seldom lead far or would change the whole kernel.
void fix_bsd_arguments(long call, long (&a)[6], Random& random, const Arena& arena) {
  constexpr long kRforkFlags[] = {1 << 2, 1 << 5, 1 << 6, 1 << 12, 1 << 13, 1 << 14, 1 << 16, 1 << 17, 1 << 18};
  switch (call) {
    case TINE_SYS_rfork:
      a[0] = random.one_in(8) ? a[0] : 1 << 4 | random.of(kRforkFlags) | random.of(kRforkFlags);
      break;
    case TINE_SYS_tfork:
      if (!random.one_in(8)) a[1] = 24;
      break;
    case TINE_SYS_minherit:
      a[0] = reinterpret_cast<long>(arena.page(random));
      a[1] = static_cast<long>(random.below(8) * 4096);
      a[2] = static_cast<long>(random.below(5));
      break;
    case TINE_SYS_closefrom: a[0] = 12 + static_cast<long>(random.below(30)); break;
    case TINE_SYS_sysctl: a[4] = 0; break;         // reads only
    case TINE_SYS_sysctlbyname: a[3] = 0; break;
    case TINE_SYS_pdkill:
    case TINE_SYS_pdgetpid:
    case TINE_SYS_pdwait4:
    case TINE_SYS_pdwait:
      a[0] = 3 + static_cast<long>(random.below(20));
      if (call == TINE_SYS_pdwait4 || call == TINE_SYS_pdwait) a[2] |= 1;   // WNOHANG, mostly
      break;
    case TINE_SYS_procctl:
      a[0] = 0;
      a[1] = own_process(random);
      a[2] = static_cast<long>(random.below(12));
      break;
    case TINE_SYS_kevent:
      a[0] = 3 + static_cast<long>(random.below(20));
      a[1] = reinterpret_cast<long>(arena.writable(random));
      a[2] = static_cast<long>(random.below(4));
      a[3] = reinterpret_cast<long>(arena.writable(random));
      a[4] = static_cast<long>(random.below(4));
      break;
    case TINE_SYS_ktrace:
      a[0] = reinterpret_cast<long>("a");
      a[1] = static_cast<long>(random.below(8));
      a[3] = own_process(random);
      break;
    case TINE_SYS_acct: a[0] = random.one_in(2) ? 0 : reinterpret_cast<long>("b"); break;
    case TINE_SYS_ptrace:
      a[0] = static_cast<long>(random.below(48));
      a[1] = companion;
      break;
    default: break;
  }
}

void fix_arguments(long call, long (&a)[6], Random& random, const Arena& arena) {
  constexpr size_t kLargest = 1 << 20;
  if (call >= TINE_SYS_first) return fix_bsd_arguments(call, a, random, arena);
  switch (call) {
    case SYS_ptrace:
      a[0] = random.one_in(2) ? static_cast<long>(random.below(34)) : 0x4200 + static_cast<long>(random.below(16));
      a[1] = companion;
      if (a[0] == 0) a[0] = 16;                    // to be traced by the supervisor would end this batch
      break;
    case SYS_wait4:
    case SYS_process_vm_readv:
    case SYS_getpgid:
    case SYS_getsid: a[0] = own_process(random); break;
    case SYS_waitid:
      a[0] = static_cast<long>(random.below(4));
      a[1] = a[0] == 3 ? a[1] : own_process(random);
      a[3] |= 1;
      break;
    case SYS_kill:
    case SYS_tkill:
    case SYS_rt_sigqueueinfo:
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
    case SYS_prlimit64:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
    case SYS_sched_setaffinity:
    case SYS_sched_setattr:
    case SYS_pidfd_open:
    case SYS_process_vm_writev:
    case SYS_setpgid:
      a[0] = own_process(random);
      if (call == SYS_tgkill || call == SYS_rt_tgsigqueueinfo) a[1] = own_process(random);
      break;
    case SYS_setpriority:
      a[0] = 0;
      a[1] = own_process(random);
      break;
    case SYS_mmap:
      a[0] = random.one_in(2) ? 0 : reinterpret_cast<long>(arena.page(random));
      a[1] = static_cast<long>(random.below(kLargest));
      a[2] = static_cast<long>(random.below(8));
      if (random.one_in(2)) a[3] = static_cast<long>(random.below(4) | 0x20);
      break;
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_mremap:
    case SYS_msync:
    case SYS_mlock:
    case SYS_mlock2:
      a[0] = reinterpret_cast<long>(arena.page(random));
      if (!random.one_in(4)) a[1] = static_cast<long>(random.below(8) * 4096);
      if (call == SYS_madvise && random.one_in(2)) a[2] = static_cast<long>(random.below(25));
      if (call == SYS_mremap) a[2] = static_cast<long>(random.below(16) * 4096), a[3] &= 7;
      if (call == SYS_mremap) a[4] = reinterpret_cast<long>(arena.page(random));
      break;
    case SYS_mlockall: a[0] &= 1; break;
    case SYS_fallocate:
    case SYS_ftruncate:
    case SYS_truncate:
      for (int i = 1; i < 4; i++)
        if (!random.one_in(4)) a[i] = static_cast<long>(random.below(kLargest));
      break;
    case SYS_mknod: a[2] = 0x100 + static_cast<long>(random.below(16)); break;
    case SYS_mknodat: a[3] = 0x100 + static_cast<long>(random.below(16)); break;
    case SYS_mount:
      a[0] = a[2] = reinterpret_cast<long>(random.one_in(2) ? "tmpfs" : "proc");
      a[1] = reinterpret_cast<long>(random.of(kPaths));
      a[3] = static_cast<long>(random.below(64));
      a[4] = 0;
      break;
    case SYS_execve:
      if (!random.one_in(4)) a[0] = reinterpret_cast<long>("proc/self/exe");   // which nothing may write to
      if (random.one_in(2)) a[1] = 0;
      if (random.one_in(2)) a[2] = 0;
      break;
    case SYS_umount2: a[0] = reinterpret_cast<long>(random.of(kPaths)); break;
    case SYS_socket:
    case SYS_socketpair:
      a[0] = 1;
      a[1] = random.one_in(4) ? a[1] : 1 + static_cast<long>(random.below(5));
      a[2] = 0;
      break;
    case SYS_ioctl:
      if (!random.one_in(4)) a[1] = 0x5400 + static_cast<long>(random.below(128));
      break;
    case SYS_fcntl:
      if (!random.one_in(4)) a[1] = static_cast<long>(random.below(17) + (random.one_in(4) ? 1024 : 0));
      if (a[1] == F_SETOWN) a[2] = getpid();
      break;
    case SYS_futex: a[1] = static_cast<long>(random.below(14) | (random.one_in(2) ? 128 : 0)); break;
    case SYS_prctl:
      if (!random.one_in(4)) a[0] = static_cast<long>(random.below(64));
      break;
    case SYS_close: a[0] = 3 + static_cast<long>(random.below(40)); break;
    case SYS_close_range: a[0] = 8 + static_cast<long>(random.below(40)); break;
    case SYS_open:
    case SYS_stat:
    case SYS_lstat:
    case SYS_mkdir:
    case SYS_rename:
    case SYS_link:
    case SYS_symlink:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_creat:
    case SYS_chdir:
      if (random.one_in(4)) break;
      a[0] = reinterpret_cast<long>(random.of(kPaths));
      if (call == SYS_rename || call == SYS_link || call == SYS_symlink) a[1] = reinterpret_cast<long>(random.of(kPaths));
      if (call == SYS_open && !random.one_in(4)) a[1] = static_cast<long>(random.next() & 0xfc3);
      break;
    case SYS_openat:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_newfstatat:
    case SYS_statx:
      if (random.one_in(4)) break;
      a[0] = random.one_in(2) ? AT_FDCWD : a[0];
      a[1] = reinterpret_cast<long>(random.of(kPaths));
      break;
    default: break;
  }
}

bool is_left_out(long call) {
  switch (call) {
    case SYS_reboot:
    case SYS_settimeofday:
    case SYS_clock_settime:
    case SYS_clock_adjtime:
    case SYS_adjtimex:
    case SYS_pivot_root:
    case SYS_chroot:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_syslog:              // may turn the console off
    case SYS_vhangup:
    case SYS_sethostname:         // the next tests' name, too
    case SYS_setdomainname:
    case SYS_pidfd_send_signal:   // to pidfds of /proc directories
    case SYS_arch_prctl: return true;
    default: return call >= 335 && call < 424;
  }
}

// Calls that make a process or replace one: in a child that ends at once.
bool make_process(long call, long (&a)[6]) {
  switch (call) {
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork: {
      if (call == SYS_clone) a[0] &= ~0x00010100l;   // not on this stack, no thread
      if (call == SYS_clone && a[1] != 0) a[1] = 0;
      const bool bare = call == SYS_clone || call == SYS_fork;
      const pid_t child = bare ? static_cast<pid_t>(bare_call(call, a)) : fork();
      if (child == 0) {
        if (call == SYS_clone3) bare_call(call, a);
        bare_call(SYS_exit_group, {});
      }
      return true;
    }
    case TINE_SYS_rfork:
    case TINE_SYS_pdfork:
      if (bare_call(call, a) == 0) bare_call(SYS_exit_group, {});
      return true;
    case SYS_execve:
    case SYS_execveat:
    case SYS_rt_sigreturn:
    case SYS_unshare:
    case TINE_SYS_tfork:
    case TINE_SYS_threxit:
    case TINE_SYS_pledge:
    case TINE_SYS_unveil:
    case TINE_SYS_pinsyscalls: {
      const pid_t child = fork();
      if (child == 0) {
        bare_call(call, a);
        bare_call(SYS_mkdir, {reinterpret_cast<long>("link"), 0755});
        bare_call(SYS_exit_group, {});
      }
      return true;
    }
    default: return false;
  }
}

struct Caller {
  int cell, thread;
  uint64_t seed;
};

void calm_down() {
  struct sigaction handle = {};
  handle.sa_handler = [](int) {};
  for (int signal = 1; signal < 32; signal++)
    if (signal != SIGSEGV && signal != SIGBUS && signal != SIGILL && signal != SIGFPE) sigaction(signal, &handle, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const itimerval often = {{0, 3000}, {0, 3000}};   // ends whatever waits
  setitimer(ITIMER_REAL, &often, nullptr);
}

void* make_calls(void* argument_) {
  const auto caller = static_cast<Caller*>(argument_);
  Cell& cell = shared_state->cells[caller->cell];
  Random random(caller->seed);
  const Arena arena(random);
  for (unsigned i = 0; i < kBatch; i++) {
    if (i % 32 == 0) {
      calm_down();
      arena.fill(random);
      if (caller->thread == 0 && i % 128 == 0) furnish();
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
      }
    }
    const long call = random.one_in(6) ? TINE_SYS_first + static_cast<long>(random.below(kBsdCalls))
                                       : static_cast<long>(random.below(static_cast<uint64_t>(kLastCall)));
    if (is_left_out(call)) continue;
    long arguments[6];
    for (long& each : arguments) each = argument(random, arena);
    fix_arguments(call, arguments, random, arena);
    cell.last_call[caller->thread] = call;
    if (!make_process(call, arguments)) bare_call(call, arguments);
    cell.last_call[caller->thread] = -1;
    __atomic_add_fetch(&cell.calls, 1, __ATOMIC_RELAXED);
  }
  return nullptr;
}

// The folder that a cell sees as the root of everything.
void folder_of(int cell, char (&path)[64]) { snprintf(path, sizeof path, "/tmp/random_calls.%d", cell); }

void make_folder(int cell) {
  char path[64], below[80];
  folder_of(cell, path);
  mkdir(path, 0777);
  chmod(path, 0777);
  for (const char* name : (const char* const[]){"proc", "dir"}) {
    snprintf(below, sizeof below, "%s/%s", path, name);
    mkdir(below, 0777);
    chmod(below, 0777);
    if (*name == 'p') CHECK_OK(mount("proc", below, "proc", 0, nullptr));
  }
}

// Unmounts what is mounted at or below `folder`, wherever the calls have put it. False: nothing there can be unmounted.
// Of two mounts at one place only the upper one can be reached, hence one pass after the other.
bool unmount_some(const char* folder) {
  FILE* mounts = setmntent("/proc/self/mounts", "re");
  CHECK(mounts != nullptr);
  const size_t length = strlen(folder);
  bool any = false;
  while (const mntent* mount = getmntent(mounts)) {
    const char* place = mount->mnt_dir;
    if (strncmp(place, folder, length) != 0 || (place[length] != '\0' && place[length] != '/')) continue;
    any |= umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
  }
  endmntent(mounts);
  return any;
}

void remove_folder(int cell) {
  char path[64];
  folder_of(cell, path);
  while (unmount_some(path)) {
  }
  const pid_t shell = fork();
  if (shell == 0) {
    execl("/bin/rm", "rm", "-rf", path, static_cast<char*>(nullptr));
    _exit(127);
  }
  CHECK_EQ(wait_for(shell), 0);
}

[[noreturn]] void live_in_cell(int cell, uint64_t seed) {
  char path[64];
  folder_of(cell, path);
  const int nowhere = open("/dev/null", O_RDWR);
  for (const int standard : Ints{0, 1, 2}) dup2(nowhere, standard);
  if (chroot(path) != 0 || chdir("/") != 0) _exit(1);
  setsid();   // no call reaches the groups of others
  constexpr struct {
    int which;
    rlim_t most;
  } kLimits[] = {{RLIMIT_FSIZE, 4 << 20}, {RLIMIT_AS, 64 << 20}, {RLIMIT_NPROC, 100}, {RLIMIT_NOFILE, 64}};
  for (const auto& each : kLimits) {
    const rlimit limit = {each.most, each.most};
    setrlimit(each.which, &limit);
  }
  if (cell % 2 != 0 && (setgroups(0, nullptr) != 0 || setgid(1000) != 0 || setuid(1000) != 0)) _exit(1);
  companion = start_companion();
  Caller callers[2] = {{cell, 0, seed}, {cell, 1, ~seed}};
  pthread_t thread;
  if (pthread_create(&thread, nullptr, make_calls, &callers[1]) != 0) _exit(1);
  make_calls(&callers[0]);
  pthread_join(thread, nullptr);
  _exit(0);
}

// One cell after the other from consecutive seeds.
class Supervisor {
 public:
  void begin(int cell, uint64_t seed) {
    cell_ = cell;
    seed_ = seed;
    start();
  }

  // This child has been waited for.
  void note_end(pid_t child) {
    if (child == child_) child_ = 0;
  }

  // Looks after the cell; a dead or standing one is replaced.
  void look() {
    const unsigned long calls = shared_state->cells[cell_].calls;
    if (child_ == 0) return restart();
    if (calls != seen_) {
      seen_ = calls;
      moved_ = now_ns();
    } else if (now_ns() - moved_ > kStandstill) {
      end();
      restart();
    }
  }

  // SIGKILL ends every process, whatever it is doing.
  void end() {
    if (child_ == 0) return;
    kill(child_, SIGKILL);
    const auto has_ended = [this] {
      int status = 0;
      return waitpid(child_, &status, WNOHANG) == child_ && !WIFSTOPPED(status);
    };
    if (!eventually(has_ended, 30)) {
      const Cell& cell = shared_state->cells[cell_];
      fail(__FILE__, __LINE__, "process %d of seed %llu cannot be killed; in calls %ld and %ld", child_,
           static_cast<unsigned long long>(seed_), cell.last_call[0], cell.last_call[1]);
    }
    child_ = 0;
  }

 private:
  void start() {
    child_ = fork();
    if (child_ == 0) live_in_cell(cell_, seed_);
    if (child_ < 0) child_ = 0;   // the cells may have used up the memory; look() tries again
    moved_ = now_ns();
  }
  void restart() {
    seed_ += 1000;
    start();
  }

  int cell_ = 0;
  uint64_t seed_ = 0;
  pid_t child_ = 0;
  unsigned long seen_ = 0;
  int64_t moved_ = 0;
};

// Waits for what has ended, cells and orphans that they left. One that stops has made this process its tracer.
void reap(Supervisor (&supervisors)[kCells]) {
  int status = 0;
  for (pid_t child; (child = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
    if (WIFSTOPPED(status)) kill(child, SIGKILL);
    else for (Supervisor& each : supervisors) each.note_end(child);
  }
}

unsigned long all_calls() {
  unsigned long sum = 0;
  for (const Cell& cell : shared_state->cells) sum += cell.calls;
  return sum;
}

}  // namespace

// Segments that no process has attached stay until somebody removes them.
static void remove_segments() {
  shmid_ds about;
  for (int place = 0, last = 0; place <= last; place++) {
    last = shmctl(0, SHM_INFO, &about);
    const int segment = shmctl(place, SHM_STAT, &about);
    if (segment >= 0) CHECK_OK(shmctl(segment, IPC_RMID, nullptr));
  }
}

// The calls, and then the end of all that they left.
static void rage(uint64_t calls, uint64_t seed, int64_t seconds) {
  for (Cell& cell : shared_state->cells) cell.calls = 0;
  for (int cell = 0; cell < kCells; cell++) make_folder(cell);
  Supervisor supervisors[kCells];
  for (int cell = 0; cell < kCells; cell++) supervisors[cell].begin(cell, seed + static_cast<uint64_t>(cell));
  const int64_t end = now_ns() + seconds * 1'000'000'000;
  int64_t said = now_ns();
  while (all_calls() < calls && now_ns() < end) {
    reap(supervisors);
    for (Supervisor& each : supervisors) each.look();
    sleep_ms(2);
    if (now_ns() - said > 10'000'000'000) {
      said = now_ns();
      dprintf(STDERR_FILENO, "%lu calls\n", all_calls());
    }
  }
  for (Supervisor& each : supervisors) each.end();
  end_descendants(30);
  syscall(TINE_SYS_acct, nullptr);
  remove_segments();
  for (int cell = 0; cell < kCells; cell++) remove_folder(cell);
}

// A cell with root's rights can lock a file that another process has open (pidfd_getfd): such a lock stays as long as that
// file. Locks what others have open, so that each has a place for locks, and lets go of it.
static void unlock_files_of_others() {
  constexpr int kMostDescriptors = 64;
  for_each_process([](pid_t id) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, id, 0));
    if (process < 0) return;
    for (int descriptor = 0; descriptor < kMostDescriptors; descriptor++) {
      const int file = static_cast<int>(syscall(SYS_pidfd_getfd, process, descriptor, 0));
      if (file < 0) continue;
      struct flock whole = {F_UNLCK, SEEK_SET, 0, 0, 0};
      flock(file, LOCK_SH | LOCK_NB);
      flock(file, LOCK_UN);
      fcntl(file, F_OFD_SETLK, &whole);
      close(file);
    }
    close(process);
  });
}

// Init waits for an orphan. It learns of it by a pipe, whose first page stays once it was used.
static void leave_an_orphan() {
  pid_t& orphan = shared<pid_t>();
  const pid_t parent = start_child([&] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    orphan = CHECK_OK(child);
  });
  CHECK_EQ(wait_for(parent), 0);
  CHECK(eventually([&] { return kill(orphan, 0) != 0; }));
}

// In a process of its own, which takes along what all this needs.
static void rage_in_cell(uint64_t calls, uint64_t seed, int64_t seconds) {
  const pid_t cell = start_child([=] {
    adopt_orphans();
    rage(calls, seed, seconds);
  });
  CHECK_EQ(wait_for(cell), 0);
}

TEST(random_calls_with_random_arguments) {
  static KernelState before;
  const uint64_t calls = parameter("TINE_CALLS", 200'000);
  const int64_t seconds = getenv("TINE_CALLS") == nullptr ? 15 : INT32_MAX;
  const uint64_t seed = parameter("TINE_SEED", static_cast<uint64_t>(now_ns()));
  dprintf(STDERR_FILENO, "seed %llu\n", static_cast<unsigned long long>(seed));
  shared_state = &shared<Shared>();
  // What is made once stays: an inode that was ever locked keeps a place for locks.
  const int nowhere = CHECK_OK(open("/dev/null", O_RDWR));
  struct flock lock = {F_WRLCK, SEEK_SET, 0, 0, 0};
  CHECK_OK(fcntl(nowhere, F_SETLK, &lock));
  close(nowhere);
  unlock_files_of_others();
  leave_an_orphan();
  rage_in_cell(1000, seed + kCells, 5);
  before.take();
  before.take();
  rage_in_cell(calls, seed, seconds);
  dprintf(STDERR_FILENO, "%lu calls\n", all_calls());
  unlock_files_of_others();
  check_audit();
  check_state_is_again(before);
}
