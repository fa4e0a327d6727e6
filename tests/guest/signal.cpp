// SPDX-License-Identifier: BSD-2-Clause
// Signals: actions, masks, queueing, alternate stacks, defaults.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "check.h"

namespace {
volatile int caught, caught_signal;
siginfo_t caught_info;

void count(int signal) {
  caught = caught + 1;
  caught_signal = signal;
}
void record(int signal, siginfo_t* info, void*) {
  caught = caught + 1;
  caught_signal = signal;
  caught_info = *info;
}

void catch_with(int signal, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK_OK(sigaction(signal, &action, nullptr));
}
void catch_info(int signal, int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = record;
  action.sa_flags = SA_SIGINFO | flags;
  CHECK_OK(sigaction(signal, &action, nullptr));
}
sigset_t set_of(int first, int second = 0) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  if (second) sigaddset(&set, second);
  return set;
}
void block(int first, int second = 0) {
  const sigset_t set = set_of(first, second);
  CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
}
void unblock(int first, int second = 0) {
  const sigset_t set = set_of(first, second);
  CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, nullptr));
}

// A real-time signal to oneself that claims to be from the timer `id`.
int forge_timer_signal(int id) {
  siginfo_t info = {};
  info.si_code = SI_TIMER;
  info.si_timerid = id;
  return static_cast<int>(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
}
}  // namespace

TEST(handler_runs_before_kill_of_oneself_returns) {
  catch_with(SIGUSR1, count);
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ(caught, 1);
  CHECK_EQ(caught_signal, SIGUSR1);
}

TEST(siginfo_tells_who_sent_it) {
  catch_info(SIGUSR1);
  const pid_t parent = getpid();
  const pid_t child = start_child([=] { CHECK_OK(kill(parent, SIGUSR1)); });
  CHECK(eventually([] { return caught == 1; }));
  CHECK_EQ(caught_info.si_code, SI_USER);
  CHECK_EQ(caught_info.si_pid, child);
  CHECK_EQ(caught_info.si_uid, getuid());
  CHECK_EQ(wait_for(child), 0);
}

TEST(blocked_signal_waits_and_is_merged) {
  catch_with(SIGUSR1, count);
  block(SIGUSR1);
  for (int i = 0; i < 3; i++) raise(SIGUSR1);
  CHECK_EQ(caught, 0);
  sigset_t pending;
  CHECK_OK(sigpending(&pending));
  CHECK(sigismember(&pending, SIGUSR1));
  unblock(SIGUSR1);
  CHECK_EQ(caught, 1);
}

TEST(realtime_signals_queue_in_order_with_values) {
  static int values[4];
  static int count;
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    values[count++] = info->si_value.sival_int;
    CHECK_EQ(info->si_code, SI_QUEUE);
  };
  action.sa_flags = SA_SIGINFO;
  CHECK_OK(sigaction(SIGRTMIN, &action, nullptr));
  block(SIGRTMIN);
  for (int i = 1; i <= 4; i++) {
    sigval value = {};
    value.sival_int = i * 11;
    CHECK_OK(sigqueue(getpid(), SIGRTMIN, value));
  }
  unblock(SIGRTMIN);
  CHECK_EQ(count, 4);
  for (int i = 0; i < 4; i++) CHECK_EQ(values[i], (i + 1) * 11);
}

TEST(realtime_signals_that_are_ignored_and_blocked_keep_to_the_limit) {
  const rlimit few = {8, 8};
  CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &few));
  CHECK(signal(SIGRTMIN, SIG_IGN) != SIG_ERR);
  block(SIGRTMIN);
  int queued = 0;
  sigval value;
  value.sival_int = 1;
  while (queued < 100 && sigqueue(getpid(), SIGRTMIN, value) == 0) queued++;
  CHECK_EQ(errno, EAGAIN);
  CHECK(queued <= 8);
}

