// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// What the kernel keeps is charged to users (/proc/tine/charges), in total bounded where it outlives processes, and the last
// of it is root's; when memory runs out, it is the user who holds most who loses a process.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "kernel_state.h"
#include "setting.h"

namespace {

void become_user(uid_t user) {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setgid(user));
  CHECK_OK(setuid(user));
}

// Of one user and kind, in /proc/tine/charges.
long long charged(uid_t user, const char* kind) {
  static char text[1 << 16];
  const int file = CHECK_OK(open("/proc/tine/charges", O_RDONLY));
  size_t size = 0;
  while (const ssize_t got = CHECK_OK(read(file, text + size, sizeof text - 1 - size))) size += static_cast<size_t>(got);
  close(file);
  text[size] = '\0';
  char line[64];
  snprintf(line, sizeof line, "user %u %s ", user, kind);
  const char* const at = strstr(text, line);
  return at != nullptr ? atoll(at + strlen(line)) : 0;
}

// Runs `body` as the user, and keeps what that made until `look` has seen it. Then all is given back.
template <class Body, class Look>
void while_held(uid_t user, Body body, Look look) {
  Gate made, seen;
  const pid_t child = start_child([&] {
    become_user(user);
    body();
    made.open();
    seen.wait();
  });
  made.wait();
  look();
  seen.open();
  CHECK_EQ(wait_for(child), 0);
}
void check_nothing_left(uid_t user) {
  static const char* const kKinds[] = {"processes", "threads", "open-files", "pipes", "pipe-pages", "sockets", "message-bytes", "epoll-items",
                           "file-locks", "ptys", "file-pages", "inodes", "names", "segments", "segment-pages"};
  for (const char* kind : kKinds) {
    if (!eventually([&] { return charged(user, kind) == 0; })) printf("%s\n", kind);
    CHECK_EQ(charged(user, kind), 0);
  }
}

template <class Step>
long count_until(int error, Step step) {
  long count = 0;
  while (step(count)) count++;
  CHECK_EQ(errno, error);
  return count;
}

}  // namespace

TEST(what_a_user_makes_is_charged_to_it_and_given_back) {
  constexpr uid_t kUser = 4401;
  while_held(kUser, [] {
    int ends[2];
    CHECK_OK(pipe(ends));
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    CHECK_EQ(write(ends[0], "0123456789", 10), 10);
    const int poller = CHECK_OK(epoll_create1(0));
    epoll_event event = {EPOLLIN, {}};
    CHECK_OK(epoll_ctl(poller, EPOLL_CTL_ADD, ends[1], &event));
    CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
    const int file = CHECK_OK(open("/tmp/charged", O_CREAT | O_RDWR, 0600));
    CHECK_EQ(pwrite(file, "x", 1, 9000), 1);
    CHECK_EQ(pwrite(file, "x", 1, 0), 1);
    flock whole = {};
    whole.l_type = F_WRLCK;
    CHECK_OK(fcntl(file, F_SETLK, &whole));
    CHECK_OK(link("/tmp/charged", "/tmp/charged-again"));
    CHECK_OK(unlink("/tmp/charged"));
    CHECK_OK(shmctl(CHECK_OK(shmget(IPC_PRIVATE, 12288, 0600)), SHM_LOCK, nullptr));
  }, [] {
    CHECK_EQ(charged(kUser, "processes"), 1);
    CHECK_EQ(charged(kUser, "threads"), 1);
    CHECK_EQ(charged(kUser, "pipes"), 1);
    CHECK_EQ(charged(kUser, "pipe-pages"), 16);
    CHECK_EQ(charged(kUser, "sockets"), 2);
    CHECK(charged(kUser, "message-bytes") >= 10);
    CHECK_EQ(charged(kUser, "epoll-items"), 1);
    CHECK_EQ(charged(kUser, "ptys"), 1);
    CHECK_EQ(charged(kUser, "file-pages"), 2);
    CHECK_EQ(charged(kUser, "inodes"), 1);
    CHECK_EQ(charged(kUser, "names"), 2);   // one is unlinked but open
    CHECK_EQ(charged(kUser, "file-locks"), 1);
    CHECK_EQ(charged(kUser, "segments"), 1);
    CHECK_EQ(charged(kUser, "segment-pages"), 3);
    CHECK(charged(kUser, "open-files") >= 7);
  });
  // These outlive their processes.
  CHECK_EQ(charged(kUser, "file-pages"), 2);
  CHECK_EQ(charged(kUser, "segment-pages"), 3);
  CHECK_OK(unlink("/tmp/charged-again"));
  shmid_ds status;
  for (int i = 0; i < 4096; i++)
    if (const int id = shmctl(i, SHM_STAT, &status); id >= 0 && status.shm_perm.uid == kUser) CHECK_OK(shmctl(id, IPC_RMID, nullptr));
  check_nothing_left(kUser);
}

