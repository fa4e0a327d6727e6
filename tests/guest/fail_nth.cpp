// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Every allocation and reservation of a call fails once: n = 1, 2, ... until the call passes fewer than n. Each time the
// call must say ENOMEM or EAGAIN and leave everything as it was. Needs a debug kernel.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kernel_state.h"

namespace {

// One armed call. The three system calls follow each other without a touch of memory that could be copied on write in
// between: a page fault passes sites too.
struct Armed {
  long file;              // fail-nth
  const char* count;      // what to write to it
  long count_size;
  long call[7];           // number, arguments
  char* left;             // where to read what is left, 16 bytes
  long child_exits;       // the call returns 0 in a child, which must end at once
  long result, read_result;
};

}  // namespace

extern "C" void make_armed_call(Armed* armed);
asm(R"(
.text
.globl make_armed_call
make_armed_call:
  push %rbx
  push %r12
  push %r13
  mov %rdi, %rbx
  mov $1, %eax
  mov 0(%rbx), %rdi
  mov 8(%rbx), %rsi
  mov 16(%rbx), %rdx
  syscall
  mov 24(%rbx), %rax
  mov 32(%rbx), %rdi
  mov 40(%rbx), %rsi
  mov 48(%rbx), %rdx
  mov 56(%rbx), %r10
  mov 64(%rbx), %r8
  mov 72(%rbx), %r9
  syscall
  mov %rax, %r12
  test %rax, %rax
  jnz 1f
  cmpq $0, 88(%rbx)
  je 1f
  mov $60, %eax
  xor %edi, %edi
  syscall
1:
  mov $17, %eax
  mov 0(%rbx), %rdi
  mov 80(%rbx), %rsi
  mov $16, %edx
  xor %r10d, %r10d
  syscall
  mov %rax, %r13
  mov $1, %eax
  mov 0(%rbx), %rdi
  lea zero_text(%rip), %rsi
  mov $1, %edx
  syscall
  mov %r12, 96(%rbx)
  mov %r13, 104(%rbx)
  pop %r13
  pop %r12
  pop %rbx
  ret
.section .rodata
zero_text: .ascii "0"
.text
)");

namespace {

constexpr int kMostSites = 400;

enum class Outcome { Failed, Tolerated, Passed };   // at its n-th site; it has fewer than n

class Walk {
 public:
  Walk() {
    if (access("/proc/self/fail-nth", W_OK) != 0) SKIP("no fault injection in this kernel");
    armed_ = static_cast<Armed*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    CHECK(armed_ != MAP_FAILED);
    memset(armed_, 0, 8192);
    open_injector();
  }

  // In a child: its own injector.
  void open_injector() { armed_->file = CHECK_OK(open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC)); }

  // The call with its n-th site failing.
  Outcome at(int n, long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, bool child_exits = false) {
    char* text = reinterpret_cast<char*>(armed_) + 4096;
    armed_->count = text;
    armed_->count_size = snprintf(text, 16, "%d", n);
    armed_->left = text + 64;
    memset(armed_->left, 0, 16);
    const long call[] = {number, a, b, c, d, e, 0};
    memcpy(armed_->call, call, sizeof call);
    armed_->child_exits = child_exits;
    make_armed_call(armed_);
    // A site of the reading itself may have been the one: then none of the call's was.
    const bool fired = armed_->read_result > 0 && atoi(armed_->left) == 0;
    if (result() < 0) {
      // EFAULT: no memory for a page that the call stores to.
      if (!fired || (result() != -ENOMEM && result() != -EAGAIN && result() != -EFAULT))
        fail(__FILE__, __LINE__, "call %ld at site %d: %s%s", number, n, strerror(static_cast<int>(-result())),
             fired ? "" : ", but nothing was made to fail");
      return Outcome::Failed;
    }
    return fired ? Outcome::Tolerated : Outcome::Passed;
  }
  long result() const { return armed_->result; }

 private:
  Armed* armed_;
};

