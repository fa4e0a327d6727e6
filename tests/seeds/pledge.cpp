// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// pledge(2): what a process has promised is all that it can do. Row C8.
#include "check.h"
#include "passing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/procdesc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysctl.h>
#include <sys/un.h>
#include <tine/syscall.h>
#include <utime.h>

namespace {

constexpr int kAborted = 128 + SIGABRT;

// How a child ends that has made these promises and then does `body`.
template <class Body>
int pledged(const char* promises, Body body) {
  return in_child([&] {
    CHECK_OK(pledge(promises, nullptr));
    body();
  });
}

// The call is allowed, whatever it says.
#define ALLOWED(promises, call) CHECK_EQ(pledged(promises, [&] { (void)(call); }), 0)
#define REFUSED(promises, call) CHECK_EQ(pledged(promises, [&] { (void)(call); }), kAborted)

int start_program(const char* path, const char* argument) {
  char* const arguments[] = {const_cast<char*>(path), const_cast<char*>(argument), nullptr};
  char* const environment[] = {nullptr};
  return execve(path, arguments, environment);
}

sockaddr_un address_of(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  return address;
}

ssize_t receive_descriptor(int socket) {
  char byte;
  iovec vector = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  return recvmsg(socket, &message, 0);
}

void* do_nothing(void*) { return nullptr; }

}  // namespace

// --- Promising ---

TEST(C8_unknown_words_are_refused) {
  CHECK_EQ(in_child([] {
    CHECK_ERRNO(pledge("stdio nonsense", nullptr), EINVAL);
    CHECK_ERRNO(pledge(nullptr, "nonsense"), EINVAL);
    CHECK_OK(open("/dev/null", O_RDONLY));   // nothing has been promised
    CHECK_OK(access("/etc", F_OK));
  }), 0);
}

TEST(C8_bad_addresses_are_refused) {
  CHECK_ERRNO(pledge(reinterpret_cast<const char*>(8), nullptr), EFAULT);
  CHECK_ERRNO(pledge(nullptr, reinterpret_cast<const char*>(8)), EFAULT);
}

TEST(C8_promises_can_only_become_fewer) {
  CHECK_EQ(in_child([] {
    CHECK_OK(pledge("stdio rpath proc", nullptr));
    CHECK_OK(pledge("stdio rpath", nullptr));
    CHECK_ERRNO(pledge("stdio rpath proc", nullptr), EPERM);
    CHECK_ERRNO(pledge("stdio wpath", nullptr), EPERM);
    CHECK_OK(pledge(nullptr, nullptr));
    CHECK_OK(access("/etc", F_OK));
    CHECK_OK(pledge("stdio", nullptr));
    CHECK_ERRNO(pledge("stdio rpath", nullptr), EPERM);
  }), 0);
}

TEST(C8_execpromises_can_only_become_fewer_and_are_not_ones_own) {
  CHECK_EQ(in_child([] {
    CHECK_OK(pledge(nullptr, "stdio rpath"));
    CHECK_ERRNO(pledge(nullptr, "stdio proc"), EPERM);
    CHECK_OK(pledge(nullptr, "stdio"));
    CHECK_OK(access("/etc", F_OK));
    CHECK_EQ(in_child([] {}), 0);
  }), 0);
}

TEST(C8_no_promise_allows_the_end_only) {
  CHECK_EQ(pledged("", [] { _exit(5); }), 5);
  REFUSED("", getpid());
  REFUSED("", write(STDERR_FILENO, "", 0));
}

// --- Violations ---

TEST(C8_violation_is_abort_that_cannot_be_caught_or_blocked) {
  CHECK_EQ(in_child([] {
    signal(SIGABRT, [](int) { _exit(1); });
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    CHECK_OK(pledge("stdio", nullptr));
    open("/etc/passwd", O_RDONLY);
    _exit(2);
  }), kAborted);
  CHECK_EQ(in_child([] {
    signal(SIGABRT, SIG_IGN);
    CHECK_OK(pledge("stdio", nullptr));
    open("/etc/passwd", O_RDONLY);
    _exit(2);
  }), kAborted);
}

