// SPDX-License-Identifier: BSD-2-Clause
// Credentials, capabilities, limits, prctl, priorities.
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kernel_state.h"

namespace {
void become_user(uid_t user = 1000) {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setgid(user));
  CHECK_OK(setuid(user));
}

// Past libc, which would let all threads of the process make the call.
void* change_user_to_and_fro(void*) {
  for (int i = 0; i < 10000; i++) {
    CHECK_OK(syscall(SYS_setresuid, 1000 + i % 3, 0, 0));
    CHECK_OK(syscall(SYS_setresuid, 0, 0, 0));
  }
  return nullptr;
}
void* change_group(void* until) {
  for (gid_t group = 1; !__atomic_load_n(static_cast<bool*>(until), __ATOMIC_RELAXED); group = group % 100 + 1)
    CHECK_OK(syscall(SYS_setresgid, group, group, group));
  return nullptr;
}
}  // namespace

TEST(C2_credentials_are_inherited_and_separate) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setresuid(1000, 1001, 1002));
             CHECK_EQ(in_child([] {
                        uid_t real, effective, saved;
                        CHECK_OK(getresuid(&real, &effective, &saved));
                        CHECK_EQ(real, 1000u);
                        CHECK_EQ(effective, 1001u);
                        CHECK_EQ(saved, 1002u);
                        CHECK_OK(seteuid(1002));
                      }),
                      0);
             CHECK_EQ(geteuid(), 1001u);
           }),
           0);
  CHECK_EQ(geteuid(), 0u);
}

TEST(ordinary_user_changes_only_among_its_ids) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setresuid(1000, 1001, 1002));
             CHECK_OK(seteuid(1000));
             CHECK_OK(seteuid(1002));
             CHECK_ERRNO(seteuid(1003), EPERM);
             CHECK_ERRNO(setuid(0), EPERM);
             CHECK_OK(setuid(1000));
             CHECK_EQ(geteuid(), 1000u);
           }),
           0);
}

TEST(setuid_of_root_gives_everything_up) {
  CHECK_EQ(in_child([] {
             become_user();
             CHECK_ERRNO(setuid(0), EPERM);
             CHECK_ERRNO(seteuid(0), EPERM);
             CHECK_ERRNO(setgroups(0, nullptr), EPERM);
             CHECK_ERRNO(setgid(0), EPERM);
           }),
           0);
}

TEST(supplementary_groups_open_files) {
  const int file = CHECK_OK(open("/tmp/group", O_WRONLY | O_CREAT, 0640));
  CHECK_OK(fchown(file, 0, 777));
  const gid_t groups[] = {5, 777};
  CHECK_EQ(in_child([&] {
             CHECK_OK(setgroups(2, groups));
             CHECK_OK(setgid(1000));
             CHECK_OK(setuid(1000));
             gid_t now[4];
             CHECK_EQ(getgroups(4, now), 2);
             CHECK_ERRNO(getgroups(1, now), EINVAL);
             CHECK_OK(open("/tmp/group", O_RDONLY));
             CHECK_ERRNO(open("/tmp/group", O_WRONLY), EACCES);
           }),
           0);
  CHECK_OK(unlink("/tmp/group"));
}

TEST(L4_RLIMIT_NPROC_binds_ordinary_users) {
  const rlimit few = {3, 3};
  CHECK_EQ(in_child([&] {
             CHECK_OK(setrlimit(RLIMIT_NPROC, &few));
             CHECK_EQ(in_child([] {}), 0);  // root is not bound
             become_user(4242);
             pid_t children[4];
             int made = 0;
             for (; made < 4; made++) {
               children[made] = fork();
               if (children[made] == 0) {
                 for (;;) pause();
               }
               if (children[made] < 0) break;
             }
             CHECK_EQ(errno, EAGAIN);
             CHECK_EQ(made, 2);
             CHECK_OK(kill(children[0], SIGKILL));
             wait_for(children[0]);
             CHECK_EQ(in_child([] {}), 0);  // its place is free again
             CHECK_OK(kill(children[1], SIGKILL));
             wait_for(children[1]);
           }),
           0);
}

TEST(L4_failed_fork_counts_nothing_and_a_zombie_counts_until_it_is_reaped) {
  const rlimit two = {2, 2};
  CHECK_EQ(in_child([&] {
             CHECK_OK(setrlimit(RLIMIT_NPROC, &two));
             become_user(4243);
             const pid_t zombie = start_child([] {});
             siginfo_t info;
             CHECK_OK(waitid(P_PID, static_cast<id_t>(zombie), &info, WEXITED | WNOWAIT));
             for (int i = 0; i < 20; i++) CHECK_ERRNO(fork(), EAGAIN);
             CHECK_EQ(wait_for(zombie), 0);
             CHECK_EQ(in_child([] {}), 0);
           }),
           0);
}

