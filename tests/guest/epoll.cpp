// SPDX-License-Identifier: BSD-2-Clause
// epoll(7).
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

namespace {
struct Epoll {
  Epoll() : set(CHECK_OK(epoll_create1(EPOLL_CLOEXEC))) {}
  ~Epoll() { close(set); }
  int control(int operation, int file, uint32_t events, uint64_t data = 0) const {
    epoll_event event = {.events = events, .data = {.u64 = data}};
    return epoll_ctl(set, operation, file, &event);
  }
  void add(int file, uint32_t events, uint64_t data = 0) const {
    CHECK_OK(control(EPOLL_CTL_ADD, file, events, data));
  }
  int wait(int milliseconds = 0) { return epoll_wait(set, events, 8, milliseconds); }
  int set;
  epoll_event events[8] = {};
};
struct Pipe {
  Pipe() {
    int ends[2];
    CHECK_OK(pipe(ends));
    out = ends[0];
    in = ends[1];
  }
  void put() const { CHECK_EQ(write(in, "x", 1), 1); }
  void take() const {
    char byte;
    CHECK_EQ(read(out, &byte, 1), 1);
  }
  int out, in;
};
}  // namespace

TEST(bad_arguments) {
  Epoll epoll;
  const Pipe pipe;
  CHECK_ERRNO(epoll_create1(1), EINVAL);
  CHECK_ERRNO(syscall(SYS_epoll_create, 0), EINVAL);  // musl's own does not look
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, 999, EPOLLIN), EBADF);
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, epoll.set, EPOLLIN), EINVAL);
  CHECK_ERRNO(epoll.control(EPOLL_CTL_MOD, pipe.out, EPOLLIN), ENOENT);
  CHECK_ERRNO(epoll.control(EPOLL_CTL_DEL, pipe.out, 0), ENOENT);
  CHECK_ERRNO(epoll.control(9, pipe.out, 0), EINVAL);
  epoll.add(pipe.out, EPOLLIN);
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, pipe.out, EPOLLIN), EEXIST);
  CHECK_ERRNO(epoll_wait(epoll.set, epoll.events, 0, 0), EINVAL);
  CHECK_ERRNO(epoll_wait(pipe.out, epoll.events, 1, 0), EINVAL);
  const int regular = CHECK_OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, regular, EPOLLIN), EPERM);
}

TEST(level_triggered_reports_as_long_as_it_is_ready) {
  Epoll epoll;
  const Pipe pipe;
  epoll.add(pipe.out, EPOLLIN, 0x1234567890);
  CHECK_EQ(epoll.wait(), 0);
  pipe.put();
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(epoll.wait(), 1);
    CHECK_EQ(epoll.events[0].events, static_cast<uint32_t>(EPOLLIN));
    CHECK_EQ(static_cast<uint64_t>(epoll.events[0].data.u64), 0x1234567890ull);
  }
  pipe.take();
  CHECK_EQ(epoll.wait(), 0);
}

TEST(edge_triggered_reports_once_for_each_arrival) {
  Epoll epoll;
  const Pipe pipe;
  epoll.add(pipe.out, EPOLLIN | EPOLLET);
  pipe.put();
  CHECK_EQ(epoll.wait(), 1);
  CHECK_EQ(epoll.wait(), 0);
  pipe.put();
  CHECK_EQ(epoll.wait(), 1);
  CHECK_EQ(epoll.wait(), 0);
}

TEST(one_shot_is_armed_again_by_modify) {
  Epoll epoll;
  const Pipe pipe;
  epoll.add(pipe.out, EPOLLIN | EPOLLONESHOT);
  pipe.put();
  CHECK_EQ(epoll.wait(), 1);
  CHECK_EQ(epoll.wait(), 0);
  pipe.put();
  CHECK_EQ(epoll.wait(), 0);
  CHECK_OK(epoll.control(EPOLL_CTL_MOD, pipe.out, EPOLLIN | EPOLLONESHOT, 5));
  CHECK_EQ(epoll.wait(), 1);
  CHECK_EQ(static_cast<uint64_t>(epoll.events[0].data.u64), 5ull);
}