TEST(C8_error_makes_violations_missing_calls) {
  CHECK_EQ(pledged("stdio error", [] {
    CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOSYS);
    CHECK_ERRNO(fork(), ENOSYS);
    CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, 0), ENOSYS);
    CHECK_ERRNO(chdir("/"), ENOSYS);
    CHECK_OK(pledge("stdio rpath error", nullptr));   // more than is held is left out, not refused
    CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOSYS);
    CHECK_OK(pledge("stdio", nullptr));
  }), 0);
}

TEST(C8_unknown_calls_are_violations) {
  REFUSED("stdio", syscall(SYS_reboot, 0, 0, 0, 0));
  REFUSED("stdio rpath wpath cpath proc exec id", syscall(SYS_ptrace, 0, 0, 0, 0));
  REFUSED("stdio", syscall(499));
  REFUSED("stdio", syscall(100000));
}

TEST(C8_violation_of_one_thread_ends_all) {
  CHECK_EQ(in_child([] {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, [](void*) -> void* { open("/etc/passwd", O_RDONLY); return nullptr; }, nullptr), 0);
    CHECK_OK(pledge("stdio", nullptr));   // the thread may be there already, or come later
    pthread_create(&thread, nullptr, [](void*) -> void* { open("/etc/passwd", O_RDONLY); return nullptr; }, nullptr);
    for (;;) pause();
  }), kAborted);
}

TEST(C8_threads_that_exist_are_bound) {
  static Gate go, ready;
  CHECK_EQ(in_child([] {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, [](void*) -> void* {
      ready.open();
      go.wait();
      open("/etc/passwd", O_RDONLY);
      _exit(1);
    }, nullptr), 0);
    ready.wait();
    CHECK_OK(pledge("stdio", nullptr));
    go.open();
    for (;;) pause();
  }), kAborted);
}

// --- stdio ---

TEST(C8_stdio_is_enough_for_the_c_library) {
  CHECK_EQ(pledged("stdio", [] {
    int ends[2];
    CHECK_OK(pipe(ends));
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    char text[4];
    CHECK_EQ(read(ends[0], text, 3), 3);
    pollfd poller = {ends[1], POLLOUT, 0};
    CHECK_EQ(poll(&poller, 1, 0), 1);
    CHECK_OK(fcntl(ends[0], F_SETFD, FD_CLOEXEC));
    CHECK_OK(dup2(ends[0], ends[1]));
    struct stat status;
    CHECK_OK(fstat(ends[0], &status));
    void* memory = malloc(3 << 20);
    CHECK(memory != nullptr);
    memset(memory, 1, 3 << 20);
    free(memory);
    CHECK(isatty(ends[0]) == 0);
    printf("%s", "");
    fflush(stdout);
    CHECK(time(nullptr) > 0);
    CHECK(getpid() > 0 && getppid() > 0);
    (void)getuid();
    signal(SIGUSR1, [](int) {});
    CHECK_OK(raise(SIGUSR1));
    CHECK_OK(kill(getpid(), SIGUSR1));
    sleep_ms(1);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, do_nothing, nullptr), 0);
    CHECK_EQ(pthread_join(thread, nullptr), 0);
    rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    CHECK_OK(prctl(PR_SET_NAME, "pledged"));
    CHECK_OK(close(open("/dev/null", O_RDWR)));
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_ERRNO(waitpid(-1, nullptr, 0), ECHILD);
    char name[64];
    size_t size = sizeof name;
    CHECK_OK(sysctlbyname("kern.ostype", name, &size, nullptr, 0));
    const int queue = static_cast<int>(CHECK_OK(syscall(TINE_SYS_kqueue, 0)));
    CHECK_OK(close(queue));
  }), 0);
}

