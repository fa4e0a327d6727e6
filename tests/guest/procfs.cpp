// SPDX-License-Identifier: BSD-2-Clause
// /proc: what ps, top, free and shells read. Source: proc(5).
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "check.h"

namespace {

// Fields of /proc/PID/stat, by proc(5)'s numbers from 3 on.
struct StatLine {
  char state;
  int parent, group, session, terminal, foreground;
  long long rest[46];   // field 9 is rest[0]
};
StatLine read_stat(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const char* text = read_text(path);
  CHECK_EQ(atoi(text), pid);
  const char* end = strrchr(text, ')');
  CHECK(end != nullptr);
  StatLine line = {};
  int used = 0;
  CHECK_EQ(sscanf(end + 2, "%c %d %d %d %d %d%n", &line.state, &line.parent, &line.group, &line.session, &line.terminal,
                  &line.foreground, &used), 6);
  const char* next = end + 2 + used;
  int count = 0;
  for (char* after; count < 46; ++count, next = after) {
    line.rest[count] = static_cast<long long>(strtoull(next, &after, 10));
    if (after == next) break;
  }
  CHECK(count >= 43);   // through field 51
  return line;
}

// The value of "Name:" in /proc/PID/status. Static storage.
const char* status_field(pid_t pid, const char* name) {
  static char value[256];
  char path[64], key[64];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  snprintf(key, sizeof key, "\n%s:\t", name);
  const char* text = read_text(path);
  const char* found = strncmp(text, key + 1, strlen(key + 1)) == 0 ? text - 1 : strstr(text, key);
  if (found == nullptr) fail(__FILE__, __LINE__, "status has no %s", name);
  snprintf(value, sizeof value, "%.*s", static_cast<int>(strcspn(found + strlen(key), "\n")), found + strlen(key));
  return value;
}

bool directory_has(const char* path, const char* name) {
  DIR* directory = opendir(path);
  if (directory == nullptr) return false;
  bool found = false;
  while (const dirent* entry = readdir(directory)) found |= strcmp(entry->d_name, name) == 0;
  closedir(directory);
  return found;
}

const char* link_text(const char* path) {
  static char text[PATH_MAX];
  const ssize_t size = CHECK_OK(readlink(path, text, sizeof text - 1));
  text[size] = '\0';
  return text;
}

}  // namespace

TEST(procfs_self_is_the_reader) {
  CHECK_EQ(atoi(link_text("/proc/self")), getpid());
  char expected[64];
  snprintf(expected, sizeof expected, "%d/task/%d", getpid(), static_cast<int>(syscall(SYS_gettid)));
  CHECK_EQ(link_text("/proc/thread-self"), static_cast<const char*>(expected));
}

TEST(procfs_stat_tells_the_place_of_a_process) {
  const StatLine line = read_stat(getpid());
  CHECK_EQ(line.state, 'R');
  CHECK_EQ(line.parent, getppid());
  CHECK_EQ(line.group, getpgrp());
  CHECK_EQ(line.session, getsid(0));
  CHECK(line.rest[23 - 9] > 0);    // vsize
  CHECK_EQ(line.rest[20 - 9], 1);  // threads
}

TEST(procfs_states_are_shown) {
  const pid_t child = start_child([] {
    while (true) pause();
  });
  CHECK(eventually([&] { return read_stat(child).state == 'S'; }));
  CHECK_OK(kill(child, SIGSTOP));
  CHECK(eventually([&] { return read_stat(child).state == 'T'; }));
  CHECK_OK(kill(child, SIGKILL));
  CHECK(eventually([&] { return read_stat(child).state == 'Z'; }));
  CHECK_EQ(status_field(child, "State"), "Z (zombie)");
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(procfs_status_agrees_with_the_calls) {
  CHECK_EQ(atoi(status_field(getpid(), "Pid")), getpid());
  CHECK_EQ(atoi(status_field(getpid(), "PPid")), getppid());
  CHECK_EQ(atoi(status_field(getpid(), "Uid")), static_cast<int>(getuid()));
  CHECK_EQ(atoi(status_field(getpid(), "Threads")), 1);
  umask(027);
  CHECK_EQ(strtol(status_field(getpid(), "Umask"), nullptr, 8), 027);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, [](int) {});
  CHECK_EQ(strtoull(status_field(getpid(), "SigIgn"), nullptr, 16) >> (SIGUSR1 - 1) & 1, 1u);
  CHECK_EQ(strtoull(status_field(getpid(), "SigCgt"), nullptr, 16) >> (SIGUSR2 - 1) & 1, 1u);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  raise(SIGTERM);
  CHECK_EQ(strtoull(status_field(getpid(), "SigBlk"), nullptr, 16) >> (SIGTERM - 1) & 1, 1u);
  const bool pending = (strtoull(status_field(getpid(), "SigPnd"), nullptr, 16) |
                        strtoull(status_field(getpid(), "ShdPnd"), nullptr, 16)) >> (SIGTERM - 1) & 1;
  CHECK(pending);
}

