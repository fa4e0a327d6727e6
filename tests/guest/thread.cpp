// SPDX-License-Identifier: BSD-2-Clause
// Threads by pthreads and by clone, futexes.
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
using Body = void* (*)(void*);
pthread_t start(Body body, void* argument = nullptr) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, nullptr, body, argument), 0);
  return thread;
}
void* join(pthread_t thread) {
  void* result;
  CHECK_EQ(pthread_join(thread, &result), 0);
  return result;
}
long futex(uint32_t* word, int operation, uint32_t value, const timespec* timeout = nullptr, uint32_t* second = nullptr,
           uint32_t third = 0) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}
const timespec* after_ms(long milliseconds) {
  static timespec wait;
  wait = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  return &wait;
}
pid_t thread_id() { return static_cast<pid_t>(syscall(SYS_gettid)); }
uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
void store(uint32_t& word, uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }
}  // namespace

TEST(E6_thread_returns_its_value) {
  const pthread_t thread = start([](void* argument) { return static_cast<void*>(static_cast<char*>(argument) + 1); },
                                 reinterpret_cast<void*>(41));
  CHECK_EQ(join(thread), reinterpret_cast<void*>(42));
}

TEST(H1_threads_share_memory_ids_and_descriptors) {
  static pid_t process;
  static int file;
  process = 0;
  join(start([](void*) -> void* {
    process = getpid();
    file = open("/dev/null", O_RDONLY);
    CHECK(thread_id() != getpid());
    CHECK_OK(chdir("/proc"));
    return nullptr;
  }));
  CHECK_EQ(process, getpid());
  CHECK_OK(fcntl(file, F_GETFD));
  char where[16];
  CHECK(getcwd(where, sizeof where));
  CHECK_EQ(static_cast<const char*>(where), "/proc");
}

TEST(H1_alternate_signal_stack_starts_empty_in_a_thread) {
  static char area[32768];
  stack_t stack = {};
  stack.ss_sp = area;
  stack.ss_size = sizeof area;
  CHECK_OK(sigaltstack(&stack, nullptr));
  join(start([](void*) -> void* {
    stack_t now;
    CHECK_OK(sigaltstack(nullptr, &now));
    CHECK_EQ(now.ss_flags, SS_DISABLE);
    return nullptr;
  }));
}

TEST(P10_first_threads_id_is_the_process_id) { CHECK_EQ(thread_id(), getpid()); }

TEST(thread_local_variables_are_separate) {
  static thread_local int mine = 5;
  mine = 6;
  join(start([](void*) -> void* {
    CHECK_EQ(mine, 5);
    mine = 7;
    return nullptr;
  }));
  CHECK_EQ(mine, 6);
}

TEST(mutex_guards_a_counter) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static long counter;
  pthread_t threads[8];
  for (pthread_t& thread : threads) {
    thread = start([](void*) -> void* {
      for (int i = 0; i < 20'000; i++) {
        pthread_mutex_lock(&mutex);
        counter = counter + 1;
        pthread_mutex_unlock(&mutex);
      }
      return nullptr;
    });
  }
  for (pthread_t thread : threads) join(thread);
  CHECK_EQ(counter, 160'000);
}

TEST(condition_variable_hands_over) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  static int turn;
  const pthread_t other = start([](void*) -> void* {
    for (int i = 0; i < 1000; i++) {
      pthread_mutex_lock(&mutex);
      while (turn != 1) pthread_cond_wait(&changed, &mutex);
      turn = 0;
      pthread_cond_signal(&changed);
      pthread_mutex_unlock(&mutex);
    }
    return nullptr;
  });
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != 0) pthread_cond_wait(&changed, &mutex);
    turn = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
  }
  join(other);
  CHECK_EQ(turn, 0);
}