TEST(signals_that_claim_to_be_a_timers_keep_to_the_limit) {
  const rlimit few = {8, 8};
  CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &few));
  block(SIGRTMIN);
  int queued = 0;
  while (queued < 100 && forge_timer_signal(queued + 1000) == 0) queued++;
  CHECK_EQ(errno, EAGAIN);
  CHECK(queued <= 8);
}

TEST(signal_that_claims_to_be_a_timers_does_not_stand_for_it) {
  block(SIGRTMIN);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  int id;
  CHECK_OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
  CHECK_OK(forge_timer_signal(id));
  const itimerspec soon = {{0, 0}, {0, 1'000'000}};
  CHECK_OK(syscall(SYS_timer_settime, id, 0, &soon, nullptr));
  sleep_ms(20);
  const sigset_t set = set_of(SIGRTMIN);
  const timespec limit = {10, 0};
  for (int i = 0; i < 2; i++) CHECK_EQ(sigtimedwait(&set, nullptr, &limit), SIGRTMIN);
}

TEST(signal_is_blocked_in_its_own_handler_unless_SA_NODEFER) {
  static int depth, deepest;
  const auto handler = [](int signal) {
    depth++;
    if (depth > deepest) deepest = depth;
    if (depth < 3) raise(signal);
    depth--;
  };
  catch_with(SIGUSR1, handler);
  static int rounds;
  rounds = 0;
  catch_with(SIGUSR2, handler, SA_NODEFER);
  raise(SIGUSR2);
  CHECK_EQ(deepest, 3);
  deepest = 0;
  struct sigaction once = {};
  once.sa_handler = [](int signal) {
    depth++;
    if (depth > deepest) deepest = depth;
    if (rounds++ == 0) raise(signal);
    depth--;
  };
  CHECK_OK(sigaction(SIGUSR1, &once, nullptr));
  raise(SIGUSR1);
  CHECK_EQ(deepest, 1);
  CHECK_EQ(rounds, 2);
}

TEST(sa_mask_blocks_others_in_the_handler) {
  static int order[2], at;
  struct sigaction action = {};
  action.sa_mask = set_of(SIGUSR2);
  action.sa_handler = [](int) {
    raise(SIGUSR2);
    order[at++] = 1;
  };
  CHECK_OK(sigaction(SIGUSR1, &action, nullptr));
  catch_with(SIGUSR2, [](int) { order[at++] = 2; });
  raise(SIGUSR1);
  CHECK_EQ(order[0], 1);
  CHECK_EQ(order[1], 2);
}

TEST(SA_RESETHAND_restores_the_default) {
  CHECK_EQ(in_child([] {
             catch_with(SIGUSR1, count, static_cast<int>(SA_RESETHAND));
             raise(SIGUSR1);
             CHECK_EQ(caught, 1);
             raise(SIGUSR1);
           }),
           128 + SIGUSR1);
}

TEST(default_actions) {
  for (int fatal : Ints{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGRTMIN, SIGABRT, SIGQUIT}) {
    CHECK_EQ(in_child([=] { raise(fatal); }), 128 + fatal);
  }
  for (int ignored : Ints{SIGCHLD, SIGURG, SIGWINCH, SIGCONT}) CHECK_EQ(in_child([=] { raise(ignored); }), 0);
}

TEST(kill_and_stop_can_be_neither_caught_nor_blocked) {
  struct sigaction action = {};
  action.sa_handler = count;
  CHECK_ERRNO(sigaction(SIGKILL, &action, nullptr), EINVAL);
  CHECK_ERRNO(sigaction(SIGSTOP, &action, nullptr), EINVAL);
  block(SIGKILL, SIGSTOP);
  sigset_t now;
  CHECK_OK(sigprocmask(SIG_SETMASK, nullptr, &now));
  CHECK(!sigismember(&now, SIGKILL) && !sigismember(&now, SIGSTOP));
}

TEST(kill_errors) {
  CHECK_ERRNO(kill(getpid(), 65), EINVAL);
  CHECK_ERRNO(kill(4000000, SIGTERM), ESRCH);
  CHECK_OK(kill(getpid(), 0));
  CHECK_EQ(in_child([] {
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(kill(getppid(), SIGTERM), EPERM);
           }),
           0);
}

