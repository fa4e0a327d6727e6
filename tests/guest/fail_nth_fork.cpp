// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Making processes and threads, executing and ending, when every allocation and reservation on the way fails once: slots,
// user's count, ids, stacks, structures, the roots of the trees, what those who are told of forks reserve. Each time the
// call must say EAGAIN or ENOMEM, or go on, and leave everything as it was.
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/ktrace.h>
#include <sys/procdesc.h>
#include <sys/syscall.h>
#include <sys/tfork.h>
#include <tine/syscall.h>

#include "fail_nth.h"
#include "tracee.h"

extern "C" const char __executable_start[], etext[];

namespace {

long address_of(const void* object) { return reinterpret_cast<long>(object); }

// For calls that make a process, which ends at once.
template <class Call>
void walk_process(int least, Call call) {
  Walk armed;
  walk(least, [&](int n) {
    const long long last_pid = setting("lastpid");
    const Outcome outcome = call(armed, n);
    if (outcome == Outcome::Failed) {
      CHECK_EQ(setting("lastpid"), last_pid);
    } else {
      int how = 0;
      CHECK_EQ(waitpid(static_cast<pid_t>(armed.result()), &how, __WALL), static_cast<pid_t>(armed.result()));
      CHECK_EQ(how, 0);
    }
    CHECK_ERRNO(waitpid(-1, nullptr, WNOHANG | __WALL), ECHILD);
    return outcome;
  });
}

// A fork takes at least these: two slots, the user's count, pid and its structure, thread id, kernel stack, process, thread.
constexpr int kCounted = 9;

void walk_rfork(unsigned flags, int least) {
  walk_process(least, [=](Walk& armed, int n) { return armed.at(n, TINE_SYS_rfork, flags, 0, 0, 0, 0, true); });
}

// A thread: its slot, id, kernel stack and structure.
constexpr int kOfAThread = 4;

alignas(16) char thread_stack[4096];
volatile int thread_alive;

// For calls that make a thread, which clears `thread_alive` at its end.
template <class Call>
void walk_thread(Call call) {
  Walk armed;
  walk(kOfAThread, [&](int n) {
    thread_alive = 1;
    memset(thread_stack, 0, sizeof thread_stack);
    const Outcome outcome = call(armed, n);
    if (outcome != Outcome::Failed) CHECK(eventually([] { return thread_alive == 0; }));
    return outcome;
  });
}

constexpr long kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

}  // namespace

TEST(A1_fork_at_every_site) {
  walk_process(kCounted + 5, [](Walk& armed, int n) { return armed.at(n, SYS_fork, 0, 0, 0, 0, 0, true); });
}

TEST(A1_vfork_at_every_site) {
  walk_process(kCounted + 3, [](Walk& armed, int n) { return armed.at(n, SYS_vfork, 0, 0, 0, 0, 0, true); });
}

TEST(A1_vfork_that_copies_at_every_site) {
  const ChangedSetting copying("fast_vfork", 0ll);
  walk_process(kCounted + 5, [](Walk& armed, int n) { return armed.at(n, SYS_vfork, 0, 0, 0, 0, 0, true); });
}

TEST(A1_rfork_with_copied_descriptors_at_every_site) { walk_rfork(RFPROC | RFFDG, kCounted + 5); }
TEST(A1_rfork_with_shared_descriptors_at_every_site) { walk_rfork(RFPROC, kCounted + 3); }
TEST(A1_rfork_without_descriptors_at_every_site) { walk_rfork(RFPROC | RFCFDG, kCounted + 5); }
TEST(A1_rfork_with_shared_memory_at_every_site) { walk_rfork(RFPROC | RFFDG | RFMEM, kCounted + 3); }
TEST(A1_rfork_with_shared_actions_at_every_site) { walk_rfork(RFPROC | RFFDG | RFSIGSHARE, kCounted + 4); }
TEST(A1_rfork_of_a_peer_at_every_site) { walk_rfork(RFPROC | RFFDG | RFTHREAD, kCounted + 5); }
TEST(A1_rfork_with_another_exit_signal_at_every_site) {
  signal(SIGUSR1, SIG_IGN);
  walk_rfork(RFPROC | RFFDG | RFLINUXTHPN, kCounted + 5);
}

TEST(A1_rfork_of_inits_child_at_every_site) {
  Walk armed;
  walk(kCounted + 5, [&](int n) {
    const Outcome outcome = armed.at(n, TINE_SYS_rfork, RFPROC | RFFDG | RFNOWAIT, 0, 0, 0, 0, true);
    CHECK_ERRNO(waitpid(-1, nullptr, WNOHANG | __WALL), ECHILD);
    return outcome;
  });
}