TEST(barrier_and_semaphore) {
  static pthread_barrier_t barrier;
  static sem_t items;
  CHECK_EQ(pthread_barrier_init(&barrier, nullptr, 4), 0);
  CHECK_OK(sem_init(&items, 0, 0));
  pthread_t threads[3];
  for (pthread_t& thread : threads) {
    thread = start([](void*) -> void* {
      for (int round = 0; round < 100; round++) pthread_barrier_wait(&barrier);
      sem_post(&items);
      return nullptr;
    });
  }
  for (int round = 0; round < 100; round++) pthread_barrier_wait(&barrier);
  for (int i = 0; i < 3; i++) CHECK_OK(sem_wait(&items));
  for (pthread_t thread : threads) join(thread);
}

TEST(a_thousand_threads_one_after_another) {
  static int ran;
  for (int i = 0; i < 1000; i++) {
    join(start([](void*) -> void* {
      ran++;
      return nullptr;
    }));
  }
  CHECK_EQ(ran, 1000);
}

TEST(sixty_four_threads_at_once) {
  static pthread_barrier_t barrier;
  CHECK_EQ(pthread_barrier_init(&barrier, nullptr, 65), 0);
  pthread_t threads[64];
  for (pthread_t& thread : threads) {
    thread = start([](void*) -> void* {
      pthread_barrier_wait(&barrier);
      return nullptr;
    });
  }
  pthread_barrier_wait(&barrier);
  for (pthread_t thread : threads) join(thread);
}

TEST(fork_in_a_threaded_process_copies_only_the_caller) {
  static volatile bool stop;
  const pthread_t other = start([](void*) -> void* {
    while (!stop) sleep_ms(1);
    return nullptr;
  });
  CHECK_EQ(in_child([] {
             CHECK_EQ(thread_id(), getpid());
             CHECK(strstr(read_text("/proc/self/status"), "Threads:\t1\n") != nullptr);
           }),
           0);
  CHECK(strstr(read_text("/proc/self/status"), "Threads:\t2\n") != nullptr);
  stop = true;
  join(other);
}

TEST(exit_group_ends_every_thread) {
  CHECK_EQ(in_child([] {
             for (int i = 0; i < 4; i++) {
               start([](void*) -> void* {
                 for (;;) pause();
               });
             }
             start([](void*) -> void* { _exit(33); });
             for (;;) pause();
           }),
           33);
}

TEST(first_thread_may_end_before_the_others) {
  CHECK_EQ(in_child([] {
             start([](void*) -> void* {
               sleep_ms(100);
               _exit(21);
             });
             pthread_exit(nullptr);
           }),
           21);
}

TEST(fatal_signal_in_one_thread_ends_the_process) {
  CHECK_EQ(in_child([] {
             start([](void*) -> void* {
               *reinterpret_cast<volatile int*>(8) = 1;
               return nullptr;
             });
             for (;;) pause();
           }),
           128 + SIGSEGV);
}

TEST(thread_can_be_cancelled) {
  const pthread_t thread = start([](void*) -> void* {
    for (;;) sleep(100);
  });
  CHECK_EQ(pthread_cancel(thread), 0);
  CHECK_EQ(join(thread), PTHREAD_CANCELED);
}

TEST(futex_wait_needs_the_expected_value) {
  uint32_t word = 1;
  CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0), EAGAIN);
  CHECK_ERRNO(futex(&word, FUTEX_WAIT, 1, after_ms(20)), ETIMEDOUT);
  CHECK_ERRNO(futex(reinterpret_cast<uint32_t*>(2), FUTEX_WAIT, 1), EINVAL);
  CHECK_ERRNO(futex(reinterpret_cast<uint32_t*>(4096), FUTEX_WAIT, 1), EFAULT);
  CHECK_EQ(futex(&word, FUTEX_WAKE, 1), 0);
  CHECK_ERRNO(futex(&word, 99, 1), ENOSYS);
}

TEST(futex_works_between_processes) {
  auto& word = shared<uint32_t>();
  const pid_t child = start_child([&] {
    while (load(word) == 0) futex(&word, FUTEX_WAIT, 0);
    CHECK_EQ(load(word), 1u);
  });
  sleep_ms(20);
  store(word, 1);
  futex(&word, FUTEX_WAKE, INT_MAX);
  CHECK_EQ(wait_for(child), 0);
}