TEST(procfs_the_name_can_be_set) {
  CHECK_OK(prctl(PR_SET_NAME, "a name too long for it"));
  CHECK_EQ(read_text("/proc/self/comm"), "a name too long\n");
  CHECK_EQ(status_field(getpid(), "Name"), "a name too long");
  const int file = CHECK_OK(open("/proc/self/comm", O_WRONLY));
  CHECK_EQ(write(file, "other", 5), 5);
  char name[16];
  CHECK_OK(prctl(PR_GET_NAME, name));
  CHECK_EQ(static_cast<const char*>(name), "other");
}

TEST(procfs_links_lead_to_the_files) {
  CHECK_OK(chdir("/tmp"));
  CHECK_EQ(link_text("/proc/self/cwd"), "/tmp");
  CHECK_EQ(link_text("/proc/self/root"), "/");
  struct stat through, direct;
  CHECK_OK(stat("/proc/self/cwd", &through));
  CHECK_OK(stat("/tmp", &direct));
  CHECK_EQ(through.st_ino, direct.st_ino);
  const int program = CHECK_OK(open("/proc/self/exe", O_RDONLY));
  char magic[4];
  CHECK_EQ(read(program, magic, 4), 4);
  CHECK_EQ(memcmp(magic, "\177ELF", 4), 0);
}

