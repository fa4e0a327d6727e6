// SPDX-License-Identifier: BSD-2-Clause
// futex(2): waiting, waking, moving, owners, robust lists; between threads and between processes.
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

namespace {

long futex(uint32_t* word, int operation, uint32_t value, const void* timeout = nullptr,
           uint32_t* second = nullptr, uint32_t value3 = 0) {
  return syscall(SYS_futex, word, operation, value, timeout, second, value3);
}
const void* as_timeout(uintptr_t count) { return reinterpret_cast<const void*>(count); }
uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
void store(uint32_t& word, uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }
uint32_t own_tid() { return static_cast<uint32_t>(syscall(SYS_gettid)); }

// Whether the process or thread sleeps.
bool sleeps(pid_t pid, pid_t tid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  if (access(path, R_OK) != 0) snprintf(path, sizeof path, "/proc/%d/stat", tid);
  const char* state = strrchr(read_text(path), ')');
  return state && state[2] == 'S';
}

struct Worker {
  template <class Body>
  explicit Worker(Body& body) {
    const int error = pthread_create(
        &thread, nullptr,
        [](void* argument) -> void* {
          (*static_cast<Body*>(argument))();
          return nullptr;
        },
        &body);
    CHECK_EQ(error, 0);
  }
  void join() { CHECK_EQ(pthread_join(thread, nullptr), 0); }
  pthread_t thread;
};

timespec after_ms(clockid_t clock, long milliseconds) {
  timespec time;
  clock_gettime(clock, &time);
  time.tv_nsec += milliseconds * 1'000'000;
  time.tv_sec += time.tv_nsec / 1'000'000'000;
  time.tv_nsec %= 1'000'000'000;
  return time;
}

}  // namespace

TEST(wait_with_another_value_returns_at_once) {
  uint32_t word = 1;
  CHECK_ERRNO(futex(&word, FUTEX_WAIT, 2), EAGAIN);
  CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 2), EAGAIN);
}

TEST(bad_arguments) {
  uint32_t words[2] = {};
  CHECK_ERRNO(futex(reinterpret_cast<uint32_t*>(reinterpret_cast<char*>(words) + 1), FUTEX_WAIT, 0), EINVAL);
  CHECK_ERRNO(futex(reinterpret_cast<uint32_t*>(8), FUTEX_WAIT_PRIVATE, 0), EFAULT);
  CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), EINVAL);
  CHECK_ERRNO(futex(words, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 0), EINVAL);
  const timespec bad = {0, 1'000'000'000};
  CHECK_ERRNO(futex(words, FUTEX_WAIT, 0, &bad), EINVAL);
  CHECK_ERRNO(futex(words, 77, 0), ENOSYS);
}

TEST(wait_times_out) {
  uint32_t word = 0;
  const timespec timeout = {0, 20'000'000};
  const int64_t start = now_ns();
  CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &timeout), ETIMEDOUT);
  CHECK(now_ns() - start >= 20'000'000);
}

TEST(absolute_timeouts_on_both_clocks) {
  uint32_t word = 0;
  const int64_t start = now_ns();
  timespec deadline = after_ms(CLOCK_MONOTONIC, 20);
  CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &deadline, nullptr, ~0u), ETIMEDOUT);
  deadline = after_ms(CLOCK_REALTIME, 20);
  CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &deadline, nullptr, ~0u),
              ETIMEDOUT);
  CHECK(now_ns() - start >= 39'000'000);
}

TEST(wake_reaches_as_many_as_asked) {
  static uint32_t word, woken;
  auto wait = [] {
    while (futex(&word, FUTEX_WAIT_PRIVATE, 0) != 0) CHECK(errno == EINTR);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
  };
  Worker workers[4] = {Worker(wait), Worker(wait), Worker(wait), Worker(wait)};
  unsigned total = 0;
  CHECK(eventually([&] { return (total += futex(&word, FUTEX_WAKE_PRIVATE, 1)) >= 2; }));
  CHECK(eventually([&] { return load(woken) == total; }));
  CHECK(eventually([&] { return (total += futex(&word, FUTEX_WAKE_PRIVATE, 100)) == 4; }));
  for (Worker& worker : workers) worker.join();
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1), 0);
}