TEST(K2_kill_of_a_group_reaches_every_member) {
  Gate ready;
  pid_t members[3];
  for (pid_t& member : members) {
    member = start_child([&] {
      ready.open();
      for (;;) pause();
    });
    CHECK_OK(setpgid(member, members[0]));
  }
  for (int i = 0; i < 3; i++) ready.wait();
  CHECK_OK(kill(-members[0], SIGTERM));
  for (pid_t member : members) CHECK_EQ(wait_for(member), 128 + SIGTERM);
  CHECK_ERRNO(kill(-members[0], 0), ESRCH);
}

TEST(sigsuspend_swaps_the_mask_atomically) {
  catch_with(SIGUSR1, count);
  block(SIGUSR1);
  raise(SIGUSR1);
  sigset_t none;
  sigemptyset(&none);
  CHECK_ERRNO(sigsuspend(&none), EINTR);
  CHECK_EQ(caught, 1);
  raise(SIGUSR1);
  CHECK_EQ(caught, 1);
}

TEST(sigtimedwait_takes_a_pending_signal_or_times_out) {
  block(SIGUSR1);
  const sigset_t set = set_of(SIGUSR1);
  const timespec soon = {0, 10'000'000};
  siginfo_t info = {};
  CHECK_ERRNO(sigtimedwait(&set, &info, &soon), EAGAIN);
  raise(SIGUSR1);
  CHECK_EQ(sigtimedwait(&set, &info, &soon), SIGUSR1);
  CHECK_EQ(info.si_signo, SIGUSR1);
  sigset_t pending;
  CHECK_OK(sigpending(&pending));
  CHECK(!sigismember(&pending, SIGUSR1));
}

TEST(sigwait_wakes_when_a_child_ends) {
  block(SIGCHLD);
  const pid_t child = start_child([] { _exit(3); });
  const sigset_t set = set_of(SIGCHLD);
  siginfo_t info = {};
  CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
  CHECK_EQ(info.si_code, CLD_EXITED);
  CHECK_EQ(info.si_pid, child);
  CHECK_EQ(info.si_status, 3);
  CHECK_EQ(wait_for(child), 3);
}

TEST(ignored_SIGCHLD_leaves_no_zombies) {
  signal(SIGCHLD, SIG_IGN);
  const pid_t child = start_child([] {});
  CHECK_ERRNO(waitpid(child, nullptr, 0), ECHILD);
}

TEST(SA_NOCLDWAIT_leaves_no_zombies) {
  catch_with(SIGCHLD, count, SA_NOCLDWAIT);
  const pid_t child = start_child([] {});
  CHECK_ERRNO(waitpid(child, nullptr, 0), ECHILD);
}

TEST(SA_NOCLDSTOP_tells_only_of_ends) {
  catch_with(SIGCHLD, count, SA_NOCLDSTOP | SA_RESTART);
  const pid_t child = start_child([] { raise(SIGSTOP); });
  int how;
  CHECK_EQ(waitpid(child, &how, WUNTRACED), child);
  CHECK_EQ(caught, 0);
  CHECK_OK(kill(child, SIGCONT));
  CHECK_EQ(wait_for(child), 0);
  CHECK(eventually([] { return caught == 1; }));
}

