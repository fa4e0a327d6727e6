// SPDX-License-Identifier: BSD-2-Clause
// What bounds an ordinary user, by Linux's names: threads and RLIMIT_NPROC, timers and RLIMIT_SIGPENDING, fs.pipe-*,
// fs.epoll.max_user_watches, kernel.shm*, vm.max_map_count, and what a tmpfs has room for.
// Source: getrlimit(2), pipe(7), epoll(7), shmget(2), tmpfs(5), proc(5).
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "setting.h"

namespace {

// Nobody else is this user.
void become_user(uid_t user) {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setgid(user));
  CHECK_OK(setuid(user));
}
template <class Body>
int as_user(uid_t user, Body body) {
  return in_child([&] {
    become_user(user);
    body();
  });
}

void set_limit(int which, rlim_t value) {
  const rlimit limit = {value, value};
  CHECK_OK(setrlimit(which, &limit));
}

void* wait_for_ever(void*) {
  for (;;) pause();
}
int start_thread() {
  pthread_t thread;
  return pthread_create(&thread, nullptr, wait_for_ever, nullptr);
}

// Makes names file0, file1, ... with `make` until that fails with ENOSPC: how many.
template <class Make>
int fill(const char* folder, Make make) {
  for (int i = 0;; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s/file%d", folder, i);
    if (make(name) == 0) continue;
    CHECK_EQ(errno, ENOSPC);
    return i;
  }
}

// A tmpfs with these options for the length of a test.
class Mounted {
 public:
  explicit Mounted(const char* options) {
    CHECK(mkdtemp(path) != nullptr);
    CHECK_OK(mount("none", path, "tmpfs", 0, options));
  }
  ~Mounted() {
    CHECK_OK(umount(path));
    CHECK_OK(rmdir(path));
  }
  char path[32] = "/tmp/limitsXXXXXX";
};

unsigned long free_inodes(const char* path) {
  struct statfs about;
  CHECK_OK(statfs(path, &about));
  return about.f_ffree;
}

}  // namespace

TEST(threads_count_against_RLIMIT_NPROC) {
  CHECK_EQ(as_user(4301, [] {
             set_limit(RLIMIT_NPROC, 6);
             for (int i = 0; i < 3; i++) CHECK_EQ(start_thread(), 0);
             const pid_t child = start_child([] { wait_for_ever(nullptr); });
             CHECK_EQ(start_thread(), 0);   // 1 + 4 threads, and a child
             CHECK_EQ(start_thread(), EAGAIN);
             CHECK_ERRNO(fork(), EAGAIN);
             CHECK_OK(kill(child, SIGKILL));
             CHECK_EQ(wait_for(child), 128 + SIGKILL);
             CHECK_EQ(start_thread(), 0);
             CHECK_EQ(start_thread(), EAGAIN);
           }),
           0);
}

TEST(a_thread_that_has_ended_counts_no_more) {
  CHECK_EQ(as_user(4302, [] {
             set_limit(RLIMIT_NPROC, 2);
             for (int i = 0; i < 20; i++) {
               pthread_t thread;
               CHECK_EQ(pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr), 0);
               CHECK_EQ(pthread_join(thread, nullptr), 0);
               // The C library is told a moment before the kernel is done with the thread.
               CHECK(eventually([] { return strstr(read_text("/proc/self/status"), "Threads:\t1\n") != nullptr; }));
             }
           }),
           0);
}

TEST(timers_of_all_processes_of_a_user_count_against_RLIMIT_SIGPENDING) {
  CHECK_EQ(as_user(4303, [] {
             set_limit(RLIMIT_SIGPENDING, 5);
             timer_t timer;
             for (int i = 0; i < 3; i++) CHECK_OK(timer_create(CLOCK_MONOTONIC, nullptr, &timer));
             CHECK_EQ(in_child([] {
                        timer_t more;
                        for (int i = 0; i < 2; i++) CHECK_OK(timer_create(CLOCK_MONOTONIC, nullptr, &more));
                        CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, nullptr, &more), EAGAIN);
                        CHECK_OK(timer_delete(more));
                        CHECK_OK(timer_create(CLOCK_MONOTONIC, nullptr, &more));
                      }),
                      0);
             CHECK_OK(timer_create(CLOCK_MONOTONIC, nullptr, &timer));   // the child's are gone
           }),
           0);
}