TEST(A1_fork_of_a_watched_process_at_every_site) {
  // Who is told of forks needs memory for it: a followed process (whose failure is told as NOTE_TRACKERR) and a traced one.
  const int queue = CHECK_OK(static_cast<int>(syscall(TINE_SYS_kqueue, 0)));
  struct kevent change;
  EV_SET(&change, static_cast<uintptr_t>(getpid()), EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_EXIT, 0, nullptr);
  CHECK_OK(static_cast<int>(syscall(TINE_SYS_kevent, queue, &change, 1, nullptr, 0, nullptr)));
  close(CHECK_OK(open("/tmp/fail_nth.trace", O_CREAT | O_WRONLY | O_TRUNC, 0600)));
  CHECK_OK(static_cast<int>(
      syscall(TINE_SYS_ktrace, "/tmp/fail_nth.trace", KTROP_SET, KTRFAC_USER | KTRFAC_INHERIT, getpid())));
  walk_process(kCounted + 6, [&](Walk& armed, int n) {
    const Outcome outcome = armed.at(n, SYS_fork, 0, 0, 0, 0, 0, true);
    // What the queue keeps of each child is given back when it is read.
    struct kevent event;
    const timespec none = {0, 20'000'000};
    if (outcome != Outcome::Failed)
      while (syscall(TINE_SYS_kevent, queue, nullptr, 0, &event, 1, &none) > 0 && !(event.fflags & NOTE_EXIT)) {
      }
    return outcome;
  });
}

TEST(A1_fork_of_a_ptraced_process_at_every_site) {
  Walk armed;
  constexpr int kTolerated = 60, kPassed = 61;
  walk(kCounted + 6, [&](int n) {
    const pid_t tracee = start_traced([&] {
      armed.open_injector();
      const Outcome outcome = armed.at(n, SYS_fork, 0, 0, 0, 0, 0, true);
      if (outcome == Outcome::Failed) return;
      CHECK_EQ(wait_for(static_cast<pid_t>(armed.result())), 0);
      _exit(outcome == Outcome::Passed ? kPassed : kTolerated);
    }, PTRACE_O_TRACEFORK);
    CHECK_OK(trace(PTRACE_CONT, tracee));
    int how = -1, status;
    while (const pid_t told = waitpid(-1, &status, __WALL)) {
      if (told < 0) break;
      if (WIFSTOPPED(status)) CHECK_OK(trace(PTRACE_CONT, told));
      else if (told == tracee) how = status;
    }
    CHECK(WIFEXITED(how));
    CHECK(WEXITSTATUS(how) == 0 || WEXITSTATUS(how) == kPassed || WEXITSTATUS(how) == kTolerated);
    return how == 0 ? Outcome::Failed : WEXITSTATUS(how) == kPassed ? Outcome::Passed : Outcome::Tolerated;
  });
}

TEST(A1_clone_with_pidfd_at_every_site) {
  static int pidfd;
  walk_process(kCounted + 6, [](Walk& armed, int n) {
    const Outcome outcome = armed.at(n, SYS_clone, CLONE_PIDFD | SIGCHLD, 0, address_of(&pidfd), 0, 0, true);
    if (outcome != Outcome::Failed) CHECK_OK(close(pidfd));
    return outcome;
  });
}

TEST(A1_clone3_with_pidfd_at_every_site) {
  static int pidfd;
  static clone_args arguments;
  arguments.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_FS;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  walk_process(kCounted + 5, [](Walk& armed, int n) {
    const Outcome outcome = armed.at(n, SYS_clone3, address_of(&arguments), sizeof arguments, 0, 0, 0, true);
    if (outcome != Outcome::Failed) CHECK_OK(close(pidfd));
    return outcome;
  });
}

TEST(A1_pdfork_at_every_site) {
  static int descriptor;
  Walk armed;
  walk(kCounted + 6, [&](int n) {
    const Outcome outcome = armed.at(n, TINE_SYS_pdfork, address_of(&descriptor), 0, 0, 0, 0, true);
    if (outcome != Outcome::Failed) {
      int status = -1;
      CHECK_EQ(static_cast<long>(pdwait4(descriptor, &status, 0, nullptr)), armed.result());
      CHECK_EQ(status, 0);
      CHECK_OK(close(descriptor));
    }
    CHECK_ERRNO(waitpid(-1, nullptr, WNOHANG | __WALL), ECHILD);
    return outcome;
  });
}

TEST(A1_thread_at_every_site) {
  walk_thread([](Walk& armed, int n) {
    return armed.at(n, SYS_clone, kThread | CLONE_CHILD_CLEARTID, address_of(thread_stack + sizeof thread_stack), 0,
                    address_of(const_cast<int*>(&thread_alive)), 0, true);
  });
}

TEST(A1_clone3_of_a_thread_at_every_site) {
  static clone_args arguments;
  arguments.flags = kThread | CLONE_CHILD_CLEARTID;
  arguments.stack = reinterpret_cast<uint64_t>(thread_stack);
  arguments.stack_size = sizeof thread_stack;
  arguments.child_tid = reinterpret_cast<uint64_t>(&thread_alive);
  walk_thread([](Walk& armed, int n) { return armed.at(n, SYS_clone3, address_of(&arguments), sizeof arguments, 0, 0, 0, true); });
}