TEST(each_cache_of_objects_has_a_kind_or_a_reason) {
  FILE* const charges = fopen("/proc/tine/charges", "r");
  CHECK(charges != nullptr);
  char line[512];
  int caches = 0, unknown = 0;
  while (fgets(line, sizeof line, charges)) {
    if (strncmp(line, "cache ", 6) != 0) continue;
    caches++;
    if (strstr(line, ": unknown") == nullptr) continue;
    printf("%s", line);
    unknown++;
  }
  CHECK_OK(fclose(charges));
  CHECK(caches > 40);
  CHECK_EQ(unknown, 0);
}

TEST(links_without_end_stop_and_leave_root_its_part) {
  const ChangedSetting most("maxlasting", 1ll << 20);
  CHECK_EQ(in_child([] {
             become_user(4402);
             CHECK_OK(mkdir("/tmp/many", 0700));
             CHECK_OK(close(CHECK_OK(open("/tmp/many/first", O_CREAT | O_WRONLY, 0600))));
             const long made = count_until(ENOSPC, [](long i) {
               char name[64];
               snprintf(name, sizeof name, "/tmp/many/%ld", i);
               return link("/tmp/many/first", name) == 0;
             });
             CHECK(made > 100 && made < 4000);
             CHECK_ERRNO(symlink("first", "/tmp/many/symbolic"), ENOSPC);
             CHECK_ERRNO(open("/tmp/many/second", O_CREAT | O_WRONLY, 0600), ENOSPC);
             CHECK_ERRNO(shmget(IPC_PRIVATE, 1 << 20, 0600), ENOSPC);   // one bound for all that outlives processes
             for (long i = 0; i < made; i++) {
               char name[64];
               snprintf(name, sizeof name, "/tmp/many/%ld", i);
               CHECK_OK(unlink(name));
             }
             CHECK_OK(unlink("/tmp/many/first"));
             CHECK_OK(rmdir("/tmp/many"));
           }),
           0);
  check_nothing_left(4402);
}

TEST(root_can_write_when_a_user_has_filled_tmp) {
  Gate filled, done;
  const ChangedSetting most("maxlasting", 4ll << 20);
  const pid_t user = start_child([&] {
    become_user(4403);
    const int file = CHECK_OK(open("/tmp/filled", O_CREAT | O_RDWR, 0600));
    static char part[65536];
    const long parts = count_until(ENOSPC, [&](long) { return write(file, part, sizeof part) > 0; });
    CHECK(parts > 50 && parts < 65);
    filled.open();
    done.wait();
  });
  filled.wait();
  const int own = CHECK_OK(open("/tmp/of-root", O_CREAT | O_RDWR, 0600));
  CHECK_EQ(write(own, "root", 4), 4);
  CHECK_OK(close(own));
  CHECK_OK(unlink("/tmp/of-root"));
  done.open();
  CHECK_EQ(wait_for(user), 0);
  CHECK_OK(unlink("/tmp/filled"));
  check_nothing_left(4403);
}

TEST(the_last_ptys_are_roots) {
  const ChangedSetting most("/kernel/pty/max", setting("/kernel/pty/nr") + 8);
  const ChangedSetting reserve("/kernel/pty/reserve", 3ll);
  while_held(4404, [] {
    CHECK_EQ(count_until(ENOSPC, [](long) { return open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0; }), 5);
  }, [] {
    int own[3];
    for (int& master : own) master = CHECK_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    CHECK_ERRNO(open("/dev/ptmx", O_RDWR | O_NOCTTY), ENOSPC);
    for (const int master : own) CHECK_OK(close(master));
  });
}

