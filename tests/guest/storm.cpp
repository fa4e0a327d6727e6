// SPDX-License-Identifier: BSD-2-Clause
// A storm of lives: processes and threads that fork in every way, exec, exit, kill, stop, trace and watch each other and
// their groups, fill pipes and map memory at random, with memory failing now and then, for a few seconds. Then all of them
// can be ended, the audit is clean and nothing is left. What a kernel does not have (the BSD calls, on Linux) says so and
// changes nothing. TINE_STORM_SECONDS and TINE_SEED choose how long and which; the long run is
//   ./tine run --debug-kernel --smp 4 --add build/debug/tests/storm -- env TINE_STORM_SECONDS=600 /root/storm lives_at_random
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

#include "kernel_state.h"
#include "random.h"

namespace {

constexpr int kRoots = 4;      // independent storms
constexpr int kMostChildren = 4;
constexpr int kDeepest = 2;    // generations below a root

struct Shared {
  int64_t end;
  unsigned long steps, lives;
};
Shared* shared_state;

void count(unsigned long& counter) { __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED); }
bool is_over() { return now_ns() > shared_state->end; }

[[noreturn]] void exec_something() {
  execl("/proc/self/exe", "storm", "--list", static_cast<char*>(nullptr));
  _exit(1);
}

int end_at_once(void*) { _exit(0); }

void* live_shortly(void* argument) {
  Random random(reinterpret_cast<uintptr_t>(argument));
  switch (random.below(6)) {
    case 0: sched_yield(); break;
    case 1: usleep(static_cast<unsigned>(random.below(2000))); break;
    case 2: munmap(mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0), 65536); break;
    case 3: raise(SIGUSR1); break;
    default: break;
  }
  return nullptr;
}

class Storm {
 public:
  Storm(uint64_t seed, int depth) : random_(seed), depth_(depth) {}

  void rage(unsigned steps) {
    for (unsigned i = 0; i < steps && !is_over(); i++) {
      step();
      count(shared_state->steps);
    }
  }

  void end_children() {
    for (int i = 0; i < children_; i++) {
      kill(child_[i], SIGKILL);
      while (waitpid(child_[i], nullptr, __WALL) < 0 && errno == EINTR) {
      }
    }
    children_ = 0;
  }

 private:
  void step() {
    switch (random_.below(20)) {
      case 0:
      case 1:
      case 2: fork_one(); break;
      case 3: vfork_one(); break;
      case 4: clone_one(); break;
      case 5: start_threads(); break;
      case 6: signal_one(); break;
      case 7: storm_a_group(); break;
      case 8: use_a_pipe(); break;
      case 9: use_memory(); break;
      case 10: exec_among_threads(); break;
      case 11: stop_and_continue(); break;
      case 12: rfork_one(); break;
      case 13: pdfork_one(); break;
      case 14: track_one(); break;
      case 15: trace_one(); break;
      case 16: fail_somewhere(); break;
      default: reap(); break;
    }
  }

  // A child with a storm of its own, which may end in many ways.
  void fork_one() {
    if (depth_ == kDeepest || children_ == kMostChildren) return reap();
    const uint64_t seed = random_.next();
    const pid_t child = fork();
    if (child == 0) {
      Storm storm(seed, depth_ + 1);
      storm.rage(static_cast<unsigned>(storm.random_.below(40)));
      if (!storm.random_.one_in(4)) storm.end_children();   // else they become orphans
      if (storm.random_.one_in(3)) exec_something();
      if (storm.random_.one_in(8)) abort();
      _exit(0);
    }
    keep(child);
  }

  void vfork_one() {
    const bool exec = random_.one_in(2);
    const pid_t child = vfork();
    if (child == 0) {
      if (exec) execl("/proc/self/exe", "storm", "--list", static_cast<char*>(nullptr));
      _exit(0);
    }
    if (child > 0) wait_out(child);
  }

  void clone_one() {
    alignas(16) static char stack[16384];
    constexpr int kChoices[] = {CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_VFORK, CLONE_PARENT_SETTID, CLONE_VM | CLONE_SIGHAND};
    int flags = random_.one_in(4) ? 0 : SIGCHLD;
    for (int i = 0; i < 3; i++) flags |= random_.of(kChoices);
    pid_t id;
    const pid_t child = clone(end_at_once, stack + sizeof stack, flags, nullptr, &id);
    if (child > 0) wait_out(child);
  }

  void start_threads() {
    pthread_t threads[4];
    bool started[4];
    for (int i = 0; i < 4; i++) {
      void* seed = reinterpret_cast<void*>(random_.next());
      started[i] = pthread_create(&threads[i], nullptr, live_shortly, seed) == 0;
    }
    for (int i = 0; i < 4; i++)
      if (started[i]) pthread_join(threads[i], nullptr);
  }