TEST(procfs_descriptors_are_listed_and_can_be_opened_again) {
  int ends[2];
  CHECK_OK(pipe(ends));
  char path[64], name[16];
  snprintf(name, sizeof name, "%d", ends[0]);
  CHECK(directory_has("/proc/self/fd", name));
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
  CHECK_EQ(strncmp(link_text(path), "pipe:[", 6), 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
  const int again = CHECK_OK(open(path, O_WRONLY));
  CHECK_EQ(write(again, "x", 1), 1);
  char byte = 0;
  CHECK_EQ(read(ends[0], &byte, 1), 1);
  CHECK_EQ(byte, 'x');
  snprintf(path, sizeof path, "/proc/self/fd/%d", 999);
  CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
}

TEST(procfs_a_descriptor_leads_to_an_unlinked_file) {
  const int file = CHECK_OK(open("/tmp/procfs-test", O_RDWR | O_CREAT | O_TRUNC, 0600));
  CHECK_EQ(write(file, "still", 5), 5);
  CHECK_OK(unlink("/tmp/procfs-test"));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  CHECK_EQ(link_text(path), "/tmp/procfs-test (deleted)");
  CHECK_EQ(read_text(path), "still");
}

TEST(procfs_fdinfo_tells_the_position) {
  const int file = CHECK_OK(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file);
  const char* text = read_text(path);
  CHECK_EQ(strncmp(text, "pos:\t0\n", 7), 0);
  const char* flags = strstr(text, "flags:\t");
  CHECK(flags != nullptr);
  CHECK((strtol(flags + 7, nullptr, 8) & O_CLOEXEC) != 0);
}

TEST(procfs_maps_cover_code_stack_and_heap) {
  const char* text = read_text("/proc/self/maps");
  CHECK(strstr(text, "[stack]") != nullptr);
  unsigned long start, end;
  bool found = false;
  const auto code = reinterpret_cast<unsigned long>(&read_stat);
  for (const char* line = text; line != nullptr && *line != '\0';) {
    char rights[5];
    CHECK_EQ(sscanf(line, "%lx-%lx %4s", &start, &end, rights), 3);
    if (code >= start && code < end) {
      found = true;
      CHECK_EQ(static_cast<const char*>(rights), "r-xp");
      CHECK_EQ(line[strcspn(line, "/\n")], '/');   // the program's path
    }
    line = strchr(line, '\n');
    if (line != nullptr) ++line;
  }
  CHECK(found);
}

TEST(procfs_mem_reads_and_writes_memory) {
  static volatile int word = 1234;
  const int file = CHECK_OK(open("/proc/self/mem", O_RDWR));
  int value = 0;
  CHECK_EQ(pread(file, &value, sizeof value, reinterpret_cast<off_t>(&word)), static_cast<ssize_t>(sizeof value));
  CHECK_EQ(value, 1234);
  value = 4321;
  CHECK_EQ(pwrite(file, &value, sizeof value, reinterpret_cast<off_t>(&word)), static_cast<ssize_t>(sizeof value));
  CHECK_EQ(static_cast<int>(word), 4321);
  CHECK_ERRNO(pread(file, &value, sizeof value, 0), EIO);
}

TEST(procfs_arguments_environment_and_auxiliary_vector) {
  const int status = in_child([] {
    if (access("/bin/sh", X_OK) != 0) _exit(kSkipped);
    char* const arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                               const_cast<char*>("read line < /proc/self/environ; [ \"$TINE_TEST\" = yes ] && "
                                                 "tr '\\0' '|' < /proc/$$/cmdline | grep -q '^sh|-c|' && "
                                                 "tr '\\0' '\\n' < /proc/$$/environ | grep -q '^TINE_TEST=yes$'"),
                               nullptr};
    char* const environment[] = {const_cast<char*>("TINE_TEST=yes"), const_cast<char*>("PATH=/bin:/usr/bin"), nullptr};
    execve("/bin/sh", arguments, environment);
  });
  if (status == kSkipped) SKIP("no /bin/sh");
  CHECK_EQ(status, 0);
  unsigned long pairs[128] = {};
  const int file = CHECK_OK(open("/proc/self/auxv", O_RDONLY));
  const ssize_t size = CHECK_OK(read(file, pairs, sizeof pairs));
  bool found = false;
  for (ssize_t i = 0; i + 16 <= size; i += 16)
    if (pairs[i / 8] == AT_PAGESZ) found = pairs[i / 8 + 1] == 4096;
  CHECK(found);
}

// A program may do with its stack what it likes.
TEST(procfs_environment_and_auxiliary_vector_do_not_depend_on_the_stack_as_it_is_now) {
  struct Text {
    explicit Text(const char* path) : size(read(CHECK_OK(open(path, O_RDONLY)), bytes, sizeof bytes)) {}
    bool operator==(const Text& other) const { return size == other.size && memcmp(bytes, other.bytes, sizeof bytes) == 0; }
    char bytes[4096] = {};
    ssize_t size;
  };
  const Text environment("/proc/self/environ"), auxiliary("/proc/self/auxv");
  CHECK(environment.size > 0 && auxiliary.size > 0);
  auto* argument_count = reinterpret_cast<uintptr_t*>(environ) - 2;   // downwards over argv and its end
  for (uintptr_t count = 0; *argument_count != count; --argument_count) ++count;
  *argument_count = UINTPTR_MAX / 16;
  CHECK(Text("/proc/self/environ") == environment);
  CHECK(Text("/proc/self/auxv") == auxiliary);
}

TEST(procfs_threads_are_listed) {
  char name[16];
  snprintf(name, sizeof name, "%d", getpid());
  CHECK(directory_has("/proc/self/task", name));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
  CHECK(strlen(read_text(path)) > 1);
}

