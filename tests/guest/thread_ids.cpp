// SPDX-License-Identifier: BSD-2-Clause
// A thread's id where a pid is meant; which thread of its parent a child belongs to.
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

namespace {

// A thread that says its id and waits until it is told to end.
class OtherThread {
 public:
  OtherThread() {
    CHECK_EQ(pthread_create(&thread_, nullptr, run, this), 0);
    CHECK(eventually([&] { return __atomic_load_n(&id_, __ATOMIC_ACQUIRE) != 0; }));
  }
  pid_t id() const { return id_; }
  void end() {
    go_.open();
    pthread_join(thread_, nullptr);
  }

 private:
  static void* run(void* self) {
    auto& me = *static_cast<OtherThread*>(self);
    __atomic_store_n(&me.id_, static_cast<pid_t>(syscall(SYS_gettid)), __ATOMIC_RELEASE);
    me.go_.wait();
    return nullptr;
  }
  Gate go_;
  pid_t id_ = 0;
  pthread_t thread_;
};

template <class Body>
void in_thread(Body body) {
  pthread_t thread;
  CHECK_EQ(pthread_create(
               &thread, nullptr,
               [](void* given) -> void* {
                 (*static_cast<Body*>(given))();
                 return nullptr;
               },
               &body),
           0);
  pthread_join(thread, nullptr);
}

bool has_line(const char* path, const char* line) {
  const char* text = read_text(path);
  const char* found = strstr(text, line);
  return found && (found == text || found[-1] == '\n');
}

volatile sig_atomic_t signals_taken;

}  // namespace

TEST(kill_by_a_threads_id_reaches_its_process) {
  OtherThread other;
  CHECK_OK(kill(other.id(), 0));
  signal(SIGUSR1, [](int) { signals_taken = signals_taken + 1; });
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK_OK(kill(other.id(), SIGUSR1));
  CHECK(eventually([] { return signals_taken == 1; }));
  other.end();
  CHECK(eventually([&] { return kill(other.id(), 0) == -1; }));
  CHECK_ERRNO(kill(other.id(), 0), ESRCH);
}

TEST(getpgid_and_getsid_take_a_threads_id) {
  OtherThread other;
  CHECK_EQ(CHECK_OK(getpgid(other.id())), getpgrp());
  CHECK_EQ(CHECK_OK(getsid(other.id())), getsid(0));
  other.end();
}

TEST(setpgid_and_pidfd_open_want_a_process) {
  OtherThread other;
  CHECK_ERRNO(setpgid(other.id(), 0), EINVAL);
  CHECK_ERRNO(syscall(SYS_pidfd_open, other.id(), 0), EINVAL);
  other.end();
}

TEST(prlimit_takes_a_threads_id) {
  OtherThread other;
  rlimit mine, found;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &mine));
  CHECK_OK(syscall(SYS_prlimit64, other.id(), RLIMIT_NOFILE, nullptr, &found));
  CHECK_EQ(found.rlim_cur, mine.rlim_cur);
  other.end();
}

TEST(process_vm_readv_takes_a_threads_id) {
  OtherThread other;
  int value = 4711, seen = 0;
  iovec from{&value, sizeof value}, to{&seen, sizeof seen};
  CHECK_EQ(CHECK_OK(process_vm_readv(other.id(), &to, 1, &from, 1, 0)), static_cast<ssize_t>(sizeof seen));
  CHECK_EQ(seen, 4711);
  other.end();
}

TEST(proc_has_an_unlisted_directory_for_a_threads_id) {
  OtherThread other;
  char path[64], line[64];
  snprintf(path, sizeof path, "/proc/%d/status", other.id());
  snprintf(line, sizeof line, "Pid:\t%d\n", other.id());
  CHECK(has_line(path, line));
  snprintf(line, sizeof line, "Tgid:\t%d\n", getpid());
  CHECK(has_line(path, line));
  other.end();
  CHECK(eventually([&] { return access(path, F_OK) == -1; }));
}

TEST(ended_child_can_be_moved_to_its_own_group_and_joined_there) {
  const pid_t child = start_child([] {});
  siginfo_t info;
  CHECK_OK(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
  CHECK_OK(setpgid(child, child));
  CHECK_EQ(CHECK_OK(getpgid(child)), child);
  const pid_t second = start_child([] { pause(); });
  CHECK_OK(setpgid(second, child));
  CHECK_EQ(CHECK_OK(getpgid(second)), child);
  CHECK_OK(kill(second, SIGKILL));
  CHECK_EQ(wait_for(second), 128 + SIGKILL);
  CHECK_EQ(wait_for(child), 0);
}

TEST(WNOTHREAD_finds_only_the_callers_own_children) {
  pid_t child = 0;
  in_thread([&] {
    child = start_child([] {});
    siginfo_t info;
    CHECK_OK(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
    OtherThread nothing;
    in_thread([&] { CHECK_ERRNO(waitpid(child, nullptr, __WNOTHREAD), ECHILD); });
    nothing.end();
    CHECK_EQ(CHECK_OK(waitpid(child, nullptr, __WNOTHREAD)), child);
  });
}

TEST(children_of_a_thread_that_ended_belong_to_the_main_thread) {
  pid_t child = 0;
  in_thread([&] { child = start_child([] {}); });
  CHECK_EQ(CHECK_OK(waitpid(child, nullptr, __WNOTHREAD)), child);
}

TEST(parent_death_signal_comes_at_the_end_of_the_thread_that_forked) {
  Gate asked;
  pid_t child = 0;
  in_thread([&] {
    child = start_child([&] {
      prctl(PR_SET_PDEATHSIG, SIGUSR2);
      asked.open();
      sleep(20);
    });
    asked.wait();
  });
  CHECK_EQ(wait_for(child), 128 + SIGUSR2);
}

TEST(parent_death_signal_does_not_come_at_the_end_of_another_thread) {
  Gate asked, go;
  const pid_t child = start_child([&] {
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    asked.open();
    go.wait();
    _exit(3);
  });
  asked.wait();
  in_thread([] {});
  go.open();
  CHECK_EQ(wait_for(child), 3);
}