  void signal_one() {
    const int kSignals[] = {SIGTERM, SIGKILL, SIGUSR1, SIGUSR2, SIGSTOP, SIGCONT, SIGSEGV, SIGRTMIN};
    if (children_) kill(child_[random_.below(static_cast<uint64_t>(children_))], random_.of(kSignals));
  }

  // A group that forks while it is killed: none may escape.
  void storm_a_group() {
    const pid_t leader = fork();
    if (leader == 0) {
      setpgid(0, 0);
      for (int i = 0; i < 4; i++)
        if (fork() < 0) break;
      if (random_.one_in(2)) kill(0, SIGKILL);
      usleep(1000);
      _exit(0);
    }
    if (leader < 0) return;
    setpgid(leader, leader);
    usleep(static_cast<unsigned>(random_.below(3000)));
    kill(-leader, SIGKILL);
    wait_out(leader);
  }

  void use_a_pipe() {
    int ends[2];
    if (pipe(ends) != 0) return;
    const pid_t child = fork();
    if (child == 0) {
      char bytes[8192];
      close(ends[0]);
      signal(SIGPIPE, SIG_DFL);
      for (int i = 0; i < 20; i++)
        if (write(ends[1], bytes, sizeof bytes) < 0) break;
      _exit(0);
    }
    close(ends[1]);
    char bytes[4096];
    for (uint64_t i = random_.below(50); i > 0 && read(ends[0], bytes, sizeof bytes) > 0; i--) {
    }
    close(ends[0]);
    if (child > 0) wait_out(child);
  }

  void use_memory() {
    const size_t size = (1 + random_.below(256)) * 4096;
    const int sharing = random_.one_in(2) ? MAP_SHARED : MAP_PRIVATE;
    char* memory = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED) return;
    for (size_t at = 0; at < size; at += 4096 * (1 + random_.below(8))) memory[at] = 1;
    const pid_t child = fork();
    if (child == 0) {
      for (size_t at = 0; at < size; at += 4096 * (1 + random_.below(8))) memory[at] = 2;
      mprotect(memory, size / 2 & ~4095ul, PROT_READ);
      _exit(0);
    }
    for (size_t at = 0; at < size; at += 4096 * (1 + random_.below(8))) memory[at] = 3;
    munmap(memory, size);
    if (child > 0) wait_out(child);
  }

  // exec and exit_group while other threads run.
  void exec_among_threads() {
    const bool exec = random_.one_in(2), from_leader = random_.one_in(2);
    const pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      const auto turn = [](void*) -> void* {
        for (;;) sched_yield();
      };
      for (int i = 0; i < 3; i++) pthread_create(&thread, nullptr, turn, nullptr);
      if (!from_leader) {
        pthread_create(&thread, nullptr, [](void*) -> void* { exec_something(); }, nullptr);
        for (;;) pause();
      }
      if (exec) exec_something();
      _exit(0);
    }
    if (child > 0) wait_out(child);
  }

  void stop_and_continue() {
    const pid_t child = fork();
    if (child == 0) {
      raise(SIGSTOP);
      _exit(0);
    }
    if (child < 0) return;
    if (random_.one_in(2)) waitpid(child, nullptr, WUNTRACED);
    kill(child, random_.one_in(3) ? SIGKILL : SIGCONT);
    usleep(200);
    kill(child, SIGCONT);   // the first may have come before the stop
    if (random_.one_in(2)) kill(child, SIGKILL);
    while (waitpid(child, nullptr, WNOHANG) == 0) {
      kill(child, SIGCONT);
      sched_yield();
    }
  }

  // rfork(2), by its number: any flags but shared memory, where the child would return on this stack.
  void rfork_one() {
    constexpr long kMakeProcess = 1 << 4, kNoWait = 1 << 6;
    constexpr long kChoices[] = {1 << 2, kNoWait, 1 << 12, 1 << 13, 1 << 14, 1 << 16, 0};
    const long flags = kMakeProcess | random_.of(kChoices) | random_.of(kChoices);
    const long child = syscall(TINE_SYS_rfork, flags);
    if (child == 0) {
      if (random_.one_in(3)) usleep(100);
      _exit(0);
    }
    if (child > 0 && !(flags & kNoWait)) wait_out(static_cast<pid_t>(child));
  }

  // A child that ends with its descriptor, is killed through it, or ends by itself.
  void pdfork_one() {
    int descriptor = -1;
    const long child = syscall(TINE_SYS_pdfork, &descriptor, 0);
    if (child == 0) {
      if (random_.one_in(2)) pause();
      _exit(0);
    }
    if (child < 0) return;
    if (random_.one_in(2)) syscall(TINE_SYS_pdkill, descriptor, SIGKILL);
    if (random_.one_in(2)) sched_yield();
    close(descriptor);
  }

  // A kqueue that follows this process's children and theirs, and may go while they live.
  void track_one() {
    const int queue = static_cast<int>(syscall(TINE_SYS_kqueue, 0));
    if (queue < 0) return;
    struct kevent change;
    EV_SET(&change, static_cast<uintptr_t>(getpid()), EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_FORK | NOTE_EXEC | NOTE_EXIT, 0, nullptr);
    syscall(TINE_SYS_kevent, queue, &change, 1, nullptr, 0, nullptr);
    const pid_t child = fork();
    if (child == 0) {
      if (fork() == 0 && random_.one_in(2)) exec_something();
      _exit(0);
    }
    struct kevent events[4];
    const timespec soon = {0, static_cast<long>(random_.below(500'000))};
    if (random_.one_in(2)) syscall(TINE_SYS_kevent, queue, nullptr, 0, events, 4, &soon);
    if (random_.one_in(2)) close(queue);
    if (child > 0) wait_out(child);
    close(queue);
  }

  void trace_one() {
    constexpr long kAttach = 16, kDetach = 17;
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0; i < 200; i++) sched_yield();
      _exit(0);
    }
    if (child < 0) return;
    if (syscall(SYS_ptrace, kAttach, child, 0, 0) == 0) {
      int status;
      if (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
        if (random_.one_in(2)) syscall(SYS_ptrace, kDetach, child, 0, 0);
      } else {
        return;   // it was quicker
      }
    }
    kill(child, SIGKILL);
    wait_out(child);
  }

  // A child in which one allocation fails, wherever that is.
  void fail_somewhere() {
    const pid_t child = fork();
    if (child == 0) {
      const int file = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
      char text[16];
      const int size = snprintf(text, sizeof text, "%d", 1 + static_cast<int>(random_.below(80)));
      if (file < 0 || write(file, text, static_cast<size_t>(size)) != size) _exit(0);
      children_ = 0;
      switch (random_.below(7)) {
        case 0: vfork_one(); break;
        case 1: clone_one(); break;
        case 2: start_threads(); break;
        case 3: use_a_pipe(); break;
        case 4: use_memory(); break;
        case 5: rfork_one(); break;
        default: exec_something();
      }
      _exit(0);
    }
    if (child > 0) wait_out(child);
  }

  void reap() {
    for (int i = 0; i < children_;) {
      if (waitpid(child_[i], nullptr, WNOHANG) == 0) {
        i++;
      } else {
        child_[i] = child_[--children_];
      }
    }
  }

  void keep(pid_t child) {
    if (child < 0) return;
    count(shared_state->lives);
    child_[children_++] = child;
  }

  static void wait_out(pid_t child) {
    count(shared_state->lives);
    while (waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }

  Random random_;
  const int depth_;
  pid_t child_[kMostChildren];
  int children_ = 0;
};

}  // namespace