TEST(A1_tfork_at_every_site) {
  static __tfork parameters;
  static pid_t thread;
  parameters.tf_tid = &thread;
  parameters.tf_stack = thread_stack + sizeof thread_stack;
  Walk armed;
  const long long threads = settled("nthreads");
  walk(kOfAThread, [&](int n) {
    const Outcome outcome = armed.at(n, TINE_SYS_tfork, address_of(&parameters), sizeof parameters, 0, 0, 0, true);
    if (outcome != Outcome::Failed) {
      CHECK_EQ(static_cast<long>(thread), armed.result());
      CHECK(eventually([=] { return setting("nthreads") == threads; }));
    }
    return outcome;
  });
}

// The C library's own way: several calls, and memory that it touches, whose faults pass sites too.
TEST(A1_pthread_create_at_every_site) {
  Walk armed;
  constexpr int kRefused = 60, kStillArmed = 61;
  walk(5, [&](int n) {
    const int status = in_child([&] {
      armed.open_injector();
      char text[16];
      const int size = snprintf(text, sizeof text, "%d", n);
      pthread_t thread;
      const auto body = [](void*) -> void* { return nullptr; };
      armed.write_count(text, size);
      const int error = pthread_create(&thread, nullptr, body, nullptr);
      const int left = armed.read_left();
      if (error != 0) {
        CHECK(error == EAGAIN || error == ENOMEM);
        _exit(kRefused);
      }
      CHECK_EQ(pthread_join(thread, nullptr), 0);
      if (left != 0) _exit(kStillArmed);
    });
    if (status == kStillArmed) return Outcome::Passed;
    // A page that could not be had kills.
    CHECK(status == 0 || status == kRefused || status == 128 + SIGSEGV || status == 128 + SIGBUS || status == 128 + SIGKILL);
    return status == 0 ? Outcome::Tolerated : Outcome::Failed;
  });
}

TEST(A1_execve_at_every_site) {
  Walk armed;
  // The new program tells whether the injector is still waiting for its site.
  static const char* const arguments[] = {"cat", "/proc/self/fail-nth", nullptr};
  static const char* const environment[] = {"A=B", nullptr};
  constexpr int kClean = 50;
  walk(20, [&](int n) {
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    const pid_t child = start_child([&] {
      CHECK_OK(dup2(ends[1], STDOUT_FILENO));
      close(STDERR_FILENO);   // its complaints would fill a page of the test's own pipe
      armed.open_injector();
      armed.at(n, SYS_execve, address_of("/bin/busybox"), address_of(arguments), address_of(environment));
      _exit(kClean);
    });
    close(ends[1]);
    char left[16] = {};
    const ssize_t size = read(ends[0], left, sizeof left - 1);
    close(ends[0]);
    // Beyond the point of no return, and in the new program's page faults, only a signal can tell. What the program itself
    // asks for may fail it too.
    const int status = wait_for(child);
    if (status > 2 && status != kClean && status != 127 && status != 128 + SIGKILL && status != 128 + SIGSEGV && status != 128 + SIGBUS)
      fail(__FILE__, __LINE__, "site %d: status %d", n, status);
    if (status != 0) return Outcome::Failed;
    return size > 0 && atoi(left) != 0 ? Outcome::Passed : Outcome::Tolerated;
  });
}

// exit cannot fail: whatever it is refused, the process ends as it wanted to.
TEST(A1_exit_at_every_site) {
  Walk armed;
  walk(0, [&](int n) {
    const pid_t child = start_child([&] {
      start_child([] {});   // an orphan, alive or dead
      CHECK_OK(open("/dev/null", O_RDONLY));
      armed.open_injector();
      armed.at(n, SYS_exit_group, 42);
    });
    CHECK_EQ(wait_for(child), 42);
    return n < 40 ? Outcome::Tolerated : Outcome::Passed;
  });
}

// What is refused leaves the process without pins, so that the next try is its first.
TEST(A1_pinsyscalls_at_every_site) {
  Walk armed;
  static uint32_t anywhere[TINE_SYS_last + 1];
  memset(anywhere, 0xff, sizeof anywhere);
  constexpr int kTolerated = 60, kPassed = 61;
  walk(1, [&](int n) {
    const int status = in_child([&] {
      armed.open_injector();
      const long call[] = {address_of(__executable_start), etext - __executable_start, address_of(anywhere), TINE_SYS_last + 1};
      const Outcome outcome = armed.at(n, TINE_SYS_pinsyscalls, call[0], call[1], call[2], call[3]);
      const long again = syscall(TINE_SYS_pinsyscalls, call[0], call[1], call[2], call[3]);
      if (outcome == Outcome::Failed) {
        CHECK_EQ(again, 0);
        return;
      }
      CHECK_EQ(again, -1);
      CHECK_EQ(errno, EPERM);
      _exit(outcome == Outcome::Passed ? kPassed : kTolerated);
    });
    CHECK(status == 0 || status == kPassed || status == kTolerated);
    return status == 0 ? Outcome::Failed : status == kPassed ? Outcome::Passed : Outcome::Tolerated;
  });
}
