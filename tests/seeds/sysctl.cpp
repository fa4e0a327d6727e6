// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// sysctl(2): the process table, arguments, structures and the hardware's settings, by number and by name.
#include <signal.h>
#include <stddef.h>
#include <sys/sysctl.h>
#include <sys/syscall.h>

#include "check.h"

namespace {

constexpr size_t kMost = 64;
kinfo_proc infos[kMost];

// How many processes `what` finds; they are in infos.
size_t find_processes(int what, int argument) {
  const int mib[] = {CTL_KERN, KERN_PROC, what, argument, sizeof(kinfo_proc), kMost};
  size_t size = sizeof infos;
  CHECK_EQ(sysctl(mib, 6, infos, &size, nullptr, 0), 0);
  CHECK_EQ(size % sizeof(kinfo_proc), 0u);
  return size / sizeof(kinfo_proc);
}

bool among(size_t count, pid_t pid) {
  for (size_t i = 0; i < count; i++)
    if (infos[i].p_pid == pid) return true;
  return false;
}

const kinfo_proc& one_process(pid_t pid) {
  CHECK_EQ(find_processes(KERN_PROC_PID, pid), 1u);
  CHECK_EQ(infos[0].p_pid, pid);
  return infos[0];
}

int number(int top, int name) {
  const int mib[] = {top, name};
  int value = 0;
  size_t size = sizeof value;
  CHECK_EQ(sysctl(mib, 2, &value, &size, nullptr, 0), 0);
  return value;
}

}  // namespace

TEST(sysctl_kern_proc_tells_of_a_process) {
  CHECK_OK(setlogin("somebody"));
  const kinfo_proc& self = one_process(getpid());
  CHECK_EQ(self.p_ppid, getppid());
  CHECK_EQ(self.p__pgid, getpgrp());
  CHECK_EQ(self.p_sid, getsid(0));
  CHECK_EQ(self.p_uid, geteuid());
  CHECK_EQ(self.p_gid, getegid());
  CHECK_EQ(self.p_tid, -1);
  CHECK_EQ(self.p_stat, SONPROC);
  CHECK_EQ(self.p_nice, 20);
  CHECK_EQ(static_cast<const char*>(self.p_comm), "sysctl");
  CHECK_EQ(static_cast<const char*>(self.p_login), "somebody");
  CHECK(self.p_psflags & PS_EXEC);
  CHECK(self.p_vm_rssize > 0 && self.p_vm_map_size > 0);
  CHECK_EQ(self.p_uvalid, 1);
  CHECK(static_cast<time_t>(self.p_ustart_sec) <= time(nullptr));
  CHECK(static_cast<time_t>(self.p_ustart_sec) > time(nullptr) - 3600);
}

TEST(sysctl_kern_proc_tells_states_apart) {
  const pid_t child = start_child([] { pause(); });
  CHECK(eventually([&] { return one_process(child).p_stat == SSLEEP; }));
  CHECK(infos[0].p_flag & P_SINTR);
  CHECK(infos[0].p_acflag & 1);   // AFORK: it has not called exec
  CHECK(!(infos[0].p_psflags & PS_STOPPED));
  CHECK_OK(kill(child, SIGSTOP));
  CHECK(eventually([&] { return one_process(child).p_stat == SSTOP; }));
  CHECK(infos[0].p_psflags & PS_STOPPED);
  CHECK_OK(kill(child, SIGKILL));
  CHECK(eventually([&] { return one_process(child).p_stat == SDEAD; }));
  CHECK(infos[0].p_psflags & PS_ZOMBIE);
  CHECK_EQ(infos[0].p_xstat, SIGKILL);
  CHECK_EQ(infos[0].p_uvalid, 0);
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
  CHECK_EQ(find_processes(KERN_PROC_PID, child), 0u);
}

TEST(sysctl_kern_proc_selects) {
  Gate go;
  const pid_t child = start_child([&] {
    CHECK_OK(setsid());
    CHECK_OK(setresuid(1234, 1235, 0));
    go.open();
    pause();
  });
  go.wait();
  size_t count = find_processes(KERN_PROC_ALL, 0);
  CHECK(among(count, child) && among(count, getpid()) && among(count, 1));
  for (size_t i = 0; i < count; i++) CHECK(!(infos[i].p_psflags & PS_SYSTEM));
  CHECK(find_processes(KERN_PROC_KTHREAD, 0) >= count);
  CHECK_EQ(find_processes(KERN_PROC_PGRP, child), 1u);
  CHECK_EQ(infos[0].p_pid, child);
  CHECK_EQ(infos[0].p_eflag & EPROC_SLEADER, EPROC_SLEADER);
  CHECK_EQ(find_processes(KERN_PROC_SESSION, child), 1u);
  CHECK_EQ(find_processes(KERN_PROC_RUID, 1234), 1u);
  CHECK_EQ(find_processes(KERN_PROC_UID, 1235), 1u);
  CHECK_EQ(find_processes(KERN_PROC_UID, 1234), 0u);
  CHECK(among(find_processes(KERN_PROC_TTY, -1), child));
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
}