TEST(L4_count_moves_on_setuid) {
  const rlimit three = {3, 3};
  CHECK_EQ(in_child([&] {
             CHECK_OK(setrlimit(RLIMIT_NPROC, &three));
             Gate moved;
             pid_t children[2];
             for (pid_t& child : children) {
               child = start_child([&] {
                 become_user(4244);
                 moved.open();
                 for (;;) pause();
               });
             }
             for (int i = 0; i < 2; i++) moved.wait();
             become_user(4244);   // the third
             CHECK_ERRNO(fork(), EAGAIN);
             CHECK_OK(kill(children[0], SIGKILL));
             wait_for(children[0]);
             CHECK_EQ(in_child([] {}), 0);
             CHECK_OK(kill(children[1], SIGKILL));
             wait_for(children[1]);
           }),
           0);
}

TEST(L4_count_is_exact_when_threads_change_ids_at_once) {
  CHECK_EQ(in_child([] {
             pthread_t thread[3];
             for (pthread_t& each : thread) CHECK_EQ(pthread_create(&each, nullptr, change_user_to_and_fro, nullptr), 0);
             change_user_to_and_fro(nullptr);
             for (const pthread_t each : thread) CHECK_EQ(pthread_join(each, nullptr), 0);
             check_audit();
           }),
           0);
  check_audit();
}

// A change that is lost could give a process rights back that it had given up.
TEST(changes_of_credentials_by_threads_at_once_are_all_kept) {
  for (int round = 0; round < 10; round++)
    CHECK_EQ(in_child([] {
               bool stop = false;
               pthread_t thread;
               CHECK_EQ(pthread_create(&thread, nullptr, change_group, &stop), 0);
               for (int capability = 0; capability < 40; capability++) {
                 CHECK_OK(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
                 sched_yield();
               }
               __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
               CHECK_EQ(pthread_join(thread, nullptr), 0);
               for (int capability = 0; capability < 40; capability++)
                 CHECK_EQ(prctl(PR_CAPBSET_READ, capability, 0, 0, 0), 0);
             }),
             0);
}

TEST(L7_limits_are_inherited_and_separate) {
  const rlimit mine = {100, 200};
  CHECK_OK(setrlimit(RLIMIT_CORE, &mine));
  CHECK_EQ(in_child([] {
             rlimit now;
             CHECK_OK(getrlimit(RLIMIT_CORE, &now));
             CHECK_EQ(now.rlim_cur, 100u);
             now.rlim_cur = 50;
             CHECK_OK(setrlimit(RLIMIT_CORE, &now));
           }),
           0);
  rlimit now;
  CHECK_OK(getrlimit(RLIMIT_CORE, &now));
  CHECK_EQ(now.rlim_cur, 100u);
  CHECK_EQ(now.rlim_max, 200u);
}

TEST(limit_rules) {
  const rlimit upside_down = {2, 1};
  CHECK_ERRNO(setrlimit(RLIMIT_CORE, &upside_down), EINVAL);
  CHECK_ERRNO(syscall(SYS_getrlimit, 99, &upside_down), EINVAL);
  CHECK_EQ(in_child([] {
             rlimit limit = {10, 20};
             CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
             become_user();
             limit = {20, 20};
             CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
             limit = {20, 21};
             CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
           }),
           0);
}

TEST(C13_nice_is_inherited_and_bounded) {
  CHECK_OK(setpriority(PRIO_PROCESS, 0, 7));
  CHECK_EQ(in_child([] {
             errno = 0;
             CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
             CHECK_OK(setpriority(PRIO_PROCESS, 0, 100));
             CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
             become_user();
             CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, 5), EACCES);
           }),
           0);
  CHECK_EQ(getpriority(PRIO_PROCESS, 0), 7);
  CHECK_ERRNO(getpriority(PRIO_PROCESS, 4000000), ESRCH);
}

TEST(process_name_is_set_and_inherited_by_fork_and_set_by_exec) {
  CHECK_OK(prctl(PR_SET_NAME, "a name longer than fifteen"));
  char name[16] = {};
  CHECK_OK(prctl(PR_GET_NAME, name));
  CHECK_EQ(static_cast<const char*>(name), "a name longer t");
  CHECK_EQ(in_child([] {
             char now[16] = {};
             CHECK_OK(prctl(PR_GET_NAME, now));
             CHECK_EQ(static_cast<const char*>(now), "a name longer t");
             execl("/bin/sh", "sh", "-c", "test \"$(cat /proc/$$/comm)\" = sh", static_cast<char*>(nullptr));
           }),
           0);
}

