// SPDX-License-Identifier: BSD-2-Clause
// Random Linux system calls with arguments that are random or nearly right, by root and by an ordinary user, from
// several processes of two threads each. Nothing is expected of the calls but that the kernel lives, that every process
// can be killed, and that the audit is clean. A process makes a batch of calls from its own seed; whoever stands still
// (the call waits for ever, or the arguments broke the process) is killed, and the next seed begins.
// TINE_CALLS sets how many calls (a bounded time otherwise), TINE_SEED the seed.
//
// Left out: what ends the test by design (reboot, the clock's time, signals to and limits of others, mounts and roots
// outside of the batch's own folder).
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "kernel_state.h"
#include "random.h"

namespace {

constexpr int kCells = 4;                 // processes at once; the odd ones are an ordinary user's
constexpr unsigned kBatch = 1000;         // calls before a cell starts afresh
constexpr int64_t kStandstill = 400'000'000;
constexpr long kLastCall = 462;
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

// A process that may be signalled, limited, scheduled: this one, or none.
long own_process(Random& random) {
  const long choices[] = {getpid(), getpid(), bare_call(SYS_gettid, {}), 0x7ffffff0, 0x7fffffff};
  return random.of(choices);
}

void fix_arguments(long call, long (&a)[6], Random& random, const Arena& arena) {
  constexpr size_t kLargest = 1 << 20;
  switch (call) {
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
    case SYS_execve:
    case SYS_execveat:
    case SYS_rt_sigreturn:
    case SYS_unshare: {
      const pid_t child = fork();
      if (child == 0) {
        bare_call(call, a);
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
      while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
      }
    }
    const long call = static_cast<long>(random.below(static_cast<uint64_t>(kLastCall)));
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

// Also what was mounted in it.
void remove_folder(int cell) {
  char path[64], place[128];
  folder_of(cell, path);
  const auto unmount = [&](const char* name) {
    snprintf(place, sizeof place, "%s/%s", path, name);
    while (umount2(place, MNT_DETACH) == 0) {
    }
  };
  for (const char* name : kPaths) unmount(name);
  unmount("proc");
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
  setpgid(0, 0);
  constexpr struct {
    int which;
    rlim_t most;
  } kLimits[] = {{RLIMIT_FSIZE, 4 << 20}, {RLIMIT_AS, 64 << 20}, {RLIMIT_NPROC, 100}, {RLIMIT_NOFILE, 64}};
  for (const auto& each : kLimits) {
    const rlimit limit = {each.most, each.most};
    setrlimit(each.which, &limit);
  }
  if (cell % 2 != 0 && (setgroups(0, nullptr) != 0 || setgid(1000) != 0 || setuid(1000) != 0)) _exit(1);
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

  // Looks after the cell; a dead or standing one is replaced.
  void look() {
    const unsigned long calls = shared_state->cells[cell_].calls;
    if (waitpid(child_, nullptr, WNOHANG) == child_) return restart();
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
    if (!eventually([this] { return waitpid(child_, nullptr, WNOHANG) == child_; }, 30)) {
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
    if (child_ < 0) fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
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

unsigned long all_calls() {
  unsigned long sum = 0;
  for (const Cell& cell : shared_state->cells) sum += cell.calls;
  return sum;
}

}  // namespace

TEST(random_calls_with_random_arguments) {
  // On request only: a run as root once reset the machine, for a reason not found yet, and on Linux some of its processes
  // cannot be killed (docs/roadmap.md).
  if (getenv("TINE_RANDOM_CALLS") == nullptr) SKIP("set TINE_RANDOM_CALLS to run it");
  const bool bounded = getenv("TINE_CALLS") == nullptr;
  const uint64_t calls = parameter("TINE_CALLS", 200'000);
  const uint64_t seed = parameter("TINE_SEED", static_cast<uint64_t>(now_ns()));
  dprintf(STDERR_FILENO, "seed %llu\n", static_cast<unsigned long long>(seed));
  shared_state = &shared<Shared>();
  adopt_orphans();
  for (int cell = 0; cell < kCells; cell++) make_folder(cell);
  Supervisor supervisors[kCells];
  for (int cell = 0; cell < kCells; cell++) supervisors[cell].begin(cell, seed + static_cast<uint64_t>(cell));
  const int64_t end = now_ns() + 15'000'000'000;
  int64_t said = now_ns();
  while (all_calls() < calls && (!bounded || now_ns() < end)) {
    for (Supervisor& each : supervisors) each.look();
    sleep_ms(2);
    if (now_ns() - said > 10'000'000'000) {
      said = now_ns();
      dprintf(STDERR_FILENO, "%lu calls\n", all_calls());
    }
  }
  for (Supervisor& each : supervisors) each.end();
  dprintf(STDERR_FILENO, "%lu calls\n", all_calls());
  end_descendants(30);
  for (int cell = 0; cell < kCells; cell++) remove_folder(cell);
  check_audit();
}
