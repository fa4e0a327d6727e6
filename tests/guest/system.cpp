// SPDX-License-Identifier: BSD-2-Clause
// The system as a whole, limits, and what a process sets about itself. Source: section 2 of the manual.
#include <signal.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "check.h"

TEST(system_uname_names_a_linux) {
  utsname names;
  CHECK_OK(uname(&names));
  CHECK_EQ(static_cast<const char*>(names.sysname), "Linux");
  CHECK_EQ(static_cast<const char*>(names.machine), "x86_64");
}

TEST(system_the_host_name_is_roots_to_set) {
  CHECK_OK(sethostname("here", 4));
  char name[65] = {};
  CHECK_OK(gethostname(name, sizeof name));
  CHECK_EQ(static_cast<const char*>(name), "here");
  CHECK_ERRNO(sethostname(name, 65), EINVAL);
  CHECK_EQ(in_child([] {
    CHECK_OK(setuid(1000));
    CHECK_ERRNO(sethostname("there", 5), EPERM);
    CHECK_ERRNO(reboot(RB_POWER_OFF), EPERM);
  }), 0);
}

TEST(system_sysinfo_counts_memory_and_processes) {
  struct sysinfo info;
  CHECK_OK(sysinfo(&info));
  CHECK(info.totalram > info.freeram && info.freeram > 0);
  CHECK(info.procs >= 2);
  CHECK_EQ(info.mem_unit, 1u);
}

TEST(system_random_bytes_differ) {
  static unsigned char one[4096], two[4096];
  CHECK_EQ(getrandom(one, sizeof one, 0), static_cast<ssize_t>(sizeof one));
  CHECK_EQ(getrandom(two, sizeof two, GRND_NONBLOCK), static_cast<ssize_t>(sizeof two));
  CHECK(memcmp(one, two, sizeof one) != 0);
  CHECK_ERRNO(getrandom(one, 1, 0x80), EINVAL);
  CHECK_ERRNO(getrandom(reinterpret_cast<void*>(8), 1, 0), EFAULT);
}

TEST(system_the_message_ring_can_be_read) {
  static char text[65536];
  CHECK(CHECK_OK(klogctl(10, nullptr, 0)) > 0);
  const int size = CHECK_OK(klogctl(3, text, sizeof text));
  CHECK(size > 0);
  CHECK_EQ(text[0], '<');
}

TEST(system_limits_can_be_lowered_and_not_raised) {
  struct rlimit limit = {100, 200};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  CHECK_EQ(limit.rlim_cur, 100u);
  limit = {201, 200};
  CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
  CHECK_EQ(in_child([] {
    CHECK_OK(setuid(1000));
    struct rlimit higher = {100, 201};
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &higher), EPERM);
    CHECK_ERRNO(prlimit(getppid(), RLIMIT_NOFILE, nullptr, &higher), EPERM);
  }), 0);
  CHECK_ERRNO(getrlimit(99, &limit), EINVAL);
}

TEST(system_prlimit_reaches_other_processes) {
  const pid_t child = start_child([] {
    while (true) pause();
  });
  struct rlimit limit = {50, 60}, seen = {};
  CHECK_OK(prlimit(child, RLIMIT_NOFILE, &limit, nullptr));
  CHECK_OK(prlimit(child, RLIMIT_NOFILE, nullptr, &seen));
  CHECK_EQ(seen.rlim_cur, 50u);
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
}

TEST(system_resource_usage_grows) {
  struct rusage before, after;
  CHECK_OK(getrusage(RUSAGE_SELF, &before));
  CHECK(eventually([&] {
    for (volatile int i = 0; i < 1'000'000; i = i + 1) {}
    CHECK_OK(getrusage(RUSAGE_SELF, &after));
    return after.ru_utime.tv_sec * 1'000'000 + after.ru_utime.tv_usec >
           before.ru_utime.tv_sec * 1'000'000 + before.ru_utime.tv_usec;
  }));
  CHECK(after.ru_maxrss > 0);
  CHECK_ERRNO(getrusage(7, &after), EINVAL);
}

TEST(system_what_a_process_sets_about_itself) {
  int value = -1;
  CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  CHECK_OK(prctl(PR_GET_PDEATHSIG, &value));
  CHECK_EQ(value, SIGUSR1);
  CHECK_ERRNO(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
  CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
  CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
  CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &value));
  CHECK_EQ(value, 1);
  CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  CHECK_ERRNO(prctl(12345), EINVAL);
}

TEST(system_the_death_of_a_parent_can_be_signalled) {
  int& caught = shared<int>();
  Gate ready;
  CHECK_EQ(in_child([&] {
    start_child([&] {
      static int* seen;
      seen = &caught;
      signal(SIGUSR2, [](int signal) { *seen = signal; });
      CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
      ready.open();
      eventually([&] { return caught != 0; });
    });
    ready.wait();
  }), 0);
  CHECK(eventually([&] { return caught == SIGUSR2; }));
}

TEST(system_thread_pointers_can_be_asked) {
  constexpr int kSetGs = 0x1001, kGetFs = 0x1003, kGetGs = 0x1004;
  unsigned long fs = 0, gs = 0;
  CHECK_OK(syscall(SYS_arch_prctl, kGetFs, &fs));
  CHECK(fs != 0);
  CHECK_OK(syscall(SYS_arch_prctl, kSetGs, 0x12345678ul));
  CHECK_OK(syscall(SYS_arch_prctl, kGetGs, &gs));
  CHECK_EQ(gs, 0x12345678ul);
  CHECK_ERRNO(syscall(SYS_arch_prctl, kSetGs, ~0ul << 47), EPERM);
}