TEST(private_futex_of_a_forked_child_is_another_one) {
  static uint32_t word;
  const pid_t child = start_child([] {
    errno = 0;
    CHECK_EQ(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, after_ms(300)), -1l);
    CHECK_EQ(errno, ETIMEDOUT);
  });
  sleep_ms(100);
  CHECK_EQ(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX), 0);
  CHECK_EQ(wait_for(child), 0);
}

TEST(futex_bitset_wakes_only_matching_waiters) {
  static uint32_t word;
  static uint32_t woken;
  word = woken = 0;
  const pthread_t one = start([](void*) -> void* {
    CHECK_EQ(futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 1), 0);
    __atomic_fetch_or(&woken, 1u, __ATOMIC_SEQ_CST);
    return nullptr;
  });
  const pthread_t two = start([](void*) -> void* {
    CHECK_EQ(futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 2), 0);
    __atomic_fetch_or(&woken, 2u, __ATOMIC_SEQ_CST);
    return nullptr;
  });
  CHECK(eventually([] { return futex(&word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, 2) == 1; }));
  join(two);
  CHECK_EQ(load(woken), 2u);
  CHECK(eventually([] { return futex(&word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, 1) == 1; }));
  join(one);
  CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), EINVAL);
}

TEST(futex_requeue_moves_waiters) {
  static uint32_t first, second;
  first = second = 0;
  pthread_t threads[3];
  for (pthread_t& thread : threads) {
    thread = start([](void*) -> void* {
      CHECK_EQ(futex(&first, FUTEX_WAIT, 0), 0);
      return nullptr;
    });
  }
  long moved = 0;
  const auto move = [&] {
    // At most 0 woken and 3 moved in each call.
    moved += syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE, 0, 3l, &second, 0);
    return moved == 3;
  };
  CHECK(eventually(move));
  CHECK_EQ(futex(&first, FUTEX_WAKE, INT_MAX), 0);
  CHECK_EQ(futex(&second, FUTEX_WAKE, 1), 1);
  CHECK_EQ(futex(&second, FUTEX_WAKE, INT_MAX), 2);
  for (pthread_t thread : threads) join(thread);
  CHECK_ERRNO(syscall(SYS_futex, &first, FUTEX_CMP_REQUEUE, 0, 3l, &second, 1), EAGAIN);
}

TEST(robust_mutex_tells_of_its_owners_death) {
  struct Page {
    pthread_mutex_t mutex;
  };
  auto& page = shared<Page>();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  CHECK_EQ(pthread_mutex_init(&page.mutex, &attributes), 0);
  CHECK_EQ(in_child([&] { CHECK_EQ(pthread_mutex_lock(&page.mutex), 0); }), 0);
  CHECK_EQ(pthread_mutex_lock(&page.mutex), EOWNERDEAD);
  CHECK_EQ(pthread_mutex_consistent(&page.mutex), 0);
  CHECK_EQ(pthread_mutex_unlock(&page.mutex), 0);
}

TEST(clone_stores_and_clears_the_thread_id) {
  static pid_t parent_tid, child_tid;
  // The bare call: musl's clone() refuses CLONE_CHILD_CLEARTID. As with vfork, the child uses its parent's stack.
  register int* fourth asm("r10") = &child_tid;
  register long fifth asm("r8") = 0;
  long child;
  asm volatile("syscall"
               : "=a"(child)
               : "a"(SYS_clone),
                 "D"(CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD),
                 "S"(0), "d"(&parent_tid), "r"(fourth), "r"(fifth)
               : "rcx", "r11", "memory");
  if (child == 0) _exit(child_tid == thread_id() ? 7 : 8);
  CHECK_EQ(parent_tid, static_cast<pid_t>(child));
  CHECK_EQ(wait_for(static_cast<pid_t>(child)), 7);
  CHECK_EQ(child_tid, 0);
}