// Runs `once(n)` for n = 1, 2, ... until it says Passed; at least `least` sites must have failed. The kernel must be as
// before.
template <class Once>
void walk(int least, Once once) {
  static KernelState before;
  for (int i = 0; i < 3; i++) once(100'000);   // what is made once stays
  before.take();
  before.take();
  int failed = 0;
  for (int n = 1;; n++) {
    CHECK(n < kMostSites);
    const Outcome outcome = once(n);
    if (outcome == Outcome::Passed) break;
    failed += outcome == Outcome::Failed;
  }
  dprintf(STDERR_FILENO, "%d sites failed\n", failed);
  CHECK(failed >= least);
  check_state_is_again(before);
  check_audit();
}

// For calls that make a process.
template <class Call>
void walk_process(Call call) {
  Walk armed;
  walk(4, [&](int n) {
    const Outcome outcome = call(armed, n);
    if (outcome != Outcome::Failed) CHECK_EQ(wait_for(static_cast<pid_t>(armed.result())), 0);
    CHECK_ERRNO(waitpid(-1, nullptr, WNOHANG), ECHILD);
    return outcome;
  });
}

}  // namespace

TEST(A1_fork_at_every_site) {
  walk_process([](Walk& armed, int n) { return armed.at(n, SYS_fork, 0, 0, 0, 0, 0, true); });
}

TEST(A1_vfork_at_every_site) {
  walk_process([](Walk& armed, int n) { return armed.at(n, SYS_vfork, 0, 0, 0, 0, 0, true); });
}

TEST(A1_clone_with_pidfd_at_every_site) {
  static int pidfd;
  walk_process([](Walk& armed, int n) {
    const Outcome outcome = armed.at(n, SYS_clone, CLONE_PIDFD | SIGCHLD, 0, reinterpret_cast<long>(&pidfd), 0, 0, true);
    if (outcome != Outcome::Failed) CHECK_OK(close(pidfd));
    return outcome;
  });
}

TEST(A1_thread_at_every_site) {
  Walk armed;
  alignas(16) static char stack[4096];
  static volatile int alive;
  walk(2, [&](int n) {
    alive = 1;
    memset(stack, 0, sizeof stack);
    constexpr long kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                             CLONE_CHILD_CLEARTID;
    const Outcome outcome = armed.at(n, SYS_clone, kThread, reinterpret_cast<long>(stack + sizeof stack), 0,
                                     reinterpret_cast<long>(&alive), 0, true);
    if (outcome != Outcome::Failed) CHECK(eventually([] { return alive == 0; }));
    return outcome;
  });
}

TEST(A1_execve_at_every_site) {
  Walk armed;
  static const char* const arguments[] = {"fail_nth", "--list", nullptr};
  static const char* const environment[] = {"A=B", nullptr};
  constexpr int kClean = 50;
  walk(0, [&](int n) {
    const pid_t child = start_child([&] {
      const int nowhere = CHECK_OK(open("/dev/null", O_WRONLY | O_CLOEXEC));
      CHECK_OK(dup2(nowhere, STDOUT_FILENO));
      armed.open_injector();
      armed.at(n, SYS_execve, reinterpret_cast<long>("/proc/self/exe"), reinterpret_cast<long>(arguments),
               reinterpret_cast<long>(environment));
      _exit(kClean);
    });
    // Beyond the point of no return, and in the new program's page faults, only a signal can tell.
    const int status = wait_for(child);
    if (status != 0 && status != kClean && status != 128 + SIGKILL && status != 128 + SIGSEGV && status != 128 + SIGBUS)
      fail(__FILE__, __LINE__, "site %d: status %d", n, status);
    return status == 0 ? Outcome::Passed : Outcome::Failed;
  });
}

TEST(A1_pipe_at_every_site) {
  Walk armed;
  static int ends[2];
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_pipe2, reinterpret_cast<long>(ends), O_CLOEXEC);
    for (const int end : ends)
      if (outcome != Outcome::Failed) CHECK_OK(close(end));
    return outcome;
  });
}

TEST(A1_mmap_at_every_site) {
  Walk armed;
  walk(1, [&](int n) {
    constexpr size_t kSize = 64 * 4096;
    const Outcome outcome = armed.at(n, SYS_mmap, 0, kSize, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    if (outcome != Outcome::Failed) CHECK_OK(munmap(reinterpret_cast<void*>(armed.result()), kSize));
    return outcome;
  });
}

TEST(A1_open_at_every_site) {
  Walk armed;
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_open, reinterpret_cast<long>("fail_nth.file"), O_CREAT | O_RDWR, 0600);
    if (outcome != Outcome::Failed) CHECK_OK(close(static_cast<int>(armed.result())));
    unlink("fail_nth.file");
    return outcome;
  });
}

TEST(A1_socketpair_at_every_site) {
  Walk armed;
  static int ends[2];
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_socketpair, 1, 1, 0, reinterpret_cast<long>(ends));
    for (const int end : ends)
      if (outcome != Outcome::Failed) CHECK_OK(close(end));
    return outcome;
  });
}