TEST(procfs_all_processes_are_listed) {
  pid_t children[20];
  for (pid_t& child : children)
    child = start_child([] {
      while (true) pause();
    });
  for (const pid_t child : children) {
    char name[16];
    snprintf(name, sizeof name, "%d", child);
    CHECK(directory_has("/proc", name));
  }
  CHECK(directory_has("/proc", "1"));
  CHECK(directory_has("/proc", "meminfo"));
  for (const pid_t child : children) {
    CHECK_OK(kill(child, SIGKILL));
    wait_for(child);
  }
}

TEST(procfs_limits_are_shown) {
  struct rlimit limit;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  const char* line = strstr(read_text("/proc/self/limits"), "Max open files");
  CHECK(line != nullptr);
  CHECK_EQ(strtoull(line + 25, nullptr, 10), static_cast<unsigned long long>(limit.rlim_cur));
}

TEST(procfs_system_files_have_linux_formats) {
  unsigned long total = 0, free = 0;
  CHECK_EQ(sscanf(read_text("/proc/meminfo"), "MemTotal: %lu kB MemFree: %lu kB", &total, &free), 2);
  CHECK(total > free && free > 0);
  double up = 0, idle = 0;
  CHECK_EQ(sscanf(read_text("/proc/uptime"), "%lf %lf", &up, &idle), 2);
  CHECK(up > 0);
  double load[3];
  int running = 0, all = 0, last = 0;
  CHECK_EQ(sscanf(read_text("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &load[0], &load[1], &load[2], &running, &all, &last), 6);
  CHECK(running >= 1 && all >= running);
  CHECK_EQ(strncmp(read_text("/proc/stat"), "cpu  ", 5), 0);
  CHECK(strstr(read_text("/proc/stat"), "\nbtime ") != nullptr);
  CHECK_EQ(strncmp(read_text("/proc/version"), "Linux version ", 14), 0);
  CHECK(strstr(read_text("/proc/filesystems"), "nodev\tproc\n") != nullptr);
  CHECK(strstr(read_text("/proc/mounts"), " /proc proc ") != nullptr);
  CHECK(strstr(read_text("/proc/self/mountinfo"), " /proc ") != nullptr);
  CHECK(strncmp(read_text("/proc/cpuinfo"), "processor\t: 0\n", 14) == 0);
}

TEST(procfs_settings_are_files) {
  utsname names;
  CHECK_OK(uname(&names));
  char expected[80];
  snprintf(expected, sizeof expected, "%s\n", names.release);
  CHECK_EQ(read_text("/proc/sys/kernel/osrelease"), static_cast<const char*>(expected));
  CHECK(directory_has("/proc/sys", "kernel"));
  CHECK(directory_has("/proc/sys/kernel", "hostname"));
  CHECK(directory_has("/proc/sys/kernel/random", "boot_id"));
  const int file = CHECK_OK(open("/proc/sys/kernel/hostname", O_WRONLY | O_TRUNC));
  CHECK_EQ(write(file, "guest\n", 6), 6);
  CHECK_OK(uname(&names));
  CHECK_EQ(static_cast<const char*>(names.nodename), "guest");
  CHECK_ERRNO(open("/proc/sys/kernel/nothing", O_RDONLY), ENOENT);
}

TEST(procfs_another_users_process_is_guarded) {
  const pid_t child = start_child([] {
    while (true) pause();
  });
  const int status = in_child([&] {
    CHECK_OK(setgid(1000));
    CHECK_OK(setuid(1000));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    CHECK_OK(open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    CHECK_ERRNO(open(path, O_RDONLY), EACCES);
    snprintf(path, sizeof path, "/proc/%d/cwd", child);
    char text[64];
    CHECK_ERRNO(readlink(path, text, sizeof text), EACCES);
  });
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
  CHECK_EQ(status, 0);
}

TEST(procfs_reading_in_small_pieces_gives_one_text) {
  const int file = CHECK_OK(open("/proc/self/status", O_RDONLY));
  static char whole[8192], pieces[8192];
  const ssize_t size = CHECK_OK(read(file, whole, sizeof whole));
  CHECK_OK(lseek(file, 0, SEEK_SET));
  ssize_t have = 0;
  for (ssize_t got; (got = CHECK_OK(read(file, pieces + have, 7))) > 0;) have += got;
  CHECK_EQ(have, size);
}