TEST(wake_bitset_reaches_only_matching_waiters) {
  static uint32_t word, first, second;
  auto wait_first = [] {
    CHECK_OK(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 1));
    store(first, 1);
  };
  auto wait_second = [] {
    CHECK_OK(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 2));
    store(second, 1);
  };
  Worker a(wait_first), b(wait_second);
  CHECK(eventually([] { return futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, nullptr, nullptr, 2) == 1; }));
  b.join();
  CHECK_EQ(load(first), 0u);
  CHECK(eventually([] { return futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, nullptr, nullptr, 5) == 1; }));
  a.join();
}

TEST(requeue_moves_waiters_that_a_wake_of_the_target_reaches) {
  static uint32_t from, to;
  auto wait = [] { CHECK_OK(futex(&from, FUTEX_WAIT_PRIVATE, 0)); };
  Worker workers[3] = {Worker(wait), Worker(wait), Worker(wait)};
  unsigned moved = 0;
  CHECK(eventually(
      [&] { return (moved += futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 0, as_timeout(9), &to, 0)) == 3; }));
  CHECK_EQ(futex(&from, FUTEX_WAKE_PRIVATE, 9), 0);
  CHECK_EQ(futex(&to, FUTEX_WAKE_PRIVATE, 9), 3);
  for (Worker& worker : workers) worker.join();
}

TEST(cmp_requeue_compares_first) {
  uint32_t from = 5, to = 0;
  CHECK_ERRNO(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, as_timeout(1), &to, 4), EAGAIN);
  CHECK_EQ(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, as_timeout(1), &to, 5), 0);
}

TEST(wake_op_changes_and_compares_the_second_word) {
  uint32_t first = 0, second = 5;
  CHECK_EQ(futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, as_timeout(1), &second,
                 FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)),
           0);
  CHECK_EQ(second, 8u);
  CHECK_EQ(futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, as_timeout(1), &second,
                 FUTEX_OP(FUTEX_OP_ANDN, 8, FUTEX_OP_CMP_GT, 0)),
           0);
  CHECK_EQ(second, 0u);
  CHECK_EQ(futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, as_timeout(1), &second,
                 FUTEX_OP(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_EQ, 0)),
           0);
  CHECK_EQ(second, 16u);
}

TEST(processes_share_a_futex_in_shared_memory) {
  uint32_t& word = shared<uint32_t>();
  const pid_t child = start_child([&] {
    while (load(word) == 0) futex(&word, FUTEX_WAIT, 0);
  });
  CHECK(eventually([&] { return sleeps(child, child); }));
  store(word, 1);
  CHECK_EQ(futex(&word, FUTEX_WAKE, 9), 1);
  CHECK_EQ(wait_for(child), 0);
}

TEST(private_memory_of_a_forked_child_is_another_futex) {
  static uint32_t word;
  const pid_t child = start_child([&] {
    const timespec timeout = {0, 200'000'000};
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &timeout), ETIMEDOUT);
  });
  CHECK(eventually([&] { return sleeps(child, child); }));
  CHECK_EQ(futex(&word, FUTEX_WAKE, 9), 0);
  CHECK_EQ(wait_for(child), 0);
}

TEST(a_handler_without_SA_RESTART_ends_the_wait) {
  CHECK_EQ(in_child([] {
             struct sigaction action = {};
             action.sa_handler = [](int) {};
             CHECK_OK(sigaction(SIGALRM, &action, nullptr));
             uint32_t word = 0;
             alarm(1);
             CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0), EINTR);
           }),
           0);
}

TEST(a_stop_does_not_end_a_wait_with_timeout) {
  const pid_t child = start_child([] {
    uint32_t word = 0;
    const timespec timeout = {0, 400'000'000};
    const int64_t start = now_ns();
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &timeout), ETIMEDOUT);
    CHECK(now_ns() - start >= 400'000'000);
  });
  CHECK(eventually([&] { return sleeps(child, child); }));
  CHECK_OK(kill(child, SIGSTOP));
  int status;
  CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
  CHECK_OK(kill(child, SIGCONT));
  CHECK_EQ(wait_for(child), 0);
}