// The storm proper, in a process of its own that adopts and ends what the storm leaves behind.
static void rage_for(int64_t seconds, uint64_t seed) {
  adopt_orphans();
  shared_state->end = now_ns() + seconds * 1'000'000'000;
  pid_t roots[kRoots];
  for (int i = 0; i < kRoots; i++)
    roots[i] = start_child([&] {
      const int nowhere = CHECK_OK(open("/dev/null", O_RDWR));
      for (const int standard : Ints{0, 1, 2}) dup2(nowhere, standard);
      signal(SIGUSR1, [](int) {});
      Storm storm(seed + static_cast<uint64_t>(i), 0);
      while (!is_over()) storm.rage(1000);
      storm.end_children();
    });
  int raging = kRoots;
  const bool over = eventually(
      [&] {
        // Orphans come here. Whoever stopped them is gone.
        int status;
        for (pid_t told; (told = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0;) {
          if (WIFSTOPPED(status)) kill(told, SIGKILL);
          for (pid_t& root : roots) {
            if (told != root || WIFSTOPPED(status)) continue;
            root = 0;
            --raging;
          }
        }
        return raging == 0;
      },
      static_cast<int>(seconds) + 20);
  if (!over) print_processes();
  end_descendants(20);
  CHECK(over);
}

static void rage_in_cell(int64_t seconds, uint64_t seed) {
  const pid_t cell = start_child([&] { rage_for(seconds, seed); });
  int status = -1;
  CHECK_EQ(waitpid(cell, &status, 0), cell);
  CHECK_EQ(status, 0);
}

TEST(lives_at_random) {
  static KernelState before;
  const uint64_t seed = parameter("TINE_SEED", static_cast<uint64_t>(now_ns()));
  const int64_t seconds = static_cast<int64_t>(parameter("TINE_STORM_SECONDS", 8));
  dprintf(STDERR_FILENO, "seed %llu\n", static_cast<unsigned long long>(seed));
  shared_state = &shared<Shared>();
  shared_state->lives = 0;
  // A short one before counting: what is made once stays.
  rage_in_cell(1, seed + kRoots);
  before.take();
  before.take();
  rage_in_cell(seconds, seed);
  check_state_is_again(before);
  check_audit();
  dprintf(STDERR_FILENO, "%lu steps, %lu lives\n", shared_state->steps, shared_state->lives);
}
