// SPDX-License-Identifier: BSD-2-Clause
// Record locks of processes and of open files.
#include <fcntl.h>
#include <signal.h>

#include "check.h"

namespace {
constexpr int kOfdSet = 37;   // F_OFD_SETLK

int lock(int file, int command, int type, off_t start, off_t length) {
  struct flock range = {};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = start;
  range.l_len = length;
  return fcntl(file, command, &range);
}

int new_file(const char* path) { return CHECK_OK(open(path, O_RDWR | O_CREAT, 0644)); }

// What another process may lock: a string of '-' (free), 'r' (for reading only) and 'w' (not at all), byte by byte.
const char* seen_by_others(const char* path, int size) {
  static char* picture = &shared<char>();
  picture[size] = 0;
  CHECK_EQ(in_child([&] {
             const int file = CHECK_OK(open(path, O_RDWR));
             for (int i = 0; i < size; i++) {
               picture[i] = 'w';
               if (lock(file, F_SETLK, F_RDLCK, i, 1) == 0) picture[i] = 'r';
               if (lock(file, F_SETLK, F_WRLCK, i, 1) == 0) picture[i] = '-';
             }
           }),
           0);
  return picture;
}
}  // namespace

TEST(ranges_are_split_and_merged) {
  const int file = new_file("/tmp/ranges");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 10));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "wwwwwwwwww--");
  CHECK_OK(lock(file, F_SETLK, F_UNLCK, 3, 2));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "www--wwwww--");
  CHECK_OK(lock(file, F_SETLK, F_RDLCK, 4, 3));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "www-rrrwww--");
  CHECK_OK(lock(file, F_SETLK, F_RDLCK, 0, 8));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "rrrrrrrrww--");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 0));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "wwwwwwwwwwww");
  CHECK_OK(lock(file, F_SETLK, F_UNLCK, 0, 0));
  CHECK_EQ(seen_by_others("/tmp/ranges", 12), "------------");
}

TEST(closing_any_descriptor_releases_the_locks) {
  const int file = new_file("/tmp/closing");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 1));
  const int other = CHECK_OK(open("/tmp/closing", O_RDONLY));
  CHECK_EQ(seen_by_others("/tmp/closing", 1), "w");
  close(other);
  CHECK_EQ(seen_by_others("/tmp/closing", 1), "-");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 1));
  CHECK_OK(dup2(0, file));
  CHECK_EQ(seen_by_others("/tmp/closing", 1), "-");
}

TEST(getlk_names_the_holder) {
  const int file = new_file("/tmp/holder");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 5, 10));
  const pid_t self = getpid();
  CHECK_EQ(in_child([&] {
             struct flock range = {};
             range.l_type = F_RDLCK;
             range.l_whence = SEEK_SET;
             CHECK_OK(fcntl(file, F_GETLK, &range));
             CHECK_EQ(range.l_type, F_WRLCK);
             CHECK_EQ(range.l_start, 5);
             CHECK_EQ(range.l_len, 10);
             CHECK_EQ(range.l_pid, self);
             range = {};
             range.l_type = F_WRLCK;
             range.l_len = 5;
             CHECK_OK(fcntl(file, F_GETLK, &range));
             CHECK_EQ(range.l_type, F_UNLCK);
           }),
           0);
}

TEST(lock_errors) {
  const int file = new_file("/tmp/errors");
  const int reader = CHECK_OK(open("/tmp/errors", O_RDONLY));
  CHECK_ERRNO(lock(reader, F_SETLK, F_WRLCK, 0, 1), EBADF);
  CHECK_ERRNO(lock(file, F_SETLK, 7, 0, 1), EINVAL);
  CHECK_ERRNO(lock(file, F_SETLK, F_WRLCK, -1, 1), EINVAL);
  CHECK_ERRNO(lock(file, F_SETLK, F_WRLCK, INT64_MIN, -1), EINVAL);
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 10, -5));   // 5 to 9
  CHECK_EQ(seen_by_others("/tmp/errors", 12), "-----wwwww--");
}