TEST(sysctl_kern_proc_obeys_the_callers_room) {
  int mib[] = {CTL_KERN, KERN_PROC, KERN_PROC_ALL, 0, sizeof(kinfo_proc), 1};
  size_t size = 0;
  CHECK_EQ(sysctl(mib, 6, nullptr, &size, nullptr, 0), 0);
  CHECK(size >= 2 * sizeof(kinfo_proc));   // init, this process, and some more
  size = sizeof infos;
  CHECK_ERRNO(sysctl(mib, 6, infos, &size, nullptr, 0), ENOMEM);
  CHECK_EQ(size, sizeof(kinfo_proc));
  // A program built for a shorter struct.
  struct Short {
    char bytes[offsetof(kinfo_proc, p_ppid)];
  } brief[2] = {};
  memset(brief, 0x55, sizeof brief);
  const int brief_mib[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid(), sizeof(Short), 2};
  size = sizeof brief;
  CHECK_EQ(sysctl(brief_mib, 6, brief, &size, nullptr, 0), 0);
  CHECK_EQ(size, sizeof(Short));
  CHECK_EQ(brief[1].bytes[0], 0x55);
  mib[4] = 0;
  CHECK_ERRNO(sysctl(mib, 6, infos, &size, nullptr, 0), EINVAL);
  mib[4] = sizeof(kinfo_proc);
  mib[2] = 99;
  CHECK_ERRNO(sysctl(mib, 6, infos, &size, nullptr, 0), EINVAL);
  CHECK_ERRNO(sysctl(mib, 4, infos, &size, nullptr, 0), EINVAL);
}

TEST(sysctl_tells_arguments_and_environment) {
  if (getenv("TOLD") != nullptr) {
    char buffer[4096];
    size_t size = sizeof buffer;
    const int arguments[] = {CTL_KERN, KERN_PROC_ARGS, getpid(), KERN_PROC_ARGV};
    CHECK_EQ(sysctl(arguments, 4, buffer, &size, nullptr, 0), 0);
    char** vector = reinterpret_cast<char**>(buffer);
    CHECK_EQ(static_cast<const char*>(vector[0]), "zero");
    CHECK_EQ(static_cast<const char*>(vector[1]), "sysctl_tells_arguments_and_environment");
    CHECK(vector[2] == nullptr);
    const int count[] = {CTL_KERN, KERN_PROC_ARGS, getpid(), KERN_PROC_NARGV};
    int many = 0;
    size = sizeof many;
    CHECK_EQ(sysctl(count, 4, &many, &size, nullptr, 0), 0);
    CHECK_EQ(many, 2);
    const int environment[] = {CTL_KERN, KERN_PROC_ARGS, getpid(), KERN_PROC_ENV};
    size = sizeof buffer;
    CHECK_EQ(sysctl(environment, 4, buffer, &size, nullptr, 0), 0);
    CHECK_EQ(static_cast<const char*>(vector[0]), "TOLD=1");
    CHECK_EQ(static_cast<const char*>(vector[1]), "B=");
    CHECK(vector[2] == nullptr);
    size = 8;
    CHECK_ERRNO(sysctl(environment, 4, buffer, &size, nullptr, 0), ENOMEM);
    return;
  }
  char told[] = "TOLD=1", other[] = "B=";
  char* environment[] = {told, other, nullptr};
  execle("/proc/self/exe", "zero", "sysctl_tells_arguments_and_environment", static_cast<char*>(nullptr), environment);
  CHECK(false);
}

TEST(sysctl_arguments_of_nobody_and_of_others) {
  char buffer[64];
  size_t size = sizeof buffer;
  int mib[] = {CTL_KERN, KERN_PROC_ARGS, 0x7ffffff, KERN_PROC_ARGV};
  CHECK_ERRNO(sysctl(mib, 4, buffer, &size, nullptr, 0), ESRCH);
  mib[2] = getpid();
  mib[3] = 9;
  CHECK_ERRNO(sysctl(mib, 4, buffer, &size, nullptr, 0), EINVAL);
  // Everybody may see root's arguments, but not its environment.
  CHECK_EQ(in_child([&] {
    CHECK_OK(setuid(1234));
    mib[2] = 1;
    mib[3] = KERN_PROC_NARGV;
    CHECK_EQ(sysctl(mib, 4, buffer, &size, nullptr, 0), 0);
    mib[3] = KERN_PROC_ENV;
    CHECK_ERRNO(sysctl(mib, 4, buffer, &size, nullptr, 0), EPERM);
  }), 0);
}

