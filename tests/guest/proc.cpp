// SPDX-License-Identifier: BSD-2-Clause
// /proc: what ps, top, free and shells read.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "check.h"

namespace {
const char* of(pid_t process, const char* file) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", process, file);
  return read_text(path);
}
const char* link_of(const char* path) {
  static char target[256];
  const ssize_t length = CHECK_OK(readlink(path, target, sizeof target - 1));
  target[length] = '\0';
  return target;
}
}  // namespace

TEST(stat_names_process_parent_group_session) {
  int pid = 0, parent = 0, group = 0, session = 0;
  char name[32], state;
  CHECK_EQ(sscanf(read_text("/proc/self/stat"), "%d (%31[^)]) %c %d %d %d", &pid, name, &state, &parent, &group, &session),
           6);
  CHECK_EQ(pid, getpid());
  CHECK_EQ(static_cast<const char*>(name), "proc");
  CHECK_EQ(state, 'R');
  CHECK_EQ(parent, getppid());
  CHECK_EQ(group, getpgrp());
  CHECK_EQ(session, getsid(0));
}

TEST(states_of_sleeping_stopped_and_dead) {
  const auto state_is = [](pid_t child, char state) {
    return eventually([=] { return strstr(of(child, "stat"), ") ")[2] == state; });
  };
  const pid_t child = start_child([] {
    for (;;) pause();
  });
  CHECK(state_is(child, 'S'));
  CHECK_OK(kill(child, SIGSTOP));
  CHECK(state_is(child, 'T'));
  CHECK_OK(kill(child, SIGKILL));
  CHECK(state_is(child, 'Z'));
  wait_for(child);
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", child);
  struct stat status;
  CHECK_ERRNO(stat(path, &status), ENOENT);
}

TEST(C3_command_line_and_environment) {
  CHECK_EQ(in_child([] {
             execl("/bin/sh", "sh", "-c", "test \"$(tr '\\0' '|' </proc/$$/cmdline | cut -c1-7)\" = 'sh|-c|t' && "
                   "(test \"$(tr '\\0' '|' </proc/$$/cmdline | cut -c1-7)\" = 'sh|-c|t')", static_cast<char*>(nullptr));
           }),
           0);
}

TEST(descriptor_links) {
  const int file = CHECK_OK(open("/tmp/fdlink", O_RDWR | O_CREAT, 0600));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  CHECK_EQ(link_of(path), "/tmp/fdlink");
  CHECK_EQ(write(file, "content", 7), 7);
  CHECK_EQ(read_text(path), "content");
  int ends[2];
  CHECK_OK(pipe(ends));
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
  CHECK(strncmp(link_of(path), "pipe:[", 6) == 0);
  CHECK_OK(unlink("/tmp/fdlink"));
}

TEST(self_links) {
  char expected[32];
  snprintf(expected, sizeof expected, "%d", getpid());
  CHECK_EQ(link_of("/proc/self"), static_cast<const char*>(expected));
  CHECK_EQ(link_of("/proc/self/cwd"), "/tmp");
  CHECK_EQ(link_of("/proc/self/root"), "/");
  CHECK(strstr(link_of("/proc/self/exe"), "/proc") != nullptr);
}

TEST(maps_show_the_mappings) {
  void* const at = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(at != MAP_FAILED);
  char address[32];
  snprintf(address, sizeof address, "%lx-", reinterpret_cast<unsigned long>(at));
  const char* const maps = read_text("/proc/self/maps");
  CHECK(strstr(maps, "/tests/proc") != nullptr);
  CHECK(strstr(maps, "[stack]") != nullptr);
  CHECK(strstr(maps, " r-xp ") != nullptr);
}

TEST(status_has_the_lines_that_programs_look_for) {
  const char* const status = read_text("/proc/self/status");
  for (const char* line : (const char*[]){"Name:\tproc\n", "State:\tR", "Tgid:\t", "Pid:\t", "PPid:\t", "Uid:\t0\t0\t0\t0\n",
                                          "Threads:\t1\n", "VmRSS:", "SigBlk:", "SigCgt:", "CapEff:"}) {
    if (!strstr(status, line)) fail(__FILE__, __LINE__, "no line \"%s\" in:\n%.300s", line, status);
  }
}

TEST(system_files) {
  CHECK(strstr(read_text("/proc/meminfo"), "MemTotal:") != nullptr);
  CHECK(strstr(read_text("/proc/meminfo"), "MemAvailable:") != nullptr);
  CHECK(strncmp(read_text("/proc/stat"), "cpu ", 4) == 0);
  CHECK(strstr(read_text("/proc/cpuinfo"), "processor\t: 0\n") != nullptr);
  float one, five, fifteen;
  CHECK_EQ(sscanf(read_text("/proc/loadavg"), "%f %f %f", &one, &five, &fifteen), 3);
  CHECK_EQ(sscanf(read_text("/proc/uptime"), "%f %f", &one, &five), 2);
  CHECK(strstr(read_text("/proc/filesystems"), "tmpfs") != nullptr);
}

TEST(every_process_is_listed) {
  pid_t children[20];
  for (pid_t& child : children) {
    child = start_child([] {
      for (;;) pause();
    });
  }
  int found = 0;
  DIR* const directory = opendir("/proc");
  while (const dirent* entry = readdir(directory)) {
    for (const pid_t child : children) found += atoi(entry->d_name) == child;
  }
  closedir(directory);
  CHECK_EQ(found, 20);
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    wait_for(child);
  }
}

TEST(threads_are_listed_under_task) {
  int found = 0;
  DIR* const directory = opendir("/proc/self/task");
  CHECK(directory != nullptr);
  while (const dirent* entry = readdir(directory)) found += atoi(entry->d_name) == getpid();
  closedir(directory);
  CHECK_EQ(found, 1);
}

TEST(settings_can_be_read_and_written) {
  CHECK_EQ(read_text("/proc/sys/kernel/hostname"), "tine\n");
  struct utsname name;
  CHECK_OK(uname(&name));
  CHECK_EQ(static_cast<const char*>(name.machine), "x86_64");
  CHECK_OK(sethostname("other", 5));
  CHECK_EQ(read_text("/proc/sys/kernel/hostname"), "other\n");
  CHECK_OK(sethostname("tine", 4));
}

TEST(sysinfo_and_meminfo_agree) {
  struct sysinfo info;
  CHECK_OK(sysinfo(&info));
  unsigned long kilobytes = 0;
  CHECK_EQ(sscanf(read_text("/proc/meminfo"), "MemTotal: %lu kB", &kilobytes), 1);
  CHECK_EQ(info.totalram * info.mem_unit / 1024, kilobytes);
  CHECK(info.procs >= 3);
}