TEST(C15_alternate_stack_is_used_and_inherited) {
  static char area[64 * 1024];
  stack_t stack = {};
  stack.ss_sp = area;
  stack.ss_size = sizeof area;
  CHECK_OK(sigaltstack(&stack, nullptr));
  static volatile bool on_it;
  catch_with(SIGUSR1, [](int) {
    char here;
    on_it = &here >= area && &here < area + sizeof area;
    stack_t now;
    CHECK_OK(sigaltstack(nullptr, &now));
    CHECK_EQ(now.ss_flags, SS_ONSTACK);
    now.ss_flags = 0;
    CHECK_ERRNO(sigaltstack(&now, nullptr), EPERM);
  }, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(on_it);
  on_it = false;
  CHECK_EQ(in_child([] {
             raise(SIGUSR1);
             CHECK(on_it);
           }),
           0);
  stack.ss_size = 512;
  CHECK_ERRNO(sigaltstack(&stack, nullptr), ENOMEM);
}

TEST(stack_overflow_is_survived_on_the_alternate_stack) {
  CHECK_EQ(in_child([] {
             static char area[64 * 1024];
             stack_t stack = {};
             stack.ss_sp = area;
             stack.ss_size = sizeof area;
             CHECK_OK(sigaltstack(&stack, nullptr));
             catch_with(SIGSEGV, [](int) { _exit(42); }, SA_ONSTACK);
             struct Deep {
               static int go(volatile char* above, long left) {
                 volatile char room[4096];
                 room[0] = *above;
                 return left ? go(room, left - 1) + room[0] : 0;
               }
             };
             volatile char top = 1;
             Deep::go(&top, 1'000'000);
           }),
           42);
}

TEST(SIGSEGV_tells_the_address) {
  catch_info(SIGSEGV);
  static sigjmp_buf back;
  struct sigaction action = {};
  action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
    record(signal, info, context);
    siglongjmp(back, 1);
  };
  action.sa_flags = SA_SIGINFO;
  CHECK_OK(sigaction(SIGSEGV, &action, nullptr));
  auto* const unmapped = reinterpret_cast<volatile char*>(0x123456789000);
  if (sigsetjmp(back, 1) == 0) *unmapped = 1;
  CHECK_EQ(caught, 1);
  CHECK_EQ(caught_info.si_code, SEGV_MAPERR);
  CHECK_EQ(caught_info.si_addr, const_cast<char*>(unmapped));
  void* const readable = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) *static_cast<volatile char*>(readable) = 1;
  CHECK_EQ(caught, 2);
  CHECK_EQ(caught_info.si_code, SEGV_ACCERR);
  CHECK_EQ(caught_info.si_addr, readable);
}

TEST(faults_become_the_right_signals) {
  CHECK_EQ(in_child([] { asm volatile("ud2"); }), 128 + SIGILL);
  CHECK_EQ(in_child([] { asm volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idiv %%ecx" ::: "eax", "ecx", "edx"); }),
           128 + SIGFPE);
  CHECK_EQ(in_child([] { asm volatile("int3"); }), 128 + SIGTRAP);
  CHECK_EQ(in_child([] { asm volatile("cli"); }), 128 + SIGSEGV);
}

TEST(handler_can_change_the_context_that_it_returns_to) {
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    auto* user = static_cast<ucontext_t*>(context);
    user->uc_mcontext.gregs[REG_RIP] += 2;  // past ud2
    user->uc_mcontext.gregs[REG_RAX] = 4711;
  };
  action.sa_flags = SA_SIGINFO;
  CHECK_OK(sigaction(SIGILL, &action, nullptr));
  uint64_t rax = 0;
  asm volatile("ud2" : "+a"(rax));
  CHECK_EQ(rax, 4711u);
}

TEST(registers_and_vectors_survive_a_handler) {
  catch_with(SIGALRM, [](int) {
    asm volatile("pxor %%xmm0, %%xmm0; pxor %%xmm14, %%xmm14" ::: "xmm0", "xmm14");
    caught = caught + 1;
  });
  struct itimerval often = {{0, 2000}, {0, 2000}};
  CHECK_OK(setitimer(ITIMER_REAL, &often, nullptr));
  uint64_t wrong = 0;
  while (caught < 20) {
    uint64_t out;
    asm volatile(
        "movq %[in], %%xmm14; mov $200000, %%ecx; 1: dec %%ecx; jnz 1b; movq %%xmm14, %[out]"
        : [out] "=r"(out)
        : [in] "r"(0xfeedfacecafebeefull)
        : "xmm14", "ecx");
    if (out != 0xfeedfacecafebeefull) wrong++;
  }
  CHECK_EQ(wrong, 0u);
}

TEST(actions_are_copied_by_fork) {
  catch_with(SIGUSR1, count);
  CHECK_EQ(in_child([] {
             raise(SIGUSR1);
             CHECK_EQ(caught, 1);
             signal(SIGUSR1, SIG_DFL);
           }),
           0);
  raise(SIGUSR1);
  CHECK_EQ(caught, 1);
}

TEST(signal_to_one_thread_runs_there) {
  static pthread_t ran_on;
  catch_with(SIGUSR1, [](int) {
    ran_on = pthread_self();
    caught = 1;
  });
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
             while (!caught) sleep_ms(1);
             return nullptr;
           }, nullptr), 0);
  CHECK_EQ(pthread_kill(other, SIGUSR1), 0);
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK(pthread_equal(ran_on, other));
}