TEST(C8_stdio_is_not_enough_for_other_things) {
  REFUSED("stdio", open("/etc/passwd", O_RDONLY));
  REFUSED("stdio", open("/tmp/pledge", O_WRONLY | O_CREAT, 0600));
  REFUSED("stdio", open("/etc/../dev/null", O_RDONLY));
  REFUSED("stdio", access("/etc/passwd", R_OK));
  REFUSED("stdio", mkdir("/tmp/pledge", 0700));
  REFUSED("stdio", fork());
  REFUSED("stdio", vfork());
  REFUSED("stdio", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  REFUSED("stdio", rfork(RFPROC | RFFDG));
  REFUSED("stdio", start_program("/bin/true", nullptr));
  REFUSED("stdio", kill(getppid(), 0));
  REFUSED("stdio", setuid(0));
  REFUSED("stdio", setsid());
  REFUSED("stdio", setpriority(PRIO_PROCESS, 0, 1));
  REFUSED("stdio", chdir("/"));
  REFUSED("stdio", fchmod(STDERR_FILENO, 0600));
  REFUSED("stdio", socket(AF_UNIX, SOCK_STREAM, 0));
  REFUSED("stdio", syscall(TINE_SYS_unveil, nullptr, nullptr));
  REFUSED("stdio", prctl(PR_SET_PDEATHSIG, SIGKILL));
  int value = 1;
  REFUSED("stdio proc id", sysctlbyname("kern.randompid", nullptr, nullptr, &value, sizeof value));
}

TEST(C8_clone3_needs_proc_for_a_process) {
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } arguments = {};
  arguments.exit_signal = SIGCHLD;
  const auto clone3 = [&] {
    const long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) _exit(0);
    if (child > 0) CHECK_EQ(wait_for(static_cast<pid_t>(child)), 0);
  };
  REFUSED("stdio", clone3());
  ALLOWED("stdio proc", clone3());
}

// --- Paths ---

TEST(C8_rpath_wpath_cpath_cover_reading_writing_making) {
  const int file = CHECK_OK(open("/tmp/pledge-file", O_CREAT | O_WRONLY, 0600));
  close(file);
  ALLOWED("stdio rpath", open("/tmp/pledge-file", O_RDONLY));
  REFUSED("stdio rpath", open("/tmp/pledge-file", O_WRONLY));
  REFUSED("stdio rpath", open("/tmp/pledge-file", O_RDWR));
  REFUSED("stdio rpath", open("/tmp/pledge-file", O_RDONLY | O_TRUNC));
  REFUSED("stdio rpath", open("/tmp/pledge-new", O_RDONLY | O_CREAT, 0600));
  ALLOWED("stdio wpath", open("/tmp/pledge-file", O_WRONLY));
  REFUSED("stdio wpath", open("/tmp/pledge-file", O_RDWR));
  ALLOWED("stdio rpath wpath", open("/tmp/pledge-file", O_RDWR));
  REFUSED("stdio rpath wpath", open("/tmp/pledge-new", O_RDWR | O_CREAT, 0600));
  ALLOWED("stdio wpath cpath", open("/tmp/pledge-new", O_WRONLY | O_CREAT, 0600));
  ALLOWED("stdio cpath", unlink("/tmp/pledge-new"));
  ALLOWED("stdio rpath cpath", rename("/tmp/pledge-file", "/tmp/pledge-moved"));
  REFUSED("stdio cpath", rename("/tmp/pledge-moved", "/tmp/pledge-file"));
  REFUSED("stdio rpath wpath", rename("/tmp/pledge-moved", "/tmp/pledge-file"));
  REFUSED("stdio rpath", unlink("/tmp/pledge-moved"));
  ALLOWED("stdio cpath", mkdir("/tmp/pledge-folder", 0700));
  ALLOWED("stdio cpath", rmdir("/tmp/pledge-folder"));
  REFUSED("stdio cpath", mkfifo("/tmp/pledge-fifo", 0600));
  ALLOWED("stdio dpath", mkfifo("/tmp/pledge-fifo", 0600));
  ALLOWED("stdio wpath", truncate("/tmp/pledge-moved", 0));
  REFUSED("stdio rpath", truncate("/tmp/pledge-moved", 0));
  CHECK_OK(access("/tmp/pledge-moved", F_OK));
  unlink("/tmp/pledge-fifo");
  unlink("/tmp/pledge-moved");
}