TEST(what_is_ready_already_when_added_is_reported) {
  Epoll epoll;
  const Pipe pipe;
  pipe.put();
  epoll.add(pipe.out, EPOLLIN | EPOLLET);
  epoll.add(pipe.in, EPOLLOUT);
  CHECK_EQ(epoll.wait(), 2);
}

TEST(hangup_is_reported_unasked) {
  Epoll epoll;
  const Pipe pipe;
  epoll.add(pipe.out, 0);
  close(pipe.in);
  CHECK_EQ(epoll.wait(-1), 1);
  CHECK_EQ(epoll.events[0].events, static_cast<uint32_t>(EPOLLHUP));
}

TEST(wait_wakes_and_times_out) {
  Epoll epoll;
  const Pipe pipe;
  epoll.add(pipe.out, EPOLLIN);
  const int64_t start = now_ns();
  CHECK_EQ(epoll.wait(20), 0);
  CHECK(now_ns() - start >= 20'000'000);
  const pid_t child = start_child([&] {
    sleep_ms(20);
    pipe.put();
  });
  CHECK_EQ(epoll.wait(-1), 1);
  CHECK_EQ(wait_for(child), 0);
}

TEST(more_ready_than_asked_for_comes_in_turn) {
  Epoll epoll;
  constexpr int kFiles = 6;
  for (int i = 0; i < kFiles; i++) epoll.add(CHECK_OK(eventfd(1, 0)), EPOLLIN, static_cast<uint64_t>(i));
  unsigned seen = 0;
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(epoll_wait(epoll.set, epoll.events, 2, 0), 2);
    for (int j = 0; j < 2; j++) seen |= 1u << epoll.events[j].data.u32;
  }
  CHECK_EQ(seen, 0x3fu);
}

TEST(the_last_close_removes_the_registration) {
  Epoll epoll;
  const Pipe pipe;
  const int copy = CHECK_OK(dup(pipe.out));
  epoll.add(pipe.out, EPOLLIN);
  pipe.put();
  close(pipe.out);
  CHECK_EQ(epoll.wait(), 1);  // the copy keeps it
  close(copy);
  CHECK_EQ(epoll.wait(), 0);
}

TEST(duplicates_are_registrations_of_their_own) {
  Epoll epoll;
  const Pipe pipe;
  const int copy = CHECK_OK(dup(pipe.out));
  epoll.add(pipe.out, EPOLLIN, 1);
  epoll.add(copy, EPOLLIN, 2);
  pipe.put();
  CHECK_EQ(epoll.wait(), 2);
  CHECK_OK(epoll.control(EPOLL_CTL_DEL, copy, 0));
  CHECK_EQ(epoll.wait(), 1);
  CHECK_EQ(static_cast<uint64_t>(epoll.events[0].data.u64), 1ull);
}

TEST(a_forked_child_shares_the_set) {
  Epoll epoll;
  const int event = CHECK_OK(eventfd(0, 0));
  CHECK_EQ(in_child([&] { epoll.add(event, EPOLLIN, 9); }), 0);
  CHECK_EQ(epoll.wait(), 0);
  CHECK_OK(eventfd_write(event, 1));
  CHECK_EQ(epoll.wait(), 1);
}

TEST(a_set_in_a_set_is_ready_when_it_has_events) {
  Epoll outer, inner;
  const Pipe pipe;
  inner.add(pipe.out, EPOLLIN);
  outer.add(inner.set, EPOLLIN, 3);
  CHECK_EQ(outer.wait(), 0);
  const pid_t child = start_child([&] {
    sleep_ms(20);
    pipe.put();
  });
  CHECK_EQ(outer.wait(-1), 1);
  CHECK_EQ(static_cast<uint64_t>(outer.events[0].data.u64), 3ull);
  CHECK_EQ(inner.wait(), 1);
  pipe.take();
  CHECK_EQ(outer.wait(), 0);
  pollfd request = {outer.set, POLLIN, 0};
  CHECK_EQ(poll(&request, 1, 0), 0);
  pipe.put();
  CHECK_EQ(poll(&request, 1, -1), 1);
  CHECK_EQ(wait_for(child), 0);
}