TEST(pi_lock_is_taken_and_handed_over) {
  static uint32_t word, order;
  CHECK_OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
  CHECK_EQ(load(word), own_tid());
  CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0), EDEADLK);
  auto take = [] {
    CHECK_ERRNO(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EAGAIN);
    CHECK_OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
    CHECK_EQ(load(order), 1u);
    CHECK_EQ(load(word) & FUTEX_TID_MASK, own_tid());
    CHECK_OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
  };
  Worker worker(take);
  CHECK(eventually([] { return (load(word) & FUTEX_WAITERS) != 0; }));
  store(order, 1);
  CHECK_OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
  worker.join();
  CHECK_EQ(load(word), 0u);
  CHECK_ERRNO(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0), EPERM);
}

TEST(pi_lock_of_nobody_is_ESRCH_and_of_another_times_out) {
  uint32_t word = 0x3ffffff;  // beyond every thread id
  CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0), ESRCH);
  word = static_cast<uint32_t>(getppid());
  const timespec deadline = after_ms(CLOCK_REALTIME, 20);
  CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI, 0, &deadline), ETIMEDOUT);
}

TEST(pi_lock_of_an_owner_that_has_ended_is_ESRCH) {
  auto& word = shared<uint32_t>();
  const auto lock = [&] {
    const timespec deadline = after_ms(CLOCK_REALTIME, 2000);
    CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI, 0, &deadline), ESRCH);
  };
  const pid_t zombie = start_child([&] { store(word, own_tid()); });
  siginfo_t info;
  CHECK_OK(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
  lock();
  CHECK_EQ(wait_for(zombie), 0);

  // A main thread keeps its number as long as the others run.
  CHECK_EQ(in_child([&] {
             static pid_t running = 1;  // 0 once the main thread has ended
             syscall(SYS_set_tid_address, &running);
             store(word, own_tid());
             auto wait_and_lock = [&] {
               CHECK(eventually([] { return __atomic_load_n(&running, __ATOMIC_SEQ_CST) == 0; }));
               lock();
               _exit(0);
             };
             Worker worker(wait_and_lock);
             syscall(SYS_exit, 0);
           }),
           0);
}

TEST(robust_mutex_tells_of_a_dead_owner) {
  struct Shared {
    pthread_mutex_t mutex;
  };
  auto& memory = shared<Shared>();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  CHECK_EQ(pthread_mutex_init(&memory.mutex, &attributes), 0);
  Gate locked;
  const pid_t child = start_child([&] {
    CHECK_EQ(pthread_mutex_lock(&memory.mutex), 0);
    locked.open();
    sleep_ms(50);
    _exit(0);
  });
  locked.wait();
  CHECK_EQ(pthread_mutex_lock(&memory.mutex), EOWNERDEAD);
  CHECK_EQ(pthread_mutex_consistent(&memory.mutex), 0);
  CHECK_EQ(pthread_mutex_unlock(&memory.mutex), 0);
  CHECK_EQ(wait_for(child), 0);
}

TEST(hostile_robust_lists_do_no_harm) {
  for (int kind : Ints{0, 1, 2, 3}) {
    CHECK_EQ(in_child([kind] {
               struct Entry {
                 Entry* next;
               };
               static Entry loop[2];
               static struct {
                 Entry* first;
                 long offset;
                 Entry* pending;
               } head;
               loop[0].next = &loop[1];
               loop[1].next = &loop[0];
               switch (kind) {
                 case 0:
                   head = {&loop[0], 0, nullptr};
                   break;  // endless
                 case 1:
                   head = {reinterpret_cast<Entry*>(8), 0, nullptr};
                   break;  // unmapped
                 case 2:
                   head = {&loop[0], 1, nullptr};
                   break;  // misaligned
                 case 3:
                   head = {&loop[0], INT64_MAX, reinterpret_cast<Entry*>(~0ul)};
                   break;  // kernel addresses
               }
               CHECK_OK(syscall(SYS_set_robust_list, &head, sizeof head));
             }),
             0);
  }
  CHECK_ERRNO(syscall(SYS_set_robust_list, nullptr, 7), EINVAL);
}