TEST(pipes_of_a_user_who_has_many_are_small_and_then_refused) {
  const ChangedSetting soft("/fs/pipe-user-pages-soft", 64ll), hard("/fs/pipe-user-pages-hard", 70ll);
  const auto make = [] {
    int ends[2];
    CHECK_OK(pipe(ends));
    return ends[0];
  };
  CHECK_EQ(as_user(4304, [&] {
             for (int i = 0; i < 4; i++) CHECK_EQ(fcntl(make(), F_GETPIPE_SZ), 65536);
             const int small = make();
             CHECK_EQ(fcntl(small, F_GETPIPE_SZ), 8192);
             CHECK_ERRNO(fcntl(small, F_SETPIPE_SZ, 65536), EPERM);
             CHECK_EQ(fcntl(make(), F_GETPIPE_SZ), 8192);
             CHECK_EQ(fcntl(make(), F_GETPIPE_SZ), 8192);
             int ends[2];
             CHECK_ERRNO(pipe(ends), ENFILE);
             CHECK_EQ(fcntl(small, F_SETPIPE_SZ, 4096), 4096);   // less is always allowed
           }),
           0);
  // What was theirs is given back; root has no such bound.
  CHECK_EQ(as_user(4304, [&] { CHECK_EQ(fcntl(make(), F_GETPIPE_SZ), 65536); }), 0);
  for (int i = 0; i < 20; i++) CHECK_EQ(fcntl(make(), F_GETPIPE_SZ), 65536);
}

TEST(pipe_max_size_binds_ordinary_users) {
  CHECK_EQ(setting("/fs/pipe-max-size"), 1 << 20);
  const ChangedSetting most("/fs/pipe-max-size", 131072ll);
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(fcntl(ends[0], F_SETPIPE_SZ, 262144), 262144);
  CHECK_EQ(as_user(4305, [] {
             int own[2];
             CHECK_OK(pipe(own));
             CHECK_EQ(fcntl(own[0], F_SETPIPE_SZ, 131072), 131072);
             CHECK_ERRNO(fcntl(own[0], F_SETPIPE_SZ, 131073), EPERM);
           }),
           0);
}

TEST(epoll_watches_are_counted_by_user) {
  const ChangedSetting most("/fs/epoll/max_user_watches", 4ll);
  CHECK_EQ(as_user(4306, [] {
             const int first = CHECK_OK(epoll_create1(0)), second = CHECK_OK(epoll_create1(0));
             epoll_event event = {EPOLLIN, {}};
             int files[5];
             for (int& file : files) file = CHECK_OK(eventfd(0, 0));
             for (int i = 0; i < 3; i++) CHECK_OK(epoll_ctl(first, EPOLL_CTL_ADD, files[i], &event));
             CHECK_OK(epoll_ctl(second, EPOLL_CTL_ADD, files[0], &event));
             CHECK_ERRNO(epoll_ctl(second, EPOLL_CTL_ADD, files[3], &event), ENOSPC);
             CHECK_OK(epoll_ctl(first, EPOLL_CTL_DEL, files[1], &event));
             CHECK_OK(epoll_ctl(second, EPOLL_CTL_ADD, files[3], &event));
             CHECK_OK(close(first));   // and so two go at once
             CHECK_OK(epoll_ctl(second, EPOLL_CTL_ADD, files[4], &event));
             CHECK_OK(epoll_ctl(second, EPOLL_CTL_ADD, files[1], &event));
             CHECK_ERRNO(epoll_ctl(second, EPOLL_CTL_ADD, files[2], &event), ENOSPC);
           }),
           0);
}