TEST(loops_and_deep_nesting_are_refused) {
  Epoll first, second;
  first.add(second.set, EPOLLIN);
  CHECK_ERRNO(second.control(EPOLL_CTL_ADD, first.set, EPOLLIN), ELOOP);
  int chain = CHECK_OK(epoll_create1(0));
  int levels = 1;
  for (; levels < 10; levels++) {
    const int above = CHECK_OK(epoll_create1(0));
    epoll_event event = {.events = EPOLLIN, .data = {}};
    if (epoll_ctl(above, EPOLL_CTL_ADD, chain, &event) != 0) break;
    chain = above;
  }
  CHECK_EQ(errno, ELOOP);
  CHECK(levels >= 4 && levels <= 6);
}

TEST(closing_a_nested_set_lets_go_of_it) {
  Epoll outer;
  {
    Epoll inner;
    inner.add(CHECK_OK(eventfd(1, 0)), EPOLLIN);
    outer.add(inner.set, EPOLLIN);
    CHECK_EQ(outer.wait(), 1);
  }
  CHECK_EQ(outer.wait(), 0);
}

TEST(exclusive_waiters) {
  Epoll first, second;
  const int event = CHECK_OK(eventfd(0, 0));
  first.add(event, EPOLLIN | EPOLLEXCLUSIVE);
  second.add(event, EPOLLIN | EPOLLEXCLUSIVE);
  CHECK_ERRNO(first.control(EPOLL_CTL_MOD, event, EPOLLIN), EINVAL);
  CHECK_OK(eventfd_write(event, 1));
  CHECK(first.wait() + second.wait() >= 1);
}

TEST(a_signal_handler_ends_the_wait_even_with_SA_RESTART) {
  CHECK_EQ(in_child([] {
             struct sigaction action = {};
             action.sa_handler = [](int) {};
             action.sa_flags = SA_RESTART;
             CHECK_OK(sigaction(SIGALRM, &action, nullptr));
             sigset_t blocked, none;
             sigemptyset(&none);
             sigemptyset(&blocked);
             sigaddset(&blocked, SIGALRM);
             CHECK_OK(sigprocmask(SIG_BLOCK, &blocked, nullptr));
             alarm(1);
             Epoll epoll;
             CHECK_ERRNO(epoll_pwait(epoll.set, epoll.events, 1, -1, &none), EINTR);
           }),
           0);
}

// Writers in one process, two threads that share one set: every byte is seen, whoever takes it.
TEST(many_files_and_waiters_at_once) {
  constexpr int kPipes = 8, kBytes = 400;
  static Pipe* pipes;
  static Epoll* epoll;
  static int left = kPipes * kBytes;
  static Pipe storage[kPipes];
  Epoll set;
  pipes = storage;
  epoll = &set;
  for (int i = 0; i < kPipes; i++) {
    CHECK_OK(fcntl(pipes[i].out, F_SETFL, O_NONBLOCK));
    epoll->add(pipes[i].out, EPOLLIN | (i % 2 ? EPOLLET : 0), static_cast<uint64_t>(i));
  }
  const pid_t child = start_child([&] {
    for (int byte = 0; byte < kBytes; byte++)
      for (int i = 0; i < kPipes; i++) pipes[i].put();
  });
  const auto take = [](void*) -> void* {
    while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) > 0) {
      epoll_event events[4];
      const int count = CHECK_OK(epoll_wait(epoll->set, events, 4, 100));
      for (int i = 0; i < count; i++) {
        char bytes[64];
        for (ssize_t got; (got = read(pipes[events[i].data.u64].out, bytes, sizeof bytes)) > 0;)
          __atomic_sub_fetch(&left, static_cast<int>(got), __ATOMIC_SEQ_CST);
      }
    }
    return nullptr;
  };
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, take, nullptr), 0);
  take(nullptr);
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK_EQ(wait_for(child), 0);
}

// A set whose only event never ends is ready for everyone at any time, whoever else looks at it just then.
TEST(looking_at_a_set_does_not_hide_its_events) {
  static Epoll* epoll;
  static int looks = 0;
  constexpr int kLooks = 10'000;
  Epoll set;
  epoll = &set;
  epoll->add(CHECK_OK(eventfd(1, 0)), EPOLLIN);
  const auto look = [](void*) -> void* {
    pollfd file = {.fd = epoll->set, .events = POLLIN, .revents = 0};
    while (__atomic_add_fetch(&looks, 1, __ATOMIC_SEQ_CST) < kLooks) CHECK_EQ(poll(&file, 1, 0), 1);
    return nullptr;
  };
  pthread_t others[2];
  for (pthread_t& other : others) CHECK_EQ(pthread_create(&other, nullptr, look, nullptr), 0);
  while (__atomic_load_n(&looks, __ATOMIC_SEQ_CST) < kLooks) CHECK_EQ(epoll->wait(2000), 1);
  for (pthread_t other : others) CHECK_EQ(pthread_join(other, nullptr), 0);
}