TEST(sysctl_structures) {
  clockinfo clock = {};
  size_t size = sizeof clock;
  const int clock_mib[] = {CTL_KERN, KERN_CLOCKRATE};
  CHECK_EQ(sysctl(clock_mib, 2, &clock, &size, nullptr, 0), 0);
  CHECK_EQ(size, sizeof clock);
  CHECK_EQ(clock.tick, 1'000'000 / clock.hz);
  CHECK_EQ(clock.profhz, 1000);

  timeval boot = {};
  size = sizeof boot;
  const int boot_mib[] = {CTL_KERN, KERN_BOOTTIME};
  CHECK_EQ(sysctl(boot_mib, 2, &boot, &size, nullptr, 0), 0);
  CHECK(boot.tv_sec <= time(nullptr) && boot.tv_sec > time(nullptr) - 24 * 3600);

  loadavg load;
  memset(&load, 0xff, sizeof load);
  size = sizeof load;
  CHECK_EQ(sysctlbyname("vm.loadavg", &load, &size, nullptr, 0), 0);
  CHECK_EQ(load.fscale, 2048);
  for (size_t i = sizeof load.ldavg; i < offsetof(loadavg, fscale); ++i)   // nothing of the kernel's between the fields
    CHECK_EQ(reinterpret_cast<const char*>(&load)[i], 0);

  forkstat before = {}, after = {};
  size = sizeof before;
  CHECK_EQ(sysctlbyname("kern.forkstat", &before, &size, nullptr, 0), 0);
  CHECK_EQ(in_child([] {}), 0);
  CHECK_EQ(sysctlbyname("kern.forkstat", &after, &size, nullptr, 0), 0);
  CHECK(after.cntfork > before.cntfork && after.sizfork > before.sizfork);
}

TEST(sysctl_hardware) {
  CHECK_EQ(number(CTL_HW, HW_NCPU), static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  CHECK_EQ(number(CTL_HW, HW_PAGESIZE), 4096);
  CHECK_EQ(number(CTL_HW, HW_BYTEORDER), 1234);
  const int mib[] = {CTL_HW, HW_PHYSMEM64};
  int64_t memory = 0;
  size_t size = sizeof memory;
  CHECK_EQ(sysctl(mib, 2, &memory, &size, nullptr, 0), 0);
  CHECK_EQ(size, sizeof memory);
  CHECK(memory > 16 << 20);
  int64_t by_name = 0;
  CHECK_EQ(sysctlbyname("hw.physmem", &by_name, &size, nullptr, 0), 0);
  CHECK_EQ(by_name, memory);
  CHECK(strtoll(read_text("/proc/sys/hw/physmem"), nullptr, 10) == memory);
}

TEST(sysctl_names_of_the_process_system) {
  constexpr const char* kNames[] = {"kern.lastpid", "kern.randompid", "kern.fast_vfork", "kern.maxproc", "kern.maxthread",
                                    "kern.nprocs", "kern.nthreads", "kern.pid_max", "kern.argmax"};
  for (const char* name : kNames) {
    int value = -1;
    size_t size = sizeof value;
    CHECK_EQ(sysctlbyname(name, &value, &size, nullptr, 0), 0);
    CHECK(value >= 0);
  }
  char mode[16];
  size_t size = sizeof mode;
  CHECK_EQ(sysctlbyname("kern.pidmode", mode, &size, nullptr, 0), 0);
  CHECK_EQ(static_cast<const char*>(mode), "random");
  CHECK_EQ(number(CTL_KERN, KERN_NPROCS) > 0, true);
}

TEST(sysctl_refuses) {
  char buffer[64];
  size_t size = sizeof buffer;
  const int unknown[] = {CTL_KERN, 999}, too_deep[] = {CTL_KERN, KERN_OSTYPE, 3}, node[] = {CTL_KERN};
  CHECK_ERRNO(sysctl(unknown, 2, buffer, &size, nullptr, 0), ENOENT);
  CHECK_ERRNO(sysctl(too_deep, 3, buffer, &size, nullptr, 0), ENOTDIR);
  CHECK_ERRNO(sysctl(node, 1, buffer, &size, nullptr, 0), EINVAL);
  CHECK_ERRNO(sysctl(unknown, 13, buffer, &size, nullptr, 0), EINVAL);
  CHECK_ERRNO(sysctlbyname("kern.nothing", buffer, &size, nullptr, 0), ENOENT);
  const int value = 1;
  CHECK_ERRNO(sysctlbyname("kern.forkstat", nullptr, nullptr, &value, sizeof value), EPERM);
  CHECK_ERRNO(sysctlbyname("hw.ncpu", nullptr, nullptr, &value, sizeof value), EPERM);
}