TEST(R8_clone_with_another_exit_signal) {
  static volatile int signals;
  signal(SIGUSR1, [](int) { signals = signals + 1; });
  const long child = CHECK_OK(syscall(SYS_clone, SIGUSR1, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) _exit(5);
  CHECK(eventually([] { return signals == 1; }));
  CHECK_ERRNO(waitpid(static_cast<pid_t>(child), nullptr, 0), ECHILD);
  int how;
  CHECK_EQ(waitpid(static_cast<pid_t>(child), &how, __WALL), static_cast<pid_t>(child));
  CHECK_EQ(WEXITSTATUS(how), 5);
}

TEST(R4_clone_files_shares_the_descriptor_table) {
  static char stack[65536];
  static int opened;
  const auto body = [](void*) -> int { return (opened = open("/dev/null", O_RDONLY)) < 0; };
  const int child =
      CHECK_OK(clone(body, stack + sizeof stack, CLONE_VM | CLONE_FILES | SIGCHLD, nullptr));
  CHECK_EQ(wait_for(child), 0);
  CHECK_OK(fcntl(opened, F_GETFD));
}

TEST(clone_fs_shares_directory_and_umask) {
  static char stack[65536];
  const auto body = [](void*) -> int {
    umask(077);
    return chdir("/proc") != 0;
  };
  CHECK_EQ(wait_for(CHECK_OK(clone(body, stack + sizeof stack, CLONE_VM | CLONE_FS | SIGCHLD, nullptr))), 0);
  CHECK_EQ(umask(0), 077u);
  char where[16];
  CHECK(getcwd(where, sizeof where));
  CHECK_EQ(static_cast<const char*>(where), "/proc");
}

TEST(clone_parent_makes_a_sibling) {
  auto& sibling = shared<pid_t>();
  const pid_t parent = getpid();
  CHECK_EQ(in_child([&] {
             const long made = CHECK_OK(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
             if (made == 0) _exit(getppid() == parent ? 9 : 1);
             sibling = static_cast<pid_t>(made);
           }),
           0);
  CHECK_EQ(wait_for(sibling), 9);
}

TEST(clone_refuses_flags_that_need_others) {
  const auto clone_flags = [](long flags) { return syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr); };
  CHECK_ERRNO(clone_flags(CLONE_SIGHAND | SIGCHLD), EINVAL);
  CHECK_ERRNO(clone_flags(CLONE_THREAD | SIGCHLD), EINVAL);
  CHECK_ERRNO(clone_flags(CLONE_THREAD | CLONE_VM | SIGCHLD), EINVAL);
}

TEST(clone3_makes_a_child_and_checks_its_size) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } arguments = {};
  arguments.exit_signal = SIGCHLD;
  const long child = CHECK_OK(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (child == 0) _exit(3);
  CHECK_EQ(wait_for(static_cast<pid_t>(child)), 3);
  CHECK_ERRNO(syscall(SYS_clone3, &arguments, 8), EINVAL);
  CHECK_ERRNO(syscall(SYS_clone3, nullptr, sizeof arguments), EFAULT);
}

TEST(pidfd_polls_and_signals) {
  int pidfd = -1;
  Gate go;
  const long child = CHECK_OK(syscall(SYS_clone, 0x1000 /* CLONE_PIDFD */ | SIGCHLD, nullptr, &pidfd, nullptr, nullptr));
  if (child == 0) {
    for (;;) pause();
  }
  CHECK(CHECK_OK(fcntl(pidfd, F_GETFD)) == FD_CLOEXEC);
  CHECK_OK(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, nullptr, 0));
  CHECK_EQ(wait_for(static_cast<pid_t>(child)), 128 + SIGTERM);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, nullptr, 0), ESRCH);
}

TEST(sched_affinity_can_be_set_to_one_cpu) {
  cpu_set_t set;
  CHECK_OK(sched_getaffinity(0, sizeof set, &set));
  CHECK(CPU_COUNT(&set) >= 1);
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  CHECK_OK(sched_setaffinity(0, sizeof set, &set));
  CHECK_EQ(sched_getcpu(), 0);
  CHECK_EQ(in_child([] {
             cpu_set_t now;
             CHECK_OK(sched_getaffinity(0, sizeof now, &now));
             CHECK_EQ(CPU_COUNT(&now), 1);
           }),
           0);
}
