// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// The tables of processes and threads: kern.maxproc, kern.maxthread, kern.nprocs, kern.nthreads. Rows L1-L3, L5, H4.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kernel_state.h"
#include "setting.h"

namespace {

constexpr uid_t kUser = 1000;
constexpr int kReservedForRoot = 5;

// Forks children that wait until it goes away.
class Children {
 public:
  ~Children() {
    for (int i = 0; i < count_; i++) {
      kill(pids_[i], SIGKILL);
      wait_for(pids_[i]);
    }
  }
  // False, with errno, when fork refuses.
  bool add() {
    CHECK(count_ < kMost);
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
      for (;;) pause();
    }
    pids_[count_++] = child;
    return true;
  }

 private:
  static constexpr int kMost = 64;
  pid_t pids_[kMost];
  int count_ = 0;
};

// Runs `body` as an ordinary user, whom no other limit holds.
template <class Body>
int as_user(Body body) {
  return in_child([&] {
    const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    CHECK_OK(setrlimit(RLIMIT_NPROC, &unlimited));
    CHECK_OK(setresuid(kUser, kUser, kUser));
    body();
  });
}

// Threads that wait until they are told to end.
class Threads {
 public:
  Threads() { pthread_mutex_lock(&held_); }
  ~Threads() {
    pthread_mutex_unlock(&held_);
    for (int i = 0; i < count_; i++) pthread_join(threads_[i], nullptr);
  }
  bool add() {
    CHECK(count_ < kMost);
    const auto wait = [](void* mutex) -> void* {
      pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
      pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex));
      return nullptr;
    };
    const int error = pthread_create(&threads_[count_], nullptr, wait, &held_);
    if (error == 0) count_++;
    errno = error;
    return error == 0;
  }

 private:
  static constexpr int kMost = 64;
  pthread_mutex_t held_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_t threads_[kMost];
  int count_ = 0;
};

// As many as can be had, which must end with EAGAIN.
template <class Things>
int fill(Things& things) {
  int added = 0;
  while (things.add()) added++;
  CHECK_EQ(errno, EAGAIN);
  return added;
}

// A table's limit cannot be set below what root needs, so that a few have to be there.
template <class Things>
void add_a_few(Things& things) {
  for (int i = 0; i < kReservedForRoot; i++) CHECK(things.add());
}

bool settles_at(const char* name, long long value) {
  return eventually([=] { return setting(name) == value; });
}

// --- The kernel's log ---

constexpr int kReadAll = 3;   // syslog(2)
constexpr double kInterval = 10;

struct FullMessages {
  int count_since = 0;          // a moment
  double last = -kInterval;     // seconds of uptime
  double least_distance = 1e9;
};

FullMessages full_messages(const char* table, double since) {
  static char log[1 << 17];
  const int size = CHECK_OK(klogctl(kReadAll, log, sizeof log - 1));
  log[size] = '\0';
  char text[32];
  snprintf(text, sizeof text, "%s table is full", table);
  FullMessages found;
  for (char* line = strtok(log, "\n"); line; line = strtok(nullptr, "\n")) {
    double when;
    if (!strstr(line, text) || sscanf(line, "<%*d>[%lf]", &when) != 1) continue;
    if (when - found.last < found.least_distance) found.least_distance = when - found.last;
    found.last = when;
    found.count_since += when >= since;
  }
  return found;
}

double uptime() { return static_cast<double>(now_ns()) / 1e9; }

// Makes a table overflow many times and checks what is logged: one message, for it is long since the last one.
template <class Overflow>
void check_logged_once(const char* table, Overflow overflow) {
  const double last = full_messages(table, 0).last;
  while (uptime() < last + kInterval + 0.1) sleep_ms(20);
  const double began = uptime();
  for (int i = 0; i < 50 && uptime() < began + kInterval / 2; i++) overflow();
  const FullMessages now = full_messages(table, began);
  CHECK_EQ(now.count_since, 1);
  CHECK(now.least_distance >= kInterval);
}

}  // namespace

TEST(L1_at_maxproc_fork_says_EAGAIN) {
  const ChangedSetting limit("maxproc", settled("nprocs") + 8);
  {
    Children children;
    CHECK_EQ(fill(children), 8);
    CHECK_EQ(setting("nprocs"), setting("maxproc"));
  }
  Children again;
  CHECK(again.add());
}

TEST(L1_last_five_slots_are_roots_alone) {
  const ChangedSetting limit("maxproc", settled("nprocs") + 8);
  CHECK_EQ(as_user([] {
             Children of_user;
             CHECK_EQ(fill(of_user), 8 - 1 - kReservedForRoot);
           }),
           0);
  // What the user could not have is still there for root.
  Gate filled, done;
  const pid_t user = start_child([&] {
    CHECK_OK(setresuid(kUser, kUser, kUser));
    Children of_user;
    fill(of_user);
    filled.open();
    done.wait();
  });
  filled.wait();
  {
    Children of_root;
    CHECK_EQ(fill(of_root), kReservedForRoot);
  }
  done.open();
  CHECK_EQ(wait_for(user), 0);
}