TEST(locks_of_open_files_outlive_a_fork_and_conflict_within_a_process) {
  const int file = new_file("/tmp/ofd");
  const int other = CHECK_OK(open("/tmp/ofd", O_RDWR));
  CHECK_OK(lock(file, kOfdSet, F_WRLCK, 0, 4));
  CHECK_ERRNO(lock(other, kOfdSet, F_WRLCK, 3, 4), EAGAIN);
  CHECK_EQ(in_child([&] { CHECK_OK(lock(file, kOfdSet, F_RDLCK, 0, 1)); }), 0);   // the same open file
  CHECK_EQ(seen_by_others("/tmp/ofd", 5), "rwww-");
  const int copy = CHECK_OK(dup(file));
  close(file);
  CHECK_EQ(seen_by_others("/tmp/ofd", 5), "rwww-");
  close(copy);
  CHECK_EQ(seen_by_others("/tmp/ofd", 5), "-----");
}

TEST(waiting_for_a_lock_is_interrupted_by_a_signal) {
  const int file = new_file("/tmp/interrupted");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 1));
  CHECK_EQ(in_child([&] {
             struct sigaction action = {};
             action.sa_handler = [](int) {};
             CHECK_OK(sigaction(SIGALRM, &action, nullptr));
             alarm(1);
             CHECK_ERRNO(lock(file, F_SETLKW, F_WRLCK, 0, 1), EINTR);
           }),
           0);
}

TEST(a_waiter_gets_the_lock_when_it_is_released) {
  const int file = new_file("/tmp/released");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 1));
  int& got = shared<int>();
  const pid_t child = start_child([&] {
    CHECK_OK(lock(file, F_SETLKW, F_WRLCK, 0, 1));
    got = 1;
  });
  sleep_ms(20);
  CHECK_EQ(got, 0);
  CHECK_OK(lock(file, F_SETLK, F_UNLCK, 0, 1));
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(got, 1);
}

TEST(many_locks_of_several_owners_exclude_each_other_exactly) {
  const int file = new_file("/tmp/several");
  Gate ready, done;
  const pid_t child = start_child([&] {
    for (int i = 0; i < 60; i += 3) CHECK_OK(lock(file, F_SETLK, i % 2 ? F_RDLCK : F_WRLCK, i, 1));
    ready.open();
    done.wait();
  });
  ready.wait();
  for (int i = 0; i < 60; i++) {
    if (i % 3 != 0) {
      CHECK_OK(lock(file, F_SETLK, F_WRLCK, i, 1));
    } else if (i % 2) {
      CHECK_ERRNO(lock(file, F_SETLK, F_WRLCK, i, 1), EAGAIN);
      CHECK_OK(lock(file, F_SETLK, F_RDLCK, i, 1));
    } else {
      CHECK_ERRNO(lock(file, F_SETLK, F_RDLCK, i, 1), EAGAIN);
    }
  }
  CHECK_ERRNO(lock(file, F_SETLK, F_RDLCK, 0, 60), EAGAIN);
  CHECK_OK(lock(file, F_SETLK, F_RDLCK, 1, 5));
  done.open();
  CHECK_EQ(wait_for(child), 0);
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 0));
}

TEST(waiting_in_a_circle_is_a_deadlock) {
  const int file = new_file("/tmp/circle");
  CHECK_OK(lock(file, F_SETLK, F_WRLCK, 0, 1));
  Gate ready;
  const pid_t child = start_child([&] {
    CHECK_OK(lock(file, F_SETLK, F_WRLCK, 1, 1));
    ready.open();
    CHECK_OK(lock(file, F_SETLKW, F_WRLCK, 0, 1));
  });
  ready.wait();
  sleep_ms(50);
  CHECK_ERRNO(lock(file, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
  CHECK_OK(lock(file, F_SETLK, F_UNLCK, 0, 1));
  CHECK_EQ(wait_for(child), 0);
}