TEST(parent_death_signal_is_sent) {
  auto& got = shared<int>();
  Gate ready, done;
  CHECK_EQ(in_child([&] {
             start_child([&] {
               sigset_t set;
               sigemptyset(&set);
               sigaddset(&set, SIGUSR1);
               CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
               CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
               ready.open();
               int signal = 0;
               sigwait(&set, &signal);
               got = signal;
               done.open();
             });
             ready.wait();
           }),
           0);
  done.wait();
  CHECK_EQ(got, SIGUSR1);
}

TEST(K1_subreaper_adopts_orphans) {
  CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
  auto& orphan = shared<pid_t>();
  CHECK_EQ(in_child([&] {
             orphan = start_child([] {
               sleep_ms(50);
               _exit(31);
             });
           }),
           0);
  CHECK_EQ(wait_for(orphan), 31);
}

TEST(no_new_privileges_stops_set_user_id) {
  CHECK_EQ(in_child([] {
             become_user();
             CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
             CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
             CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
             execl("/bin/sh", "sh", "-c", "test $(/bin/su root -c id -u 2>/dev/null || echo refused) = refused",
                   static_cast<char*>(nullptr));
           }),
           0);
}

TEST(no_new_privileges_gives_no_capabilities_back_at_exec) {
  CHECK_EQ(in_child([] {
             const struct {
               uint32_t version;
               int pid;
             } header = {0x2008'0522, 0};
             const uint32_t none[6] = {};
             CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
             CHECK_OK(syscall(SYS_capset, &header, none));
             execl("/bin/grep", "grep", "-q", "CapPrm:.0000000000000000", "/proc/self/status", nullptr);
           }),
           0);
}

TEST(exec_keeps_what_another_thread_gave_up) {
  if (access("/proc/tine/audit", F_OK) != 0) SKIP("on Linux each thread has its own user");
  for (int round = 0; round < 20; round++) {
    bool& gave_up = shared<bool>();
    const int status = in_child([&] {
      pthread_t thread;
      const auto give_up = [](void* argument) -> void* {
        usleep(200);
        CHECK_OK(syscall(SYS_setresuid, 1000, 1000, 1000));
        *static_cast<bool*>(argument) = true;
        return nullptr;
      };
      CHECK_EQ(pthread_create(&thread, nullptr, give_up, &gave_up), 0);
      execl("/bin/sh", "sh", "-c", "exit $(id -u | grep -c '^0$')", nullptr);
    });
    if (gave_up) CHECK_EQ(status, 0);
  }
}

TEST(capabilities_go_with_the_user_id) {
  struct {
    uint32_t version;
    int pid;
  } header = {0x20080522, 0};
  struct {
    uint32_t effective, permitted, inheritable;
  } data[2] = {};
  CHECK_OK(syscall(SYS_capget, &header, data));
  CHECK(data[0].effective != 0);
  CHECK_EQ(in_child([&] {
             become_user();
             CHECK_OK(syscall(SYS_capget, &header, data));
             CHECK_EQ(data[0].effective, 0u);
             CHECK_EQ(data[0].permitted, 0u);
             data[0].effective = data[0].permitted = 1;
             CHECK_ERRNO(syscall(SYS_capset, &header, data), EPERM);
           }),
           0);
}

TEST(dropped_capability_is_missed) {
  CHECK_EQ(in_child([] {
             struct {
               uint32_t version;
               int pid;
             } header = {0x20080522, 0};
             struct {
               uint32_t effective, permitted, inheritable;
             } data[2] = {};
             CHECK_OK(syscall(SYS_capget, &header, data));
             data[0].effective &= ~(1u << 18);  // CAP_SYS_CHROOT
             CHECK_OK(syscall(SYS_capset, &header, data));
             CHECK_ERRNO(chroot("/tmp"), EPERM);
             CHECK_EQ(in_child([] { CHECK_ERRNO(chroot("/tmp"), EPERM); }), 0);
           }),
           0);
}

TEST(scheduling_policy_can_be_read_and_set) {
  CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);  // musl only says ENOSYS
  CHECK_OK(sched_yield());
  CHECK_EQ(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
  sched_param parameters = {};
  CHECK_ERRNO(syscall(SYS_sched_setscheduler, 0, 99, &parameters), EINVAL);
}
