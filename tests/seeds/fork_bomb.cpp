// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// A fork bomb of an ordinary user, under the limits that everybody has (seed row L6): root sees it and ends it. On Linux
// how far it gets is a matter of how the machine is set up.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>

#include "kernel_state.h"

namespace {

constexpr uid_t kUser = 4000;

void become_user() {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setgid(kUser));
  CHECK_OK(setuid(kUser));
}

long number_of_processes() { return atol(read_text("/proc/sys/kern/nprocs")); }

// What root sees in a shell.
int run_shell(const char* command) {
  return in_child([&] {
    execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    _exit(126);
  });
}

}  // namespace

TEST(L6_fork_bomb_leaves_root_able_to_see_it_and_kill_it) {
  adopt_orphans();
  const long before = number_of_processes();
  rlimit most;
  CHECK_OK(getrlimit(RLIMIT_NPROC, &most));
  const pid_t bomb = start_child([] {
    setsid();
    become_user();
    const int nowhere = open("/dev/null", O_RDWR);
    for (int standard = 0; standard < 3; standard++) dup2(nowhere, standard);
    execl("/bin/bash", "bash", "-c", ":(){ :|:& };:", static_cast<char*>(nullptr));
  });
  // As far as it gets in some seconds: to the limit, on a fast machine.
  const long full = before + static_cast<long>(most.rlim_cur) - 10;
  eventually([&] { return number_of_processes() >= full; }, 6);
  CHECK(number_of_processes() > before + 100);

  CHECK_EQ(run_shell("test $(ps | grep -c '[b]ash') -gt 20"), 0);
  // su USER -c 'kill -9 -1'
  CHECK_EQ(in_child([] {
             become_user();
             CHECK_OK(kill(-1, SIGKILL));
           }),
           0);
  CHECK(eventually(
      [&] {
        pid_t ended;
        while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        return ended < 0 && errno == ECHILD;
      },
      20));
  CHECK_ERRNO(kill(bomb, 0), ESRCH);
  CHECK_EQ(number_of_processes(), before);
  check_audit();
}