// Closing files that are registered while the set closes too.
TEST(files_and_sets_that_close_at_once) {
  for (int round = 0; round < 200; round++) {
    static int set, file;
    set = CHECK_OK(epoll_create1(0));
    file = CHECK_OK(eventfd(1, 0));
    epoll_event event = {.events = EPOLLIN, .data = {}};
    CHECK_OK(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
    pthread_t other;
    CHECK_EQ(pthread_create(
                 &other, nullptr,
                 [](void*) -> void* {
                   close(file);
                   return nullptr;
                 },
                 nullptr),
             0);
    close(set);
    CHECK_EQ(pthread_join(other, nullptr), 0);
  }
}

// --- Whom a wake-up wakes ---

namespace {

// So many threads, each of which waits for a set of its own with the same file in it.
template <int kWaiters>
int woken_by_one_write(uint32_t flags, int patience_ms) {
  static int milliseconds;
  milliseconds = patience_ms;
  static Pipe* pipe;
  static int woken;
  Epoll sets[kWaiters];
  const Pipe file;
  pipe = const_cast<Pipe*>(&file);
  woken = 0;
  pthread_t threads[kWaiters];
  for (int i = 0; i < kWaiters; i++) {
    sets[i].add(pipe->out, EPOLLIN | flags);
    CHECK_EQ(pthread_create(&threads[i], nullptr, [](void* set) -> void* {
      if (static_cast<Epoll*>(set)->wait(milliseconds) > 0) __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
      return nullptr;
    }, &sets[i]), 0);
  }
  sleep_ms(100);
  pipe->put();
  for (pthread_t thread : threads) CHECK_EQ(pthread_join(thread, nullptr), 0);
  return woken;
}

}  // namespace

TEST(one_write_wakes_one_of_five_exclusive_waiters) {
  CHECK_EQ(woken_by_one_write<5>(EPOLLEXCLUSIVE, 1000), 1);
  CHECK_EQ(woken_by_one_write<5>(0, 20'000), 5);
}

// More than are woken in one piece.
TEST(one_write_wakes_all_of_a_hundred_waiters) { CHECK_EQ(woken_by_one_write<100>(0, 20'000), 100); }

// The wake-up that meets a waiter whose time is up goes on to the next.
TEST(wakeup_that_meets_a_timeout_reaches_the_waiter_without_one) {
  for (const int64_t end = now_ns() + 4'000'000'000; now_ns() < end;) {
    static Epoll* set;
    static int go, taken;
    Epoll own;
    set = &own;
    const int event = CHECK_OK(eventfd(0, EFD_NONBLOCK));
    set->add(event, EPOLLIN | EPOLLET);
    go = taken = 0;
    pthread_t threads[2];
    CHECK_EQ(pthread_create(&threads[0], nullptr, [](void*) -> void* {
      __atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
      epoll_event found;
      const timespec short_time = {0, 300'000};
      if (syscall(SYS_epoll_pwait2, set->set, &found, 1, &short_time, nullptr, 0) == 1)
        __atomic_store_n(&taken, 1, __ATOMIC_SEQ_CST);
      return nullptr;
    }, nullptr), 0);
    while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST)) sched_yield();
    CHECK_EQ(pthread_create(&threads[1], nullptr, [](void*) -> void* {
      epoll_event found;
      if (epoll_wait(set->set, &found, 1, 5000) == 1) __atomic_store_n(&taken, 1, __ATOMIC_SEQ_CST);
      else if (!__atomic_load_n(&taken, __ATOMIC_SEQ_CST)) CHECK(!"the wake-up is lost");
      return nullptr;
    }, nullptr), 0);
    const int64_t at = now_ns() + 150'000 + rand() % 200'000;
    while (now_ns() < at) {
    }
    CHECK_OK(eventfd_write(event, 1));
    CHECK(eventually([] { return __atomic_load_n(&taken, __ATOMIC_SEQ_CST) == 1; }, 4));
    // Whoever did not get it is let go.
    epoll_event all = {.events = EPOLLIN, .data = {}};
    CHECK_OK(epoll_ctl(set->set, EPOLL_CTL_MOD, event, &all));
    for (pthread_t thread : threads) CHECK_EQ(pthread_join(thread, nullptr), 0);
    close(event);
  }
}

// --- What cannot be registered ---

TEST(files_that_are_always_ready_cannot_be_registered) {
  const Epoll epoll;
  const char* const always_ready[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"};
  for (const char* path : always_ready)
    CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, CHECK_OK(open(path, O_RDWR)), EPOLLIN), EPERM);
  CHECK_OK(epoll.control(EPOLL_CTL_ADD, CHECK_OK(open("/dev/random", O_RDONLY)), EPOLLIN));
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, CHECK_OK(open("/tmp", O_RDONLY | O_DIRECTORY)), EPOLLIN), EPERM);
  CHECK_ERRNO(epoll.control(EPOLL_CTL_ADD, CHECK_OK(open("/dev/null", O_PATH)), EPOLLIN), EBADF);
}

// Every change of what is mounted is told once, by POLLPRI and POLLERR.
TEST(mounts_can_be_waited_for) {
  Epoll epoll;
  const int mounts = CHECK_OK(open("/proc/self/mounts", O_RDONLY));
  epoll.add(mounts, EPOLLPRI);
  pollfd request = {mounts, POLLPRI, 0};
  CHECK_EQ(epoll.wait(), 0);
  const pid_t child = start_child([] {
    sleep_ms(50);
    CHECK_OK(mkdir("/tmp/mounted", 0700));
    CHECK_OK(mount("none", "/tmp/mounted", "tmpfs", 0, nullptr));
  });
  CHECK_EQ(epoll.wait(5000), 1);
  CHECK_EQ(epoll.events[0].events, static_cast<uint32_t>(EPOLLPRI | EPOLLERR));
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(poll(&request, 1, 0), 0);
  CHECK_OK(umount("/tmp/mounted"));
  CHECK_EQ(poll(&request, 1, 0), 1);
  CHECK_EQ(request.revents, POLLPRI | POLLERR);
  CHECK_OK(rmdir("/tmp/mounted"));
}

// Linux bounds for each file how many paths lead up from it: 500 of two sets, 100 of three, ...
TEST(too_many_paths_from_a_file_are_refused) {
  const Pipe pipe;
  const Epoll top;
  const Epoll many[500];
  for (const Epoll& inner : many) {
    inner.add(pipe.out, EPOLLIN);
    top.add(inner.set, EPOLLIN);
  }
  Epoll one_more;
  one_more.add(pipe.out, EPOLLIN);
  CHECK_ERRNO(top.control(EPOLL_CTL_ADD, one_more.set, EPOLLIN), EINVAL);
  // Nor the other way round: the set is there already, the file comes last.
  Epoll empty;
  top.add(empty.set, EPOLLIN);
  CHECK_ERRNO(empty.control(EPOLL_CTL_ADD, pipe.out, EPOLLIN), EINVAL);
  empty.add(pipe.in, EPOLLOUT);
  // What was refused has left nothing behind.
  CHECK_EQ(one_more.wait(), 0);
  pipe.put();
  CHECK_EQ(one_more.wait(), 1);
}

TEST(too_many_sets_above_a_set_are_refused) {
  const Pipe pipe;
  const Epoll lowest, middle;
  lowest.add(pipe.out, EPOLLIN);
  middle.add(lowest.set, EPOLLIN);
  const Epoll above[100];
  for (const Epoll& each : above) each.add(middle.set, EPOLLIN);
  const Epoll one_more;
  CHECK_ERRNO(one_more.control(EPOLL_CTL_ADD, middle.set, EPOLLIN), EINVAL);
  CHECK_OK(above[0].control(EPOLL_CTL_DEL, middle.set, 0));   // which makes room
  one_more.add(middle.set, EPOLLIN);
  pipe.put();
  epoll_event found;
  CHECK_EQ(epoll_wait(one_more.set, &found, 1, 0), 1);
}