TEST(C8_descriptors_that_are_open_stay_usable) {
  const int file = CHECK_OK(open("/tmp/pledge-open", O_CREAT | O_RDWR, 0600));
  CHECK_EQ(pledged("stdio", [&] {
    CHECK_EQ(write(file, "abc", 3), 3);
    CHECK_OK(ftruncate(file, 1));
    struct stat status;
    CHECK_OK(fstat(file, &status));
    CHECK_OK(fstatat(file, "", &status, AT_EMPTY_PATH));   // what glibc's fstat is
    CHECK_EQ(status.st_size, 1);
  }), 0);
  REFUSED("stdio", fchownat(file, "", 0, 0, AT_EMPTY_PATH));
  REFUSED("stdio", futimens(file, nullptr));
  ALLOWED("stdio fattr", futimens(file, nullptr));
  unlink("/tmp/pledge-open");
}

TEST(C8_few_files_need_another_promise_than_paths) {
  ALLOWED("stdio getpw", CHECK_OK(open("/etc/passwd", O_RDONLY)));
  REFUSED("stdio getpw", open("/etc/passwd", O_RDWR));
  REFUSED("stdio getpw", open("/etc/shadow", O_RDONLY));
  ALLOWED("stdio dns", open("/etc/resolv.conf", O_RDONLY));
  REFUSED("stdio getpw", open("/etc/resolv.conf", O_RDONLY));
  ALLOWED("stdio", open("/usr/share/zoneinfo/Europe/Berlin", O_RDONLY));
  REFUSED("stdio", open("/usr/share/zoneinfo/../../../etc/passwd", O_RDONLY));
  ALLOWED("stdio ps", CHECK_OK(open("/proc/self/status", O_RDONLY)));
  REFUSED("stdio", open("/proc/self/status", O_RDONLY));
  CHECK_EQ(pledged("stdio ps", [] { CHECK_ERRNO(open("/proc/self/cwd/etc/passwd", O_RDONLY), ELOOP); }), 0);
  ALLOWED("stdio vminfo", CHECK_OK(open("/proc/meminfo", O_RDONLY)));
  char name[64];
  ALLOWED("stdio", CHECK_OK(readlink("/proc/self/exe", name, sizeof name)));
}

TEST(C8_tmppath_covers_temporary_files) {
  CHECK_EQ(pledged("stdio tmppath", [] {
    char name[] = "/tmp/pledge.XXXXXX";
    const int file = CHECK_OK(mkstemp(name));
    CHECK_EQ(write(file, "a", 1), 1);
    struct stat status;
    CHECK_OK(lstat(name, &status));
    CHECK_OK(chmod(name, 0640));
    CHECK_OK(unlink(name));
  }), 0);
  symlink("/etc/passwd", "/tmp/pledge-link");
  CHECK_EQ(pledged("stdio tmppath", [] { CHECK_ERRNO(open("/tmp/pledge-link", O_RDWR | O_CREAT, 0600), ELOOP); }), 0);
  unlink("/tmp/pledge-link");
  REFUSED("stdio tmppath", mkdir("/tmp/pledge-folder", 0700));
  REFUSED("stdio tmppath", open("/tmp/pledge-file", O_RDONLY));
  REFUSED("stdio tmppath", open("/tmp/../etc/x", O_RDWR | O_CREAT, 0600));
  REFUSED("stdio tmppath", open("/etc/x", O_RDWR | O_CREAT, 0600));
}

TEST(C8_fattr_and_chown_cover_attributes) {
  close(CHECK_OK(open("/tmp/pledge-attributes", O_CREAT | O_WRONLY, 0600)));
  REFUSED("stdio rpath wpath", chmod("/tmp/pledge-attributes", 0640));
  ALLOWED("stdio rpath fattr", CHECK_OK(chmod("/tmp/pledge-attributes", 0640)));
  ALLOWED("stdio rpath fattr", CHECK_OK(utime("/tmp/pledge-attributes", nullptr)));
  REFUSED("stdio rpath wpath", chown("/tmp/pledge-attributes", 0, 0));
  ALLOWED("stdio rpath fattr", CHECK_OK(chown("/tmp/pledge-attributes", geteuid(), getegid())));
  CHECK_EQ(pledged("stdio rpath fattr", [] { CHECK_ERRNO(chown("/tmp/pledge-attributes", 4711, -1u), EPERM); }), 0);
  ALLOWED("stdio rpath chown", CHECK_OK(chown("/tmp/pledge-attributes", 4711, 4711)));
  unlink("/tmp/pledge-attributes");
}