TEST(segments_are_bounded_in_size_number_and_total) {
  const auto remove = [](int id) { CHECK_OK(shmctl(id, IPC_RMID, nullptr)); };
  struct shm_info now;
  CHECK_OK(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&now)));
  {
    const ChangedSetting most("/kernel/shmall", static_cast<long long>(now.shm_tot) + 10);
    const int id = CHECK_OK(shmget(IPC_PRIVATE, 8 * 4096, 0600));
    CHECK_ERRNO(shmget(IPC_PRIVATE, 3 * 4096, 0600), ENOSPC);
    const int second = CHECK_OK(shmget(IPC_PRIVATE, 2 * 4096, 0600));
    CHECK_ERRNO(shmget(IPC_PRIVATE, 1, 0600), ENOSPC);
    remove(id);
    remove(CHECK_OK(shmget(IPC_PRIVATE, 8 * 4096, 0600)));
    remove(second);
  }
  {
    const ChangedSetting most("/kernel/shmmni", static_cast<long long>(now.used_ids) + 1);
    const int id = CHECK_OK(shmget(IPC_PRIVATE, 1, 0600));
    CHECK_ERRNO(shmget(IPC_PRIVATE, 1, 0600), ENOSPC);
    remove(id);
  }
  const ChangedSetting most("/kernel/shmmax", 8192ll);
  CHECK_ERRNO(shmget(IPC_PRIVATE, 8193, 0600), EINVAL);
  remove(CHECK_OK(shmget(IPC_PRIVATE, 8192, 0600)));
}

TEST(max_map_count_bounds_the_regions_of_a_process) {
  const ChangedSetting most("/vm/max_map_count", 200ll);
  CHECK_EQ(in_child([] {
             char* const part = static_cast<char*>(mmap(nullptr, 400 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
             CHECK(part != MAP_FAILED);
             int cut = 0;
             while (mprotect(part + (2 * cut + 1) * 4096, 4096, PROT_NONE) == 0) CHECK(++cut < 110);
             CHECK_EQ(errno, ENOMEM);
             CHECK(cut > 60);
             // What makes no more of them still works.
             CHECK_OK(munmap(part, 400 * 4096));
           }),
           0);
}

TEST(inodes_and_links_of_a_tmpfs_count_against_nr_inodes) {
  const Mounted tmpfs("nr_inodes=10");
  char first[64];
  snprintf(first, sizeof first, "%s/first", tmpfs.path);
  CHECK_OK(close(CHECK_OK(open(first, O_CREAT | O_WRONLY, 0600))));
  CHECK_EQ(free_inodes(tmpfs.path), 8u);
  CHECK_EQ(fill(tmpfs.path, [&](const char* name) { return link(first, name); }), 8);
  CHECK_EQ(free_inodes(tmpfs.path), 0u);
  char name[64];
  for (int i = 0; i < 8; i++) {
    snprintf(name, sizeof name, "%s/file%d", tmpfs.path, i);
    CHECK_OK(unlink(name));
  }
  CHECK_EQ(free_inodes(tmpfs.path), 8u);
  CHECK_EQ(fill(tmpfs.path, [&](const char* path) { return mkdir(path, 0700); }), 8);
}

TEST(contents_and_long_links_of_a_tmpfs_count_against_its_size) {
  const Mounted tmpfs("size=32k");
  char target[201] = {};
  memset(target, 'x', 200);
  const auto make_link = [&](const char* name) { return symlink(target, name); };
  CHECK_EQ(fill(tmpfs.path, make_link), 8);
  char name[64];
  snprintf(name, sizeof name, "%s/file3", tmpfs.path);
  CHECK_OK(unlink(name));
  const int file = CHECK_OK(open(name, O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(write(file, target, 200), 200);
  CHECK_ERRNO(pwrite(file, target, 200, 4096), ENOSPC);
  CHECK_OK(close(file));
}