// A lost wake-up would hang this.
TEST(ping_pong_loses_nothing) {
  static uint32_t turn;
  constexpr uint32_t kRounds = 20'000;
  auto play = [] {
    for (uint32_t round = 1; round < kRounds; round += 2) {
      for (uint32_t now; (now = load(turn)) != round;) futex(&turn, FUTEX_WAIT_PRIVATE, now);
      store(turn, round + 1);
      futex(&turn, FUTEX_WAKE_PRIVATE, 1);
    }
  };
  Worker worker(play);
  for (uint32_t round = 0; round < kRounds; round += 2) {
    for (uint32_t now; (now = load(turn)) != round;) futex(&turn, FUTEX_WAIT_PRIVATE, now);
    store(turn, round + 1);
    futex(&turn, FUTEX_WAKE_PRIVATE, 1);
  }
  worker.join();
}

TEST(condition_variables_and_barriers_work) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  static int tokens, taken;
  constexpr int kTokens = 2000;
  auto take = [] {
    for (int i = 0; i < kTokens / 4; i++) {
      pthread_mutex_lock(&mutex);
      while (tokens == 0) pthread_cond_wait(&condition, &mutex);
      tokens--;
      taken++;
      pthread_mutex_unlock(&mutex);
    }
  };
  Worker workers[4] = {Worker(take), Worker(take), Worker(take), Worker(take)};
  for (int i = 0; i < kTokens; i++) {
    pthread_mutex_lock(&mutex);
    tokens++;
    if (i % 3 == 0)
      pthread_cond_broadcast(&condition);
    else
      pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
  }
  for (Worker& worker : workers) worker.join();
  CHECK_EQ(taken, kTokens);
}

TEST(shared_word_that_cannot_be_read_is_EFAULT) {
  const auto map = [](int protection) {
    void* page = mmap(nullptr, 4096, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    return static_cast<uint32_t*>(page);
  };
  uint32_t* closed = map(PROT_NONE);
  uint32_t* gone = map(PROT_READ);
  uint32_t* good = map(PROT_READ | PROT_WRITE);
  CHECK_OK(munmap(gone, 4096));
  uint32_t* const unreadable[] = {closed, gone};
  for (uint32_t* bad : unreadable) {
    CHECK_ERRNO(futex(bad, FUTEX_WAKE, 1), EFAULT);
    CHECK_ERRNO(futex(bad, FUTEX_WAIT, 0), EFAULT);
    CHECK_ERRNO(futex(bad, FUTEX_REQUEUE, 1, as_timeout(1), good), EFAULT);
    CHECK_ERRNO(futex(good, FUTEX_REQUEUE, 1, as_timeout(1), bad), EFAULT);
  }
  CHECK_EQ(futex(good, FUTEX_WAKE, 1), 0);
  CHECK_EQ(futex(map(PROT_READ), FUTEX_WAKE, 1), 0);
}

TEST(most_urgent_waiter_is_woken_first) {
  static uint32_t word;
  static int order[3], woken;
  word = 0;
  woken = 0;
  struct Waiter {
    int priority;
    pid_t tid = 0;
    void operator()() {
      sched_param parameter = {};
      parameter.sched_priority = priority;
      CHECK_OK(syscall(SYS_sched_setscheduler, 0, priority != 0 ? SCHED_FIFO : SCHED_OTHER, &parameter));  // musl has none
      __atomic_store_n(&tid, static_cast<pid_t>(own_tid()), __ATOMIC_SEQ_CST);
      CHECK_EQ(futex(&word, FUTEX_WAIT_PRIVATE, 0), 0);
      order[__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST)] = priority;
    }
  };
  Waiter bodies[3] = {{0}, {10}, {20}};
  pthread_t workers[3];
  for (int i = 0; i < 3; i++) {
    workers[i] = Worker(bodies[i]).thread;
    CHECK(eventually([&] {
      const pid_t tid = __atomic_load_n(&bodies[i].tid, __ATOMIC_SEQ_CST);
      return tid != 0 && sleeps(getpid(), tid);
    }));
  }
  for (int i = 1; i <= 3; i++) {
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1), 1);
    CHECK(eventually([&] { return __atomic_load_n(&woken, __ATOMIC_SEQ_CST) == i; }));
  }
  for (pthread_t worker : workers) CHECK_EQ(pthread_join(worker, nullptr), 0);
  CHECK_EQ(order[0], 20);
  CHECK_EQ(order[1], 10);
  CHECK_EQ(order[2], 0);
}