// --- The other promises ---

TEST(C8_proc_covers_processes) {
  CHECK_EQ(pledged("stdio proc", [] {
    CHECK_EQ(in_child([] { _exit(3); }), 3);
    CHECK_OK(kill(getppid(), 0));
    CHECK_OK(setpgid(0, 0));
  }), 0);
  const auto watch_parent = [] {
    struct kevent change;
    EV_SET(&change, static_cast<uintptr_t>(getppid()), EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, nullptr);
    const long queue = CHECK_OK(syscall(TINE_SYS_kqueue, 0));
    CHECK_OK(syscall(TINE_SYS_kevent, queue, &change, 1, nullptr, 0, nullptr));
  };
  REFUSED("stdio", watch_parent());
  ALLOWED("stdio proc", watch_parent());
  int descriptor;
  REFUSED("stdio", pdfork(&descriptor, 0));
}

TEST(C8_prot_exec_covers_executable_memory) {
  const auto map = [](int protection) { return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  void* page = map(PROT_READ);
  REFUSED("stdio", map(PROT_READ | PROT_EXEC));
  REFUSED("stdio", mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ALLOWED("stdio prot_exec", CHECK_OK(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
}

TEST(C8_flock_covers_locks) {
  const int file = CHECK_OK(open("/tmp/pledge-lock", O_CREAT | O_RDWR, 0600));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  REFUSED("stdio", fcntl(file, F_SETLK, &lock));
  ALLOWED("stdio flock", CHECK_OK(fcntl(file, F_SETLK, &lock)));
  unlink("/tmp/pledge-lock");
}

TEST(C8_unix_covers_local_sockets) {
  const sockaddr_un address = address_of("/tmp/pledge-socket");
  CHECK_EQ(pledged("stdio unix", [&] {
    const int server = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_OK(bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    CHECK_OK(listen(server, 1));
    const int client = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_OK(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    CHECK_OK(accept(server, nullptr, nullptr));
  }), 0);
  const int client = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  REFUSED("stdio", connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  REFUSED("stdio inet", connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  REFUSED("stdio", sendto(client, "a", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  REFUSED("stdio inet", socket(AF_UNIX, SOCK_STREAM, 0));
  ALLOWED("stdio inet", socket(AF_INET, SOCK_STREAM, 0));
  unlink("/tmp/pledge-socket");
}

TEST(C8_sendfd_and_recvfd_cover_passing_descriptors) {
  int pair[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  const int file = CHECK_OK(open("/dev/null", O_RDONLY)), folder = CHECK_OK(open("/", O_RDONLY));
  REFUSED("stdio", send_descriptor(pair[0], file));
  ALLOWED("stdio sendfd", CHECK_OK(send_descriptor(pair[0], file)));
  REFUSED("stdio sendfd", send_descriptor(pair[0], folder));
  ALLOWED("stdio recvfd", CHECK_OK(receive_descriptor(pair[1])));
  CHECK_OK(send_descriptor(pair[0], file));
  REFUSED("stdio sendfd", receive_descriptor(pair[1]));
  CHECK_OK(send_descriptor(pair[0], folder));
  REFUSED("stdio recvfd", receive_descriptor(pair[1]));
  CHECK_OK(send_descriptor(pair[0], file));
  CHECK_EQ(pledged("stdio error", [&] { CHECK_ERRNO(receive_descriptor(pair[1]), ENOSYS); }), 0);
}

TEST(C8_id_settime_tty_cover_their_calls) {
  ALLOWED("stdio id", CHECK_OK(setuid(getuid())));
  rlimit limit;
  CHECK_OK(getrlimit(RLIMIT_CORE, &limit));
  REFUSED("stdio", setrlimit(RLIMIT_CORE, &limit));
  ALLOWED("stdio id", CHECK_OK(setrlimit(RLIMIT_CORE, &limit)));
  ALLOWED("stdio proc", CHECK_OK(setrlimit(RLIMIT_CORE, &limit)));
  timespec now;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  REFUSED("stdio", clock_settime(CLOCK_REALTIME, &now));
  ALLOWED("stdio settime", CHECK_OK(clock_settime(CLOCK_REALTIME, &now)));
  const int terminal = CHECK_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  int number = 0, bytes = 0;
  REFUSED("stdio", ioctl(terminal, TIOCGPTN, &number));
  ALLOWED("stdio tty", CHECK_OK(ioctl(terminal, TIOCGPTN, &number)));
  ALLOWED("stdio", CHECK_OK(ioctl(terminal, FIONREAD, &bytes)));
  REFUSED("stdio tty", ioctl(terminal, 0x1234, &number));
}

// --- Fork and exec ---

TEST(C8_promises_are_inherited_by_fork_and_bind_the_child) {
  CHECK_EQ(pledged("stdio proc", [] {
    CHECK_EQ(in_child([] { open("/etc/passwd", O_RDONLY); }), kAborted);
    CHECK_EQ(in_child([] {
      CHECK_OK(pledge("stdio", nullptr));   // the child's alone
      CHECK_ERRNO(pledge("stdio rpath", nullptr), EPERM);
    }), 0);
    CHECK_EQ(in_child([] {}), 0);
  }), 0);
}

TEST(C8_exec_without_execpromises_is_free_again) {
  CHECK_EQ(pledged("stdio exec", [] { start_program("/bin/cat", "/etc/passwd"); }), 0);
}

TEST(C8_execpromises_bind_the_new_program) {
  const int silence = CHECK_OK(open("/dev/null", O_WRONLY));
  const auto run = [&](const char* execpromises, const char* program, const char* argument) {
    return in_child([&] {
      dup2(silence, STDOUT_FILENO);
      CHECK_OK(pledge("stdio exec", execpromises));
      start_program(program, argument);
    });
  };
  CHECK_EQ(run("stdio rpath", "/bin/cat", "/etc/passwd"), 0);
  CHECK_EQ(run("stdio", "/bin/cat", "/etc/passwd"), kAborted);
  CHECK_EQ(run("stdio", "/proc/self/exe", "--list"), 0);
  CHECK_EQ(run("stdio exec", "/bin/cat", "/etc/passwd"), kAborted);
  CHECK_EQ(run("", "/proc/self/exe", "--list"), kAborted);
}

TEST(C8_execpromises_outlive_exec) {
  CHECK_EQ(in_child([] {
    CHECK_OK(pledge(nullptr, "stdio rpath exec"));
    char* const arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                               const_cast<char*>("exec cat /proc/self/status >/tmp/pledge-out"), nullptr};
    char* const environment[] = {const_cast<char*>("PATH=/bin"), nullptr};
    execve("/bin/sh", arguments, environment);   // its redirections need wpath
  }), kAborted);
}

TEST(C8_set_id_programs_are_not_run_with_execpromises) {
  CHECK_EQ(in_child([] {
    const int from = CHECK_OK(open("/bin/true", O_RDONLY)), to = CHECK_OK(open("/tmp/set-id", O_CREAT | O_WRONLY, 0755));
    char block[4096];
    for (ssize_t got; (got = read(from, block, sizeof block)) > 0;) CHECK_EQ(write(to, block, static_cast<size_t>(got)), got);
    close(to);
    CHECK_OK(chmod("/tmp/set-id", 04755));
    CHECK_OK(pledge(nullptr, "stdio rpath"));
    CHECK_ERRNO(start_program("/tmp/set-id", nullptr), EACCES);
    CHECK_OK(unlink("/tmp/set-id"));
  }), 0);
}

TEST(C8_proc_shows_what_was_promised) {
  CHECK_EQ(in_child([] {
    CHECK(strstr(read_text("/proc/self/status"), "Pledge:") == nullptr);
    CHECK_OK(pledge("stdio proc rpath", "stdio"));
    const char* text = read_text("/proc/self/status");
    CHECK(strstr(text, "\nPledge:\tstdio rpath proc\n") != nullptr);
    CHECK(strstr(text, "\nExecPledge:\tstdio\n") != nullptr);
  }), 0);
}