TEST(L2_at_maxthread_threads_and_forks_say_EAGAIN) {
  const ChangedSetting limit("maxthread", settled("nthreads") + 8);
  Threads threads;
  CHECK_EQ(fill(threads), 8);
  CHECK_EQ(setting("nthreads"), setting("maxthread"));
  // A process needs a thread's slot too; its own it does not keep.
  const long long processes = setting("nprocs");
  Children children;
  CHECK(!children.add());
  CHECK_EQ(errno, EAGAIN);
  CHECK_EQ(setting("nprocs"), processes);
}

TEST(L2_last_five_thread_slots_are_roots_alone) {
  const ChangedSetting limit("maxthread", settled("nthreads") + 8);
  CHECK_EQ(as_user([] {
             Threads threads;
             CHECK_EQ(fill(threads), 8 - 1 - kReservedForRoot);
           }),
           0);
}

TEST(L2_thread_slot_is_given_back_when_the_process_slot_fails) {
  Children few;
  add_a_few(few);
  const long long threads = settled("nthreads");
  const ChangedSetting limit("maxproc", settled("nprocs"));
  for (int i = 0; i < 100; i++) {
    Children children;
    CHECK(!children.add());
    CHECK_EQ(errno, EAGAIN);
  }
  CHECK_EQ(setting("nthreads"), threads);
}

TEST(L3_full_process_table_is_logged_once_in_ten_seconds) {
  Children few;
  add_a_few(few);
  const ChangedSetting limit("maxproc", settled("nprocs"));
  check_logged_once("process", [] { CHECK_ERRNO(fork(), EAGAIN); });
}

TEST(L3_full_thread_table_is_logged_once_in_ten_seconds) {
  Threads few;
  add_a_few(few);
  const ChangedSetting limit("maxthread", settled("nthreads"));
  check_logged_once("thread", [] {
    Threads threads;
    CHECK(!threads.add());
  });
}

TEST(L5_counts_of_processes_and_threads_are_exact) {
  const long long processes = settled("nprocs"), threads = settled("nthreads");
  {
    Children children;
    for (int i = 1; i <= 20; i++) {
      CHECK(children.add());
      CHECK_EQ(setting("nprocs"), processes + i);
      CHECK_EQ(setting("nthreads"), threads + i);
    }
  }
  CHECK_EQ(setting("nprocs"), processes);
  // A zombie is a process still, but has no thread.
  const pid_t zombie = start_child([] {});
  siginfo_t info;
  CHECK_OK(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
  CHECK_EQ(setting("nprocs"), processes + 1);
  CHECK(settles_at("nthreads", threads));
  CHECK_EQ(wait_for(zombie), 0);
  CHECK_EQ(setting("nprocs"), processes);
  // Whatever way a process begins and ends.
  for (int i = 0; i < 30; i++) {
    const pid_t child = vfork();
    if (child == 0) _exit(0);
    CHECK_EQ(wait_for(child), 0);
    CHECK_EQ(in_child([] { raise(SIGKILL); }), 128 + SIGKILL);
    CHECK_EQ(in_child([] {
               start_child([] {});   // an orphan, for init
             }),
             0);
    const pid_t other = CHECK_OK(static_cast<pid_t>(syscall(SYS_clone, CLONE_FILES | CLONE_FS, 0, 0, 0, 0)));
    if (other == 0) _exit(0);
    CHECK_EQ(waitpid(other, nullptr, __WALL), other);
    CHECK_ERRNO(static_cast<pid_t>(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0)), EINVAL);
  }
  CHECK(settles_at("nprocs", processes));
  CHECK(settles_at("nthreads", threads));
}

TEST(H4_thread_counts_are_exact) {
  const auto own = [] {
    const char* line = strstr(read_text("/proc/self/status"), "Threads:");
    return line ? atoi(line + 8) : 0;
  };
  const long long threads = settled("nthreads");
  CHECK_EQ(own(), 1);
  {
    Threads more;
    for (int i = 1; i <= 20; i++) {
      CHECK(more.add());
      CHECK_EQ(own(), 1 + i);
      CHECK_EQ(setting("nthreads"), threads + i);
    }
    // The child of a process with many threads has one.
    CHECK_EQ(in_child([&] { _exit(own()); }), 1);
  }
  CHECK(eventually([&] { return own() == 1; }));
  CHECK(settles_at("nthreads", threads));
}