TEST(the_last_open_files_are_roots) {
  const long long now = atoll(read_text("/proc/sys/fs/file-nr"));
  const ChangedSetting most("/fs/file-max", now + 400);
  while_held(4405, [] {
    const rlimit limit = {1024, 1024};
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    const long made = count_until(ENFILE, [](long) { return eventfd(0, 0) >= 0; });
    CHECK(made < 400);
    int ends[2];
    CHECK_ERRNO(pipe(ends), ENFILE);
    CHECK_ERRNO(open("/dev/null", O_RDONLY), ENFILE);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 0), ENFILE);
    CHECK_OK(dup(0));   // makes none
  }, [] {
    CHECK_OK(close(CHECK_OK(open("/dev/null", O_RDONLY))));
    CHECK_EQ(in_child([] {}), 0);
  });
}

TEST(locks_of_a_user_are_bounded) {
  const ChangedSetting most("maxlocksperuid", 10ll);
  CHECK_EQ(in_child([] {
             become_user(4406);
             const int file = CHECK_OK(open("/tmp/locked", O_CREAT | O_RDWR, 0600));
             const auto set = [&](short type, long start, long size) {
               flock lock = {};
               lock.l_type = type;
               lock.l_start = start;
               lock.l_len = size;
               return fcntl(file, F_SETLK, &lock) == 0;
             };
             CHECK_EQ(count_until(ENOLCK, [&](long i) { return set(F_WRLCK, 2 * i, 1); }), 10);
             CHECK(set(F_UNLCK, 0, 0));
             CHECK(set(F_WRLCK, 0, 100));
             for (int i = 0; i < 20; i++) CHECK(set(F_UNLCK, 2 * i + 1, 1));   // unlocking never fails
             CHECK_OK(unlink("/tmp/locked"));
           }),
           0);
  check_nothing_left(4406);
}

TEST(messages_of_a_user_are_bounded) {
  const ChangedSetting most("maxsbsizeperuid", 1ll << 20);
  CHECK_EQ(in_child([] {
             become_user(4407);
             static char part[32768];
             long sent = 0;
             for (int i = 0; i < 50; i++) {
               int ends[2];
               CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
               ssize_t size;
               while ((size = write(ends[0], part, sizeof part)) > 0) sent += size;
               if (errno == ENOBUFS) break;
               CHECK_EQ(errno, EAGAIN);
             }
             CHECK_EQ(errno, ENOBUFS);
             CHECK(sent > 900'000 && sent <= 1 << 20);
           }),
           0);
  check_nothing_left(4407);
}

// The hog has its memory in pipes of many processes, none of which has many pages; the bystander, another user's, has more
// than each of them.
TEST(the_user_who_holds_most_loses_a_process_when_memory_runs_out) {
  const ChangedSetting hard("/fs/pipe-user-pages-hard", 0ll), soft("/fs/pipe-user-pages-soft", 0ll);
  constexpr size_t kOfBystander = 24 << 20;
  Gate ready;
  const pid_t bystander = start_child([&] {
    become_user(4408);
    char* const own =
        static_cast<char*>(mmap(nullptr, kOfBystander, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kOfBystander; at += 4096) own[at] = 1;
    ready.open();
    for (;;) pause();
  });
  ready.wait();
  CHECK_EQ(in_child([] {
             become_user(4409);
             auto& full = shared<volatile int>();
             static pid_t children[1000];
             int count = 0, status = 0;
             pid_t ended = 0;
             while (ended == 0) {
               CHECK(count < 1000);
               children[count++] = start_child([&] {
                 static char part[65536];
                 int ends[2];
                 while (pipe2(ends, O_NONBLOCK) == 0 && write(ends[1], part, sizeof part) == sizeof part) {
                 }
                 full = full + 1;
                 for (;; sleep_ms(1)) {   // asks for a page, and gives it back
                   char* const page =
                       static_cast<char*>(mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
                   if (page == MAP_FAILED) continue;
                   for (size_t at = 0; at < 1 << 20; at += 4096) page[at] = 1;
                   munmap(page, 1 << 20);
                 }
               });
               while (full < count && ended == 0) {
                 ended = CHECK_OK(waitpid(-1, &status, WNOHANG));
                 sleep_ms(1);
               }
             }
             CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
             for (int i = 0; i < count; i++)
               if (children[i] != ended) CHECK_OK(kill(children[i], SIGKILL));
             while (waitpid(-1, nullptr, 0) > 0) {
             }
           }),
           0);
  CHECK_EQ(waitpid(bystander, nullptr, WNOHANG), 0);   // it lives
  CHECK_OK(kill(bystander, SIGKILL));
  CHECK_EQ(wait_for(bystander), 128 + SIGKILL);
}