// SIGCHLD, which nobody wants, must not end the sleep of one thread because another one blocks it.
TEST(ignored_signal_that_another_thread_blocks_interrupts_nobody) {
  static volatile bool blocked, done;
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
             sigset_t all;
             sigfillset(&all);
             CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, nullptr), 0);
             blocked = true;
             while (!done) sleep_ms(1);
             return nullptr;
           }, nullptr), 0);
  while (!blocked) sleep_ms(1);
  const pid_t child = start_child([] { sleep_ms(50); });
  timespec time = {0, 300'000'000};
  CHECK_OK(nanosleep(&time, nullptr));
  CHECK_EQ(wait_for(child), 0);
  done = true;
  CHECK_EQ(pthread_join(other, nullptr), 0);
}

TEST(process_signal_goes_to_a_thread_that_does_not_block_it) {
  catch_with(SIGUSR1, count);
  static volatile bool started;
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
             started = true;
             while (!caught) sleep_ms(1);
             return nullptr;
           }, nullptr), 0);
  const sigset_t set = set_of(SIGUSR1);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  CHECK(eventually([] { return started; }));
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK_EQ(caught, 1);
}

// The main thread waits for two signals and takes one of them: the other one is for a thread that does not block it.
TEST(sigwait_leaves_to_other_threads_what_it_does_not_take) {
  cpu_set_t first_cpu;
  CPU_ZERO(&first_cpu);
  CPU_SET(0, &first_cpu);
  CHECK_OK(sched_setaffinity(0, sizeof first_cpu, &first_cpu));
  block(SIGUSR1, SIGUSR2);
  catch_with(SIGUSR2, count);
  constexpr int kRounds = 10;
  static volatile int rounds_done;
  pthread_t taker, sender;
  CHECK_EQ(pthread_create(&taker, nullptr, [](void*) -> void* {
             unblock(SIGUSR2);
             for (;;) pause();
           }, nullptr), 0);
  CHECK_EQ(pthread_create(&sender, nullptr, [](void*) -> void* {
             const int urgent = 1;   // the main thread does not run between the two signals
             CHECK_OK(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &urgent));
             for (int i = 0; i < kRounds; i++) {
               while (rounds_done != i) sleep_ms(1);
               sleep_ms(5);
               CHECK_OK(kill(getpid(), SIGUSR1));
               CHECK_OK(kill(getpid(), SIGUSR2));
             }
             return nullptr;
           }, nullptr), 0);
  const sigset_t both = set_of(SIGUSR1, SIGUSR2);
  for (int i = 1; i <= kRounds; i++) {
    CHECK_EQ(sigwaitinfo(&both, nullptr), SIGUSR1);
    CHECK(eventually([=] { return caught == i; }, 3));
    rounds_done = i;
  }
}

TEST(nanosleep_tells_the_time_left_when_interrupted) {
  catch_with(SIGALRM, count);
  alarm(1);
  timespec wanted = {5, 0}, left = {};
  CHECK_ERRNO(nanosleep(&wanted, &left), EINTR);
  CHECK(left.tv_sec >= 3 && left.tv_sec < 5);
}
